import { z } from 'zod';
import { batchesOf, tokenBudgetBatches } from '../batching/batches.js';
import { epochOrder } from '../batching/order.js';
import { batchShapes } from '../batching/shapes.js';
import type { EncodedDataset, EncodedSplits } from '../contract/encoded-dataset.js';
import type { BatchShape, PackedBatch } from '../contract/packed-batch.js';
import type { Peers } from '../contract/peers.js';
import { LabelSet } from '../data/label-set.js';
import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import { decodingShape } from '../evaluation/decoding.js';
import { encodingOf, encodingShape, tokenizerOf } from '../evaluation/encoding.js';
import { evaluate } from '../evaluation/evaluate.js';
import { isAllOutside, type Metrics } from '../evaluation/metrics.js';
import { predictionsOf } from '../evaluation/predictions.js';
import { sentenceOf } from '../evaluation/word-tags.js';
import { digestArrays, digestSentences } from '../io/digest.js';
import { inTurns } from '../io/turns.js';
import type { LossOptions } from '../model/loss-options.js';
import type { PrefixStore } from '../model/prefix-store.js';
import { TokenClassifier } from '../model/token-classifier.js';
import { labelAllSubTokens } from '../text/align-labels.js';
import { type EncodeDatasetOptions, encodeSteps } from '../text/encode.js';
import type { EvaluatedSplit } from './events.js';
import { learntExamples, sentenceWeights } from './learnt-examples.js';
import type { FrozenPrefix } from './prefix.js';
import { PrefixCache } from './prefix-cache.js';
import { requireFinite } from './require-finite.js';
import { optimizerShape, stoppingOption, stoppingShape, trainingShape } from './settings.js';
import { lossFor, taggingLossSchema } from './tagging-loss.js';
import type { Measured, Task } from './task.js';

/** Tokens whose prefix is computed at once; without gradients a batch costs little memory. */
const PREFIX_TOKENS = 4096;

/** When training ends before the last epoch. */
export const taggingStoppingShape = {
  /** Validation score to watch, which also decides the best weights. @default 'macroF1' */
  metric: z
    .enum(['macroF1', 'weightedF1', 'accuracy', 'entityF1'])
    .default('macroF1')
    .describe('validation score that decides which weights are best'),
  ...stoppingShape,
};

/** What a tagging task has beside the settings of every training. */
export const taggingShape = {
  /** Sentences a batch. @default 32 */
  batchSize: z.int().positive().default(32).describe('sentences a batch'),
  /**
   * Sub-tokens that learn the label of their word: the first, as the paper has it, or all, those behind the first `I-x`
   * where it is `B-x`. A word is scored by its first one in any case. @default 'first'
   */
  labelSubTokens: z
    .enum(['first', 'all'])
    .optional()
    .describe('sub-tokens that learn the label of their word (default: first)'),
  ...encodingShape,
  ...decodingShape,
};

// Data and model are objects of this package and are not looked into.
const sentences = z.custom<Sentence[]>(
  (value) => Array.isArray(value) && value.length > 0,
  'expected at least one sentence',
);

/** Options of `finetune`. */
export const finetuneSchema = z.strictObject({
  model: z.custom<TokenClassifier>((value) => value instanceof TokenClassifier, 'expected a TokenClassifier'),
  train: sentences,
  validation: sentences,
  /** Evaluated once, with the best weights. */
  test: sentences.optional(),
  ...trainingShape,
  ...taggingShape,
  optimizer: z.strictObject(optimizerShape).prefault({}),
  /**
   * How labelled words count in the loss of the training steps, for unbalanced labels; a sentence counts by its `weight`.
   * Evaluations give the plain loss. @default all alike
   */
  loss: taggingLossSchema.optional(),
  /** false trains all epochs; the best weights are restored in any case. */
  earlyStopping: stoppingOption(taggingStoppingShape),
  /**
   * The sentences encoded, where the caller has them already, such as for several runs. Flat arrays of this package;
   * their sizes are compared with the sentences before they are used.
   */
  encoded: z.custom<EncodedSplits>((value) => typeof value === 'object' && value !== null).optional(),
  /**
   * Keeps the outputs of the frozen prefix from epoch to epoch, and from run to run where runs share the
   * cache. Takes effect where the prefix has no dropout; false computes them in every step.
   * @default a cache of its own, of a quarter of the free memory
   */
  prefixCache: z
    .custom<PrefixCache | false>(
      (value) => value === false || value instanceof PrefixCache,
      'expected a PrefixCache or false',
    )
    .optional(),
});

