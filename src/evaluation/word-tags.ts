import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { PermafrostError } from '../errors/error.js';
import { OUTSIDE } from './token-metrics.js';

/** A tag of every word of every sentence, `O` until a prediction says otherwise; shape [sentences][words]. */
export function outsideTags({ wordCounts }: EncodedDataset): string[][] {
  return Array.from(wordCounts, (words) => new Array<string>(words).fill(OUTSIDE));
}

/**
 * Puts predictions for tokens in the place of the tags of their words: that of a word's first sub-token.
 *
 * A word without a first sub-token, because truncation cut it or the tokenizer left nothing of it, keeps its `O`.
 *
 * @param tags of all sentences, which are changed.
 * @param indices examples in the order in which their predictions lie, shape [examples].
 * @param predictions label id of every token of those examples, special tokens included, laid end to end.
 * @param labels label of each id of the head.
 * @throws INVALID_OPTION where the number of predictions is not that of the tokens, or an id has no label.
 */
export function putWordTags(
  tags: readonly string[][],
  dataset: EncodedDataset,
  indices: ArrayLike<number>,
  predictions: Int32Array,
  labels: readonly string[],
): void {
  checkPredictions(dataset, indices, predictions);
  eachWord(dataset, indices, ({ sentence, word, position, example, token }) => {
    tags[sentence]![word] = labelOf(labels, predictions[position]!, example, token);
  });
}

/** A word where its first sub-token stands. */
export interface WordPlace {
  sentence: number;
  /** Its number in the sentence. */
  word: number;
  example: number;
  /** The first sub-token, in the dataset and in the batch. */
  token: number;
  position: number;
}

/** Calls `visit` for each word of examples that are laid end to end, in their order. */
export function eachWord(
  dataset: EncodedDataset,
  indices: ArrayLike<number>,
  visit: (place: WordPlace) => void,
): void {
  let position = 0;
  for (let i = 0; i < indices.length; i++) {
    const example = indices[i]!;
    const sentence = sentenceOf(dataset, example);
    const end = dataset.offsets[example + 1]!;
    let previous = -1;
    for (let token = dataset.offsets[example]!; token < end; token++, position++) {
      const word = dataset.wordIds[token]!;
      if (word >= 0 && word !== previous) visit({ sentence, word, example, token, position });
      previous = word;
    }
  }
}

export function sentenceOf({ sentences }: EncodedDataset, example: number): number {
  return sentences?.[example] ?? example;
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

/** Counts the words of all sentences, and those that the model cannot predict. */
export function countWords(dataset: EncodedDataset): EvaluationCounts {
  const sum = (counts: Int32Array) => counts.reduce((total, count) => total + count, 0);
  const [words, truncatedWords] = [sum(dataset.wordCounts), sum(dataset.truncatedWords)];
  let seen = 0;
  for (let example = 0; example < dataset.size; example++) eachWord(dataset, [example], () => seen++);
  const sentences = dataset.wordCounts.length;
  return { sentences, words, truncatedWords, wordsWithoutTokens: words - truncatedWords - seen };
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
