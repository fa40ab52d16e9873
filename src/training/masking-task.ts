import { z } from 'zod';
import { countTokenBudgetBatches, tokenBudgetBatches } from '../batching/batches.js';
import { maskTokens } from '../batching/mask-tokens.js';
import { epochOrder, lengthSortedOrder } from '../batching/order.js';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import type { PackedBatch } from '../contract/packed-batch.js';
import type { Peers } from '../contract/peers.js';
import { PermafrostError } from '../errors/error.js';
import { maxLengthFor, tokenizerOf } from '../evaluation/encoding.js';
import { lossShared } from '../evaluation/share-batches.js';
import { digestArrays } from '../io/digest.js';
import { Random } from '../io/random.js';
import { inTurns } from '../io/turns.js';
import { MaskedLanguageModel } from '../model/masked-language-model.js';
import { encodeWordSteps } from '../text/encode.js';
import { segmentWords } from '../text/segments.js';
import type { EvaluatedSplit } from './events.js';
import { requireFinite } from './require-finite.js';
import { optimizerShape, stoppingOption, stoppingShape, trainingShape } from './settings.js';
import type { Measured, Task } from './task.js';

/** Rows of words: sentences, lines or paragraphs. */
export type Text = readonly (readonly string[])[];

/** What a masking task has beside the settings of every training. */
export const maskingShape = {
  /** Tokens a batch, which is filled with whole examples. @default 4096 */
  batchTokens: z.int().positive().default(4096).describe('tokens a batch'),
  /** Share of the tokens that are to be predicted. @default 0.15 */
  maskRate: z.number().gt(0).lt(1).default(0.15).describe('share of the tokens to predict'),
  /** Hides whole words instead of single tokens. @default false */
  wholeWord: z.boolean().default(false).describe('hide whole words instead of single tokens'),
};

/** AdamW as in `finetune`, at the rate and with the warm-up that fresh weights want. */
export const maskingOptimizerShape = {
  ...optimizerShape,
  /** Peak. @default 5e-4 */
  learningRate: optimizerShape.learningRate.unwrap().default(5e-4).describe('peak learning rate'),
  /** Share of all steps over which the learning rate rises from 0. @default 0.06 */
  warmupRatio: optimizerShape.warmupRatio
    .unwrap()
    .default(0.06)
    .describe(optimizerShape.warmupRatio.description!),
};

const text = z.custom<Text>(
  (value) => Array.isArray(value) && value.length > 0 && value.every(Array.isArray),
  'expected at least one row of words',
);

/** Options of `pretrain`. */
export const pretrainSchema = z.strictObject({
  /** Its tokenizer cuts the words into tokens. */
  model: z.custom<MaskedLanguageModel>(
    (value) => value instanceof MaskedLanguageModel,
    'expected a MaskedLanguageModel',
  ),
  /** Text to learn from. What is longer than an example is cut into several. */
  train: text,
  /** Text that the loss is measured on, always with the same tokens hidden. */
  validation: text,
  ...trainingShape,
  ...maskingShape,
  optimizer: z.strictObject(maskingOptimizerShape).prefault({}),
  /** @default false: all epochs; the best weights are kept in any case */
  earlyStopping: stoppingOption(stoppingShape).default({ patience: null }),
});

type Options = z.output<typeof pretrainSchema>;

/** How well hidden tokens are predicted. */
export interface MaskingScores {
  /** Mean cross-entropy over the hidden tokens. */
  loss: number;
  /** e^loss. */
  perplexity: number;
}

/** Batches that are measured in one call, between which an abort takes effect. */
const BATCHES_A_CALL = 16;

/** Predicts hidden tokens, which are drawn anew in every epoch from the seed. */
export class MaskingTask implements Task<MaskingScores> {
  readonly identity: object;
  readonly hasTest = false;
  // The tokens of an example change with every epoch, and its prefix's output with them.
  readonly prefixCache = false;
  readonly #options: Options;
  readonly #masking: Parameters<typeof maskTokens>[1];
  readonly #train: EncodedDataset;
  /** Its tokens hidden once and for all. */
  readonly #validation: EncodedDataset;

