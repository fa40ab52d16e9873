/**
 * The examples of a batch laid end to end without padding.
 *
 * `T` is the total number of tokens, `B` the number of sequences. Sequence `i` holds the tokens
 * `cuSeqlens[i]` up to (not including) `cuSeqlens[i + 1]`.
 */
export interface PackedBatch {
  /** Token ids, shape [T]. */
  inputIds: Int32Array;
  /** Label id of each token, -100 where the token does not count, shape [T]. */
  labels?: Int32Array;
  /** Borders of the sequences: starts at 0, strictly ascending, ends at T; shape [B + 1]. */
  cuSeqlens: Int32Array;
  /** Number of each sequence in its dataset, by which a prefix store knows it, shape [B]. */
  examples?: Int32Array;
  /** What each sequence counts for in the loss of a training step, above 0, shape [B]; 1 each where it is left out. */
  weights?: Float32Array;
  /**
   * Place of each sequence's first token in the whole batch, all shares of it end to end; shape [B]. Dropout masks are
   * drawn by it, so that ranks drop what one process would. Left out, the places are those within this batch. On a card,
   * whose kernels draw masks by themselves, every rank has masks of its own.
   */
  rows?: Int32Array;
}

/**
 * What one rank trains on in a step whose gradients are summed in one order on any number of ranks: the shares
 * `first`, `first + 1`, ... of the `gradientShards` that the whole batch is laid out in. A share may be without sequences.
 */
export interface BatchShards {
  shards: readonly PackedBatch[];
  /** Number of the first of them among all. */
  first: number;
}

/** A batch as ragged arrays, one inner array a sequence; packed before it reaches the engine. */
export interface RaggedBatch {
  inputIds: number[][];
  labels?: number[][];
}

/** What decides how a batch is laid out on a card. */
export interface BatchShape {
  tokens: number;
  sequences: number;
  /** Tokens of the longest sequence. */
  longest: number;
  /** Whether its sequences have weights in the loss. */
  weighted: boolean;
}

/** The label id that takes no part in loss and evaluation, as PyTorch's cross-entropy has it. */
export const IGNORED_LABEL = -100;
