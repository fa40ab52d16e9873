import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { IGNORED_LABEL } from '../contract/packed-batch.js';
import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import { sentenceOf } from '../evaluation/word-tags.js';

/**
 * Examples that have a word to learn from: the tokenizer leaves nothing of some sentences, and some count for nothing.
 *
 * @param weights of the sentences; null where all count alike.
 * @throws INVALID_OPTION where there is none
 */
export function learntExamples(dataset: EncodedDataset, weights: Float32Array | null): Int32Array {
  const { size, offsets, labels } = dataset;
  const isLearnt = (example: number) =>
    weights?.[sentenceOf(dataset, example)] !== 0 &&
    labels.subarray(offsets[example], offsets[example + 1]).some((label) => label !== IGNORED_LABEL);
  const examples = Int32Array.from({ length: size }, (_, example) => example).filter(isLearnt);
  if (examples.length === 0)
    throw invalid(
      'the tokenizer leaves no word of any sentence. Give sentences in a script that its vocabulary has',
      {},
    );
  return examples;
}

/**
 * What each training sentence counts for; null where all count alike.
 *
 * @throws INVALID_OPTION for a weight that is no number from 0, or where all are 0
 */
export function sentenceWeights(sentences: readonly Sentence[]): Float32Array | null {
  if (sentences.every(({ weight }) => weight === undefined)) return null;
  for (const [index, { weight, file, line }] of sentences.entries()) {
    if (weight === undefined || (typeof weight === 'number' && Number.isFinite(weight) && weight >= 0))
      continue;
    const place = file === undefined ? `sentence ${index}` : `${file}:${line}`;
    throw invalid(`${place}: expected a weight from 0, got ${JSON.stringify(weight)}`, { got: weight });
  }
  if (sentences.every(({ weight }) => weight === 0))
    throw invalid('every sentence has the weight 0. Give one that counts', {});
  const weights = Float32Array.from(sentences, ({ weight = 1 }) => weight);
  return weights.every((weight) => weight === 1) ? null : weights;
}

function invalid(message: string, details: Record<string, unknown>): PermafrostError {
  return new PermafrostError('INVALID_OPTION', `finetune: train: ${message}.`, {
    option: 'train',
    ...details,
  });
}
