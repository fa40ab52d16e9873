import { z } from 'zod';
import { tokenBudgetBatches } from '../batching/batches.js';
import { lengthSortedOrder } from '../batching/order.js';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import type { Peers } from '../contract/peers.js';
import { LabelSet } from '../data/label-set.js';
import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import { inTurns } from '../io/turns.js';
import type { PrefixStore } from '../model/prefix-store.js';
import { TokenClassifier } from '../model/token-classifier.js';
import type { LongSentences } from '../text/cut-examples.js';
import { encodeSteps } from '../text/encode.js';
import { type Decoding, decoderOf, decodingOf, decodingShape } from './decoding.js';
import { encodingOf, encodingShape, tokenizerOf } from './encoding.js';
import type { ErrorKindCounts, PairedEntity } from './entity-errors.js';
import { EvaluationSum, type UnknownGold } from './evaluation-sum.js';
import { isAllOutside, type Metrics } from './metrics.js';
import { SentenceScores } from './sentence-scores.js';
import { predictShared } from './share-batches.js';
import { scoreTokens, tagScores, wordScores } from './word-scores.js';
import { countWords, outsideTags, putWordTags } from './word-tags.js';

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
  /** What is done with longer ones: cut off, or seen in windows. @default as the model was trained, else 'truncate' */
  longSentences?: LongSentences;
  /** Tokens of its document that a sentence has on each side. @default as the model was trained, else 0 */
  contextTokens?: number;
  /** How scores become tags. @default as the model was measured in training; else 'viterbi' for a chain, 'argmax' for other heads */
  decoding?: Decoding;
  /** Tokens that are predicted at once. @default 4096 */
  maxTokens?: number;
  /** What is done with gold tags that the head has no label for: an error, or their entities count as missed. @default 'refuse' */
  unknownTypes?: UnknownTypes;
  /** Whether the probability of each tag is told, too, which takes one more pass. @default false */
  scores?: boolean;
  /** Where the outputs of the frozen prefix are kept. */
  store?: PrefixStore;
  /** Processes that evaluate the same together, each a part of the batches; all come to the same. @internal */
  peers?: Peers;
  signal?: AbortSignal;
}

type UnknownTypes = z.output<typeof judgingShape.unknownTypes>;

/** How sentences are judged that a model was not made for, and what is told of them. */
export const judgingShape = {
  unknownTypes: z
    .enum(['refuse', 'miss'])
    .default('refuse')
    .describe('gold types that the model does not have: refuse them, or count their entities as missed'),
  scores: z.boolean().default(false).describe('tells the probability of each tag, which takes one more pass'),
};

// Data and model are objects of this package and are not looked into.
const evaluateSchema = z.strictObject({
  model: z.custom<TokenClassifier>((value) => value instanceof TokenClassifier, 'expected a TokenClassifier'),
  sentences: z.custom<readonly Sentence[]>(
    (value) => Array.isArray(value) && value.length > 0,
    'expected an array of at least one sentence',
  ),
  dataset: z.custom<EncodedDataset>((value) => typeof value === 'object' && value !== null).optional(),
  maxLength: z.int().min(3).optional(),
  ...encodingShape,
  ...decodingShape,
  ...judgingShape,
  maxTokens: z.int().positive().optional(),
  store: z.custom<PrefixStore>((value) => typeof value === 'object' && value !== null).optional(),
  peers: z.custom<Peers>((value) => typeof value === 'object' && value !== null).optional(),
  signal: z
    .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
    .optional(),
});

/** What an evaluation gives. */
export interface Evaluation {
  metrics: Metrics;
  /** Predicted tag of each word, in the order of the sentences. */
  predicted: string[][];
  /** With `scores`: the probability of each predicted tag, null where the model did not see the word. */
  scores?: (number | null)[][];
  /** Entities by what became of them. */
  errors: ErrorKindCounts;
  /** Gold tags that the head has no label for, with `unknownTypes: 'miss'`. */
  unknown: UnknownGold;
  /**
   * Mean loss over the words that the model saw, all of which count alike: their cross-entropy, or of a chain the negative
   * log likelihood; null where it saw none.
   */
  loss: number | null;
  /** What a person should know of the answers: sentences. */
  warnings: string[];
  seconds: number;
}

