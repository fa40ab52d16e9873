/** What one training step reports. */
export interface StepResult {
  /** Mean loss over the labelled tokens of the batch, before the update: their cross-entropy where nothing else is asked for. */
  loss: number;
  /** Global L2 norm of the gradients before clipping; null where the call only accumulated gradients. */
  gradNorm: number | null;
  /** Learning rate of this update, before the factors of layers and of weights that were thawed. */
  learningRate: number;
  /** Number of tokens in the batch, special tokens included; of all ranks, as the loss, `labelled` and `weight` are. */
  tokens: number;
  /** Number of those that have a label. */
  labelled: number;
  /** What these count for in the mean: their number, or the sum of the weights of their labels and sentences. */
  weight: number;
  /** Whether the parameters were updated (false while gradients are accumulated). */
  updated: boolean;
  /** Bitwise or of the `flags` that the ranks gave this step; those of the caller where it trains alone. */
  flags: number;
}

/** One named tensor of the model, under its Hugging Face name. */
export interface ParameterInfo {
  name: string;
  shape: number[];
  trainable: boolean;
  /** Number of elements. */
  count: number;
}

/** Raw scores, row by row. */
export interface Logits {
  data: Float32Array;
  /** [T, classes]: the labels, or the tokens of the vocabulary */
  shape: [number, number];
}

/** What a checkpoint did not have, and what it had too much of. */
export interface LoadReport {
  /** Parameters that were initialised from the seed because the checkpoint lacks them. */
  fresh: string[];
  /** Tensors of the checkpoint that the model does not use. */
  unused: string[];
  /** Labels whose rows of the head were drawn, where those of the others are the checkpoint's. */
  freshLabels?: string[];
  /** Tokens of the tokenizer that the checkpoint has no row for: their rows of the embedding were drawn. */
  freshTokens?: string[];
}

/** Outputs of the embeddings and of each layer. */
export interface HiddenStates {
  data: Float32Array;
  /** [1 + layers, tokens, hidden] */
  shape: [outputs: number, tokens: number, hidden: number];
}

/** What the gradients of several batches, B of them, say of a parameter. */
export interface GradientMoments {
  /** (1 / B) sum of |g_b|^2. */
  meanSquaredNorm: number;
  /** |(1 / B) sum of g_b|^2; the rest of the first is the variance, summed over the parameter's elements. */
  squaredNormOfMean: number;
}
