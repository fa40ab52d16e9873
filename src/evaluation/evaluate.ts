import { z } from 'zod';
import { tokenBudgetBatches } from '../batching/batches.js';
import { lengthSortedOrder } from '../batching/order.js';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { LabelSet } from '../data/label-set.js';
import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import { inTurns } from '../io/turns.js';
import type { EncoderModel } from '../model/encoder-model.js';
import type { PrefixStore } from '../model/prefix-store.js';
import { TokenClassifier } from '../model/token-classifier.js';
import { encodeSteps } from '../text/encode.js';
import { computeMetrics, type Metrics } from './metrics.js';
import { countWords, wordTags } from './word-tags.js';

/** Where sentences are cut, as in the paper. */
const DEFAULT_MAX_LENGTH = 128;
/** Tokens that are evaluated at once; without gradients a batch costs little memory. */
const EVALUATION_TOKENS = 4096;
/** Batches that cross the border in one call, between which an abort takes effect. */
const BATCHES_A_CALL = 16;

/** What is evaluated, and how. */
export interface EvaluateOptions {
  model: TokenClassifier;
  sentences: readonly Sentence[];
  /** The sentences encoded, where the caller has them already. */
  dataset?: EncodedDataset;
  /** Longest example in tokens, special tokens included. @default what the model was trained with; see maxLengthFor */
  maxLength?: number;
  /** Tokens that are predicted at once. @default 4096 */
  maxTokens?: number;
  /** Where the outputs of the frozen prefix are kept. */
  store?: PrefixStore;
  signal?: AbortSignal;
}

// Data and model are objects of this package and are not looked into.
const evaluateSchema = z.strictObject({
  model: z.custom<TokenClassifier>((value) => value instanceof TokenClassifier, 'expected a TokenClassifier'),
  sentences: z.custom<readonly Sentence[]>(
    (value) => Array.isArray(value) && value.length > 0,
    'expected an array of at least one sentence',
  ),
  dataset: z.custom<EncodedDataset>((value) => typeof value === 'object' && value !== null).optional(),
  maxLength: z.int().min(3).optional(),
  maxTokens: z.int().positive().optional(),
  store: z.custom<PrefixStore>((value) => typeof value === 'object' && value !== null).optional(),
  signal: z
    .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
    .optional(),
});

/** What an evaluation gives. */
export interface Evaluation {
  metrics: Metrics;
  /** Predicted tag of each word, in the order of the sentences. */
  predicted: string[][];
  seconds: number;
}

/**
 * Predicts the tags of annotated sentences and scores them. The arg max is taken in the engine; no
 * logits are kept.
 *
 * @throws LABEL_MISMATCH where a sentence has a tag that the head lacks; INVALID_OPTION for a wrong option, and
 *   where neither the model has a tokenizer nor `dataset` is given
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { model, sentences } = parseOptions(evaluateSchema, options, 'evaluate');
  const started = performance.now();
  const dataset =
    options.dataset ??
    (await inTurns(
      encodeSteps(sentences, tokenizerOf(model), new LabelSet(model.labels), {
        maxLength: maxLengthFor(model, options.maxLength),
      }),
    ));
  if (dataset.size !== sentences.length) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `evaluate: \`dataset\`: expected the ${sentences.length} sentences encoded, got ${dataset.size} examples.`,
      { where: 'evaluate', option: 'dataset', expected: sentences.length, got: dataset.size },
    );
  }
  const predicted = await predictTags(model, dataset, options);
  const gold = sentences.map((sentence) => sentence.tags);
  const metrics = computeMetrics(gold, predicted, countWords(dataset));
  return { metrics, predicted, seconds: (performance.now() - started) / 1000 };
}

/** Predicted tag of each word of each example. */
export async function predictTags(
  model: TokenClassifier,
  dataset: EncodedDataset,
  options: { maxTokens?: number; store?: PrefixStore; signal?: AbortSignal } = {},
): Promise<string[][]> {
  const batches = [
    ...tokenBudgetBatches(dataset, lengthSortedOrder(dataset), options.maxTokens ?? EVALUATION_TOKENS),
  ];
  const predicted = new Array<string[]>(dataset.size);
  const { store, signal } = options;
  const callOptions = { ...(store && { store }), ...(signal && { signal }) };
  for (let start = 0; start < batches.length; start += BATCHES_A_CALL) {
    const group = batches.slice(start, start + BATCHES_A_CALL);
    const labels = await model.predict(
      group.map(({ batch: { inputIds, cuSeqlens }, indices }) => ({
        inputIds,
        cuSeqlens,
        examples: indices,
      })),
      callOptions,
    );
    for (const [i, { indices }] of group.entries()) {
      const tags = wordTags(dataset, indices, labels[i]!, model.labels);
      for (const [j, example] of indices.entries()) predicted[example] = tags[j]!;
    }
  }
  return predicted;
}

/**
 * Longest example in tokens: as asked for, else what the model was trained with, else 128, the paper's, or what the
 * model has positions for.
 *
 * @throws INVALID_OPTION where more is asked for than the model has positions
 */
export function maxLengthFor(model: EncoderModel, requested: number | undefined): number {
  const { maxLength } = model;
  if (requested === undefined) return Math.min(model.trainedWith?.maxLength ?? DEFAULT_MAX_LENGTH, maxLength);
  if (requested <= maxLength) return requested;
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`maxLength\`: the model has ${maxLength} positions, got ${requested}. Choose at most ${maxLength}.`,
    { option: 'maxLength', got: requested, maxLength },
  );
}

/** The model's tokenizer. @throws INVALID_OPTION where it has none */
export function tokenizerOf(model: EncoderModel) {
  if (model.tokenizer) return model.tokenizer;
  throw new PermafrostError(
    'INVALID_OPTION',
    'The model has no tokenizer: its directory holds neither tokenizer.json nor vocab.txt. Put one there. ' +
      'A model that is created takes one as `tokenizer`.',
  );
}