  /**
   * Cuts the text into examples, in turns with the event loop.
   *
   * @throws WEIGHTS_MISMATCH where tokenizer and model have other vocabularies; INVALID_OPTION where nothing is left of
   *   a text, or `maxLength` is more than the model has positions
   */
  static async create(options: Options): Promise<MaskingTask> {
    const { model } = options;
    const tokenizer = tokenizerOf(model);
    const { vocabSize } = model.config;
    if (tokenizer.vocabSize !== vocabSize) throw otherVocabulary(vocabSize, tokenizer.vocabSize);
    const maxLength = maxLengthFor(model, options.maxLength);
    const encode = async (name: 'train' | 'validation'): Promise<EncodedDataset> => {
      const segments = segmentWords(options[name], tokenizer, maxLength);
      if (segments.length > 0) return inTurns(encodeWordSteps(segments, tokenizer, { maxLength }));
      throw nothingLeft(name);
    };
    const [train, validation] = [await encode('train'), await encode('validation')];
    return new MaskingTask(options, maxLength, train, validation);
  }

  /** Hides the tokens of the validation text. */
  private constructor(
    options: Options,
    maxLength: number,
    train: EncodedDataset,
    validation: EncodedDataset,
  ) {
    const { model, seed, batchTokens, maskRate, wholeWord } = options;
    const { vocabSize } = model.config;
    const tokenizer = tokenizerOf(model);
    this.#options = options;
    this.#masking = { rate: maskRate, wholeWord, maskId: tokenizer.maskId, vocabSize };
    this.#train = train;
    this.#validation = maskTokens(validation, this.#masking, new Random(seed, 'mask/validation'));
    const digest = ({ inputIds, offsets }: EncodedDataset) => digestArrays([inputIds, offsets]);
    this.identity = {
      task: 'masked-lm',
      ...{ batchTokens, maskRate, wholeWord, maxLength },
      data: { train: digest(this.#train), validation: digest(validation) },
    };
  }

  countBatches(epoch: number): number {
    return countTokenBudgetBatches(this.#train, this.#order(epoch), this.#options.batchTokens);
  }

  *batches(epoch: number, from: number): Generator<PackedBatch> {
    const { seed, batchTokens } = this.#options;
    const masked = maskTokens(this.#train, this.#masking, new Random(seed, `mask/${epoch}`));
    for (const { batch } of tokenBudgetBatches(masked, this.#order(epoch), batchTokens, from)) yield batch;
  }

  keepPrefix(): undefined {}

  prefixBatches(): PackedBatch[] {
    return [];
  }

  /** @throws NON_FINITE */
  async measure(_: EvaluatedSplit, peers?: Peers): Promise<Measured<MaskingScores>> {
    const { model, batchTokens, signal } = this.#options;
    const order = lengthSortedOrder(this.#validation);
    const batches = [...tokenBudgetBatches(this.#validation, order, batchTokens)].map(({ batch }) => batch);
    let [sum, labelled] = [0, 0];
    for (let at = 0; at < batches.length; at += BATCHES_A_CALL) {
      const group = batches.slice(at, at + BATCHES_A_CALL);
      const options = signal ? { signal } : {};
      const part = await (peers ? lossShared(model, group, peers, options) : model.loss(group, options));
      sum += part.lossSum;
      labelled += part.labelled;
    }
    const loss = sum / labelled;
    requireFinite(loss, 'validation');
    return { metrics: { loss, perplexity: Math.exp(loss) }, loss };
  }

  warnings(): string[] {
    return [];
  }

  score({ loss }: MaskingScores): number {
    return -loss;
  }

  /** Examples that the text was cut into, and hidden tokens of the validation text. */
  get facts(): { examples: { train: number; validation: number }; validationTokens: number } {
    const validationTokens = this.#validation.labels.reduce((count, label) => count + Number(label >= 0), 0);
    return { examples: { train: this.#train.size, validation: this.#validation.size }, validationTokens };
  }

  #order(epoch: number): Int32Array {
    return epochOrder(this.#train.size, this.#options.seed, epoch - 1);
  }
}

function otherVocabulary(expected: number, got: number): PermafrostError {
  return new PermafrostError(
    'WEIGHTS_MISMATCH',
    `The model has embeddings of ${expected} tokens, its tokenizer a vocabulary of ${got}: they ` +
      'do not belong together. Put the tokenizer that the weights were trained with beside them.',
    { expected, got },
  );
}

function nothingLeft(name: string): PermafrostError {
  return new PermafrostError(
    'INVALID_OPTION',
    `pretrain: \`${name}\`: the tokenizer leaves nothing of this text. Give text with words in it.`,
    { where: 'pretrain', option: name },
  );
}