type Options = z.output<typeof finetuneSchema>;

interface Split {
  sentences: readonly Sentence[];
  dataset: EncodedDataset;
  store?: PrefixStore | undefined;
}

interface Splits {
  train: Split;
  validation: Split;
  test: Split | null;
}

/** Gives each word of a sentence a tag: batches of so many sentences, measured as {@link evaluate} does. */
export class TaggingTask implements Task<Metrics> {
  readonly identity: object;
  readonly loss: LossOptions | undefined;
  readonly #options: Options;
  readonly #encoding: Required<EncodeDatasetOptions>;
  readonly #splits: Splits;
  /** Training examples that have a word to learn from: the tokenizer leaves nothing of some sentences. */
  readonly #examples: Int32Array;
  /** What the training sentences count for; null where all count alike. */
  readonly #weights: Float32Array | null;

  /**
   * Encodes the sentences that are not encoded yet, in turns with the event loop.
   *
   * @throws LABEL_MISMATCH, INVALID_OPTION
   */
  static async create(options: Options): Promise<TaggingTask> {
    const { model, train, validation, test } = options;
    const encoding = encodingOf(model, options);
    const labels = new LabelSet(model.labels);
    const encode = async (name: keyof EncodedSplits, sentences: readonly Sentence[]): Promise<Split> => {
      const encoded = options.encoded?.[name];
      if (encoded) requireExamples(name, encoded, sentences);
      const dataset =
        encoded ?? (await inTurns(encodeSteps(sentences, tokenizerOf(model), labels, encoding)));
      return { sentences, dataset };
    };
    return new TaggingTask(options, encoding, {
      train: await encode('train', train),
      validation: await encode('validation', validation),
      test: test ? await encode('test', test) : null,
    });
  }

