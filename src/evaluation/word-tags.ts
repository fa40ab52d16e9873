import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { PermafrostError } from '../errors/error.js';
import { OUTSIDE } from './token-metrics.js';

/**
 * Turns predictions for tokens into one tag a word: that of the word's first sub-token.
 *
 * A word without a first sub-token, because truncation cut it or the tokenizer left nothing of it, is predicted `O`.
 *
 * @param indices examples in the order in which their predictions lie, shape [examples].
 * @param predictions label id of every token of those examples, special tokens included, laid end to end.
 * @param labels label of each id of the head.
 * @returns tags of each example, truncated words included, shape [examples][words].
 * @throws INVALID_OPTION where the number of predictions is not that of the tokens, or an id has no label.
 */
export function wordTags(
  dataset: EncodedDataset,
  indices: ArrayLike<number>,
  predictions: Int32Array,
  labels: readonly string[],
): string[][] {
  checkPredictions(dataset, indices, predictions);
  const result: string[][] = [];
  let position = 0;
  for (let i = 0; i < indices.length; i++) {
    const example = indices[i]!;
    const end = dataset.offsets[example + 1]!;
    const tags = new Array<string>(dataset.wordCounts[example]!).fill(OUTSIDE);
    let previous = -1;
    for (let token = dataset.offsets[example]!; token < end; token++, position++) {
      const word = dataset.wordIds[token]!;
      if (word >= 0 && word !== previous)
        tags[word] = labelOf(labels, predictions[position]!, example, token);
      previous = word;
    }
    result.push(tags);
  }
  return result;
}

/** What an evaluation rests on, and what of it the model never saw. */
export interface EvaluationCounts {
  sentences: number;
  words: number;
  /** Words whose first sub-token was cut at the maximum length: predicted O. */
  truncatedWords: number;
  /** Words of which the tokenizer left no token: predicted O. */
  wordsWithoutTokens: number;
}

/**
 * Counts the words of examples, and those that the model cannot predict.
 *
 * @param indices examples to count. @default all
 */
export function countWords(dataset: EncodedDataset, indices?: ArrayLike<number>): EvaluationCounts {
  const sentences = indices?.length ?? dataset.size;
  const counts: EvaluationCounts = { sentences, words: 0, truncatedWords: 0, wordsWithoutTokens: 0 };
  for (let i = 0; i < sentences; i++) {
    const example = indices === undefined ? i : indices[i]!;
    const words = dataset.wordCounts[example]!;
    const truncated = dataset.truncatedWords[example]!;
    counts.words += words;
    counts.truncatedWords += truncated;
    counts.wordsWithoutTokens += words - truncated - wordsWithTokens(dataset, example);
  }
  return counts;
}

function wordsWithTokens(dataset: EncodedDataset, example: number): number {
  const end = dataset.offsets[example + 1]!;
  let words = 0;
  let previous = -1;
  for (let token = dataset.offsets[example]!; token < end; token++) {
    const word = dataset.wordIds[token]!;
    if (word >= 0 && word !== previous) words++;
    previous = word;
  }
  return words;
}

function labelOf(labels: readonly string[], id: number, example: number, token: number): string {
  const label = labels[id];
  if (label === undefined) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `predictions: expected label ids from 0 to ${labels.length - 1}, got ${id} for token ${token} (example ${example}).`,
      { option: 'predictions', example, token, got: id, labels: labels.length },
    );
  }
  return label;
}

function checkPredictions(
  dataset: EncodedDataset,
  indices: ArrayLike<number>,
  predictions: Int32Array,
): void {
  let tokens = 0;
  for (let i = 0; i < indices.length; i++) {
    const example = indices[i]!;
    if (!(example >= 0 && example < dataset.size)) {
      throw new PermafrostError(
        'INVALID_OPTION',
        `indices: expected examples from 0 to ${dataset.size - 1}, got ${example} at position ${i}.`,
        { option: 'indices', got: example, size: dataset.size },
      );
    }
    tokens += dataset.offsets[example + 1]! - dataset.offsets[example]!;
  }
  if (tokens !== predictions.length) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `predictions: expected one label id for each of the ${tokens} tokens of ${indices.length} examples, ` +
        `got ${predictions.length}.`,
      { option: 'predictions', expected: tokens, got: predictions.length },
    );
  }
}