/**
 * Predicts the tags of annotated sentences and scores them. The arg max is taken in the engine; no
 * logits are kept, but those of the words of a sentence that is decoded as a whole.
 *
 * @throws LABEL_MISMATCH where a sentence has a tag that the head lacks, and `unknownTypes` does not say to count it as
 *   missed; INVALID_OPTION for a wrong option, and where neither the model has a tokenizer nor `dataset` is given
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const started = performance.now();
  const sum = new EvaluationSum();
  const { pairs: _, ...answers } = await evaluateBlock(options, sum);
  const report = sum.report();
  const warnings = warningsOf(report.metrics);
  return { ...report, ...answers, warnings, seconds: (performance.now() - started) / 1000 };
}

/** The same for some of the sentences, whose counts are added to a sum; tells also what became of their entities. */
export async function evaluateBlock(
  options: EvaluateOptions,
  sum: EvaluationSum,
): Promise<Pick<Evaluation, 'predicted' | 'scores'> & { pairs: PairedEntity[][] }> {
  const { model, sentences, unknownTypes, scores } = parseOptions(evaluateSchema, options, 'evaluate');
  const labels = new LabelSet(model.labels);
  const unknown = unknownTypes === 'miss' ? 'ignore' : 'refuse';
  const dataset =
    options.dataset ??
    (await inTurns(encodeSteps(sentences, tokenizerOf(model), labels, encodingOf(model, options), unknown)));
  const encoded = dataset.wordCounts.length;
  if (encoded !== sentences.length) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `evaluate: \`dataset\`: expected the ${sentences.length} sentences encoded, got ${encoded} examples.`,
      { where: 'evaluate', option: 'dataset', expected: sentences.length, got: encoded },
    );
  }
  const { predicted, lossSum, labelled } = await predictTags(model, dataset, options);
  const pairs = sentences.map(({ tags }, index) => sum.add(tags, predicted[index]!, labels));
  sum.addBlock(countWords(dataset), lossSum, labelled);
  if (!scores) return { predicted, pairs };
  const { signal } = options;
  const tokens = await scoreTokens(model, dataset, { ...(signal && { signal }) });
  const decoder = await decoderOf(model, decodingOf(model, options.decoding));
  const scored = predicted.map((tags, index) =>
    tagScores(tags, wordScores(tags.length, tokens[index]!, labels.labels.length, decoder), labels),
  );
  return { predicted, pairs, scores: scored };
}

const ALL_OUTSIDE =
  'The model answers nothing but O. Is it trained, for these types and this language? An accuracy is the share of O in ' +
  'the data then.';

/** What a person should know of scores: sentences. */
export function warningsOf(metrics: Metrics): string[] {
  return isAllOutside(metrics) ? [ALL_OUTSIDE] : [];
}

/** Predicted tag of each word of each sentence, and the summed loss of those with a label, and their number. */
export async function predictTags(
  model: TokenClassifier,
  dataset: EncodedDataset,
  options: {
    decoding?: Decoding;
    maxTokens?: number;
    store?: PrefixStore;
    peers?: Peers;
    signal?: AbortSignal;
  } = {},
): Promise<{ predicted: string[][]; lossSum: number; labelled: number }> {
  const batches = [
    ...tokenBudgetBatches(dataset, lengthSortedOrder(dataset), options.maxTokens ?? EVALUATION_TOKENS),
  ];
  const predicted = outsideTags(dataset);
  let [lossSum, labelled] = [0, 0];
  const { store, signal, peers } = options;
  const decoder = await decoderOf(model, decodingOf(model, options.decoding));
  const sentences = decoder && new SentenceScores(dataset, model.labels, decoder);
  const callOptions = { ...(store && { store }), ...(signal && { signal }) };
  for (let start = 0; start < batches.length; start += BATCHES_A_CALL) {
    const group = batches.slice(start, start + BATCHES_A_CALL);
    const asked = group.map(({ batch, indices }) => ({ ...batch, examples: indices }));
    const scored = sentences && group.map(({ indices }) => sentences.wanted(indices));
    const withScores = { ...callOptions, ...(scored && { scored }) };
    const part = await (peers
      ? predictShared(model, asked, peers, withScores)
      : model.predictWithLoss(asked, withScores));
    lossSum += part.lossSum;
    labelled += part.labelled;
    for (const [i, { indices }] of group.entries()) {
      if (sentences) await sentences.add(predicted, indices, part.scores[i]!);
      else putWordTags(predicted, dataset, indices, part.predicted[i]!, model.labels);
    }
  }
  return { predicted, lossSum, labelled };
}