  private constructor(options: Options, encoding: Required<EncodeDatasetOptions>, splits: Splits) {
    const { model, batchSize } = options;
    const { maxLength, longSentences, contextTokens } = encoding;
    const { labelSubTokens = 'first', loss, decoding = model.trainedWith?.decoding } = options;
    if (model.head === 'crf') refuseForChain(options);
    const beyondDefaults = {
      ...(longSentences !== 'truncate' && { longSentences }),
      ...(contextTokens > 0 && { contextTokens }),
      ...(decoding !== undefined && { decoding }),
    };
    // Whoever uses the model later cuts sentences, and decodes their scores, as it was done here.
    model.noteTraining({ maxLength, ...beyondDefaults });
    const { train } = splits;
    const dataset = labelSubTokens === 'all' ? labelAllSubTokens(train.dataset, model.labels) : train.dataset;
    this.#options = options;
    this.#encoding = encoding;
    this.#splits = { ...splits, train: { ...train, dataset } };
    this.#weights = sentenceWeights(train.sentences);
    this.#examples = learntExamples(dataset, this.#weights);
    this.loss = loss && lossFor(loss, dataset, model.labels);
    const digest = (split: Split | null) =>
      split &&
      [digestSentences(split.sentences), digestArrays([split.dataset.inputIds, split.dataset.labels])].join(
        '/',
      );
    this.identity = {
      task: 'token-classification',
      batchSize,
      maxLength,
      ...beyondDefaults,
      ...(labelSubTokens === 'all' && { labelSubTokens }),
      ...(this.loss && { loss: this.loss }),
      data: Object.fromEntries(Object.entries(this.#splits).map(([name, split]) => [name, digest(split)])),
    };
  }

  get hasTest(): boolean {
    return this.#splits.test !== null;
  }

  get prefixCache(): PrefixCache | false | undefined {
    return this.#options.prefixCache;
  }

  countBatches(): number {
    return Math.ceil(this.#examples.length / this.#options.batchSize);
  }

  *batches(epoch: number, from: number): Generator<PackedBatch> {
    const { batchSize } = this.#options;
    const { dataset } = this.#splits.train;
    const order = this.#order(epoch).subarray(from * batchSize);
    for (const { batch, indices } of batchesOf(dataset, order, batchSize))
      yield { ...batch, examples: indices, ...this.#weightsOf(dataset, indices) };
  }

  #weightsOf(dataset: EncodedDataset, indices: Int32Array): Pick<PackedBatch, 'weights'> {
    const all = this.#weights;
    return all
      ? { weights: Float32Array.from(indices, (example) => all[sentenceOf(dataset, example)]!) }
      : {};
  }

  shapes(epoch: number): BatchShape[] {
    const { batchSize } = this.#options;
    return batchShapes(this.#splits.train.dataset, this.#order(epoch), batchSize, this.#weights !== null);
  }

  /** The examples of an epoch in their order. */
  #order(epoch: number): Int32Array {
    const order = epochOrder(this.#examples.length, this.#options.seed, epoch - 1);
    return order.map((index) => this.#examples[index]!);
  }

  keepPrefix(prefix: FrozenPrefix): PrefixStore | undefined {
    for (const split of Object.values(this.#splits) as (Split | null)[]) {
      if (split) split.store = prefix.storeFor(split.sentences, split.dataset);
    }
    return this.#splits.train.store;
  }

  *prefixBatches(): Generator<PackedBatch> {
    const { dataset } = this.#splits.train;
    for (const { batch, indices } of tokenBudgetBatches(dataset, this.#examples, PREFIX_TOKENS))
      yield { ...batch, examples: indices };
  }

  /** @throws NON_FINITE; `signal.reason` on abort */
  async measure(name: EvaluatedSplit, peers?: Peers): Promise<Measured<Metrics>> {
    const { model, signal, decoding } = this.#options;
    const { sentences: gold, dataset, store } = this.#splits[name]!;
    const options = { model, sentences: gold, dataset, ...(decoding && { decoding }) };
    const where = { ...(store && { store }), ...(peers && { peers }), ...(signal && { signal }) };
    const { metrics, predicted, loss } = await evaluate({ ...options, ...where });
    if (loss !== null) requireFinite(loss, name);
    return { metrics, loss, predictions: predictionsOf(name, gold, predicted) };
  }

  warnings(best: Metrics): string[] {
    const { sentences, truncatedWords } = this.#splits.train.dataset;
    const size = truncatedWords.length;
    const learnt = new Set(sentences ? this.#examples.map((example) => sentences[example]!) : this.#examples)
      .size;
    const unweighted = this.#weights?.filter((weight) => weight === 0).length ?? 0;
    const emptied = size - learnt - unweighted;
    const cut = truncatedWords.reduce((sum, words) => sum + words, 0);
    const { maxLength } = this.#encoding;
    return [
      ...(emptied > 0
        ? [
            `${emptied} of ${size} training sentences were passed over: the tokenizer leaves none of their words.`,
          ]
        : []),
      ...(unweighted > 0
        ? [`${unweighted} of ${size} training sentences have the weight 0 and were passed over.`]
        : []),
      ...(cut > 0
        ? [
            `${cut} words of the training sentences lie behind ${maxLength} tokens and were not learnt. ${CUT_REMEDY}`,
          ]
        : []),
      ...(isAllOutside(best) ? [ALL_OUTSIDE] : []),
    ];
  }

  score(metrics: Metrics): number {
    switch (this.#options.earlyStopping.metric) {
      case 'macroF1':
        return metrics.macro.f1;
      case 'weightedF1':
        return metrics.weighted.f1;
      case 'accuracy':
        return metrics.accuracy;
      case 'entityF1':
        return metrics.entities.micro.f1;
    }
  }
}

const CUT_REMEDY = "With `longSentences: 'windows'` they are.";

const ALL_OUTSIDE =
  'The best weights answer nothing but O on the validation data. Train with smaller batches (`batchSize`), at a higher ' +
  '`learningRate`, with more patience (`earlyStopping`) or with fewer frozen layers, or look at the labels.';

/** A chain is over words, and its likelihood weighs no label by itself. */
function refuseForChain({ loss, labelSubTokens }: Options): void {
  const option =
    Object.keys(loss ?? {}).length > 0 ? 'loss' : labelSubTokens === 'all' ? 'labelSubTokens' : null;
  if (option === null) return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `finetune: \`${option}\`: the model's \`head\` is a chain over the words of a sentence, whose likelihood has no such ` +
      "part. Leave it out, or take the `head` 'softmax'. Weights of sentences are possible.",
    { option },
  );
}

function requireExamples(
  split: keyof EncodedSplits,
  { wordCounts }: EncodedDataset,
  sentences: readonly Sentence[],
): void {
  const size = wordCounts.length;
  if (size === sentences.length) return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `finetune: encoded.${split}: expected the ${sentences.length} sentences encoded, got ${size} examples.`,
    { option: `encoded.${split}`, expected: sentences.length, got: size },
  );
}
