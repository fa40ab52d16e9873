import { countTokenBudgetBatches, tokenBudgetBatches } from '../batching/batches.js';
import { maskTokens } from '../batching/mask-tokens.js';
import { epochOrder } from '../batching/order.js';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import type { PackedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';
import { maxLengthFor, tokenizerOf } from '../evaluation/evaluate.js';
import { digestArrays, digestOf } from '../io/digest.js';
import { Random } from '../io/random.js';
import { encodeWordsDataset } from '../text/encode.js';
import { segmentWords } from '../text/segments.js';
import type { ParsedPretrainOptions, Text } from './pretrain-options.js';

/** The text as examples. */
export interface PretrainData {
  train: EncodedDataset;
  /** Its tokens hidden once and for all. */
  validation: EncodedDataset;
  validationTokens: number;
  masking: Parameters<typeof maskTokens>[1];
}

/**
 * Cuts the text into examples and hides the tokens of the validation text.
 *
 * @throws WEIGHTS_MISMATCH where tokenizer and model have other vocabularies; INVALID_OPTION where nothing is left of
 *   a text, or `maxLength` is more than the model has positions
 */
export function encodeText(options: ParsedPretrainOptions): PretrainData {
  const { model, seed } = options;
  const tokenizer = tokenizerOf(model);
  const { vocabSize } = model.config;
  if (tokenizer.vocabSize !== vocabSize) {
    throw new PermafrostError(
      'WEIGHTS_MISMATCH',
      `The model has embeddings of ${vocabSize} tokens, its tokenizer a vocabulary of ${tokenizer.vocabSize}: they ` +
        'do not belong together. Put the tokenizer that the weights were trained with beside them.',
      { expected: vocabSize, got: tokenizer.vocabSize },
    );
  }
  const maxLength = maxLengthFor(model, options.maxLength);
  const encoded = (name: 'train' | 'validation', text: Text) => {
    const segments = segmentWords(text, tokenizer, maxLength);
    if (segments.length > 0) return encodeWordsDataset(segments, tokenizer, { maxLength });
    throw new PermafrostError(
      'INVALID_OPTION',
      `pretrain: ${name}: the tokenizer leaves nothing of this text. Give text with words in it.`,
      { option: name },
    );
  };
  const masking = {
    rate: options.maskRate,
    wholeWord: options.wholeWord,
    maskId: tokenizer.maskId,
    vocabSize,
  };
  const validation = maskTokens(
    encoded('validation', options.validation),
    masking,
    new Random(seed, 'mask/validation'),
  );
  const validationTokens = validation.labels.reduce((count, label) => count + Number(label >= 0), 0);
  return { train: encoded('train', options.train), validation, validationTokens, masking };
}

/** Packed batches of an order, without the first `skipped` ones. */
export function* packed(
  dataset: EncodedDataset,
  order: ArrayLike<number>,
  maxTokens: number,
  skipped = 0,
): Generator<PackedBatch> {
  for (const { batch } of tokenBudgetBatches(dataset, order, maxTokens, skipped)) yield batch;
}

/** Optimizer steps of all epochs; orders differ in how many batches they fill. */
export function countSteps(
  { epochs, seed, batchTokens, gradientAccumulation }: ParsedPretrainOptions,
  data: EncodedDataset,
) {
  let steps = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const batches = countTokenBudgetBatches(data, epochOrder(data.size, seed, epoch), batchTokens);
    steps += Math.ceil(batches / gradientAccumulation);
  }
  return steps;
}

/** Digest of all that decides the bits of the training; the model still holds the weights that it starts from. */
export async function digestOfTraining(options: ParsedPretrainOptions, data: PretrainData): Promise<string> {
  const {
    model,
    train: _train,
    validation: _validation,
    directory: _dir,
    signal: _signal,
    saveSteps: _save,
    ...rest
  } = options;
  const weights: Record<string, string> = {};
  for (const { name } of model.parameters()) weights[name] = digestArrays([await model.readParameter(name)]);
  const digestData = ({ inputIds, offsets }: EncodedDataset) => digestArrays([inputIds, offsets]);
  return digestOf({
    ...rest,
    freezing: options.freezing.notation,
    config: model.config,
    tokenizer: tokenizerOf(model).digest,
    weights,
    train: digestData(data.train),
    validation: digestData(data.validation),
  });
}
