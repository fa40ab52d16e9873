import { describe, expect, it } from 'vitest';
import type { EncodedDataset } from '../../src/contract/encoded-dataset.js';
import { PermafrostError } from '../../src/errors/error.js';
import { countWords, outsideTags, putWordTags } from '../../src/evaluation/word-tags.js';

const labels = ['B-PER', 'I-PER', 'O'];

/**
 * Example 0: three words, the first of two sub-tokens, the second vanished. Example 1: four words, two cut off.
 * Example 2: no word at all.
 */
const dataset: EncodedDataset = {
  size: 3,
  inputIds: new Int32Array(11).fill(7),
  labels: new Int32Array(11).fill(-100),
  wordIds: Int32Array.from([-1, 0, 0, 2, -1, -1, 0, 1, -1, -1, -1]),
  offsets: Int32Array.from([0, 5, 9, 11]),
  wordCounts: Int32Array.from([3, 4, 0]),
  truncatedWords: Int32Array.from([0, 2, 0]),
};

function failure(action: () => unknown): PermafrostError {
  try {
    action();
  } catch (error) {
    if (error instanceof PermafrostError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

function wordTags(indices: ArrayLike<number>, predictions: Int32Array, of = dataset): string[][] {
  const tags = outsideTags(of);
  putWordTags(tags, of, indices, predictions, labels);
  return tags;
}

describe('word tags', () => {
  it('takes the tag of the first sub-token and O for vanished and cut words', () => {
    const predictions = Int32Array.from([1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0]);
    expect(wordTags([0, 1, 2], predictions)).toEqual([
      ['B-PER', 'O', 'I-PER'],
      ['B-PER', 'I-PER', 'O', 'O'],
      [],
    ]);
  });

  it('follows the order of the indices', () => {
    const predictions = Int32Array.from([2, 1, 0, 2, 2, 0, 0, 1, 2]);
    expect(wordTags(Int32Array.from([1, 0]), predictions).slice(0, 2)).toEqual([
      ['B-PER', 'O', 'I-PER'],
      ['I-PER', 'B-PER', 'O', 'O'],
    ]);
  });

  it('takes the words of a sentence from the examples that are asked for them', () => {
    const cut: EncodedDataset = {
      size: 2,
      inputIds: new Int32Array(9).fill(7),
      labels: new Int32Array(9).fill(-100),
      wordIds: Int32Array.from([-1, 0, 1, -1, -1, -1, -1, 2, -1]),
      offsets: Int32Array.from([0, 5, 9]),
      sentences: Int32Array.from([0, 0]),
      wordCounts: Int32Array.from([4]),
      truncatedWords: Int32Array.from([0]),
    };
    const predictions = Int32Array.from([0, 0, 1, 1, 1, 0, 0, 1, 0]);
    expect(wordTags([0, 1], predictions, cut)).toEqual([['B-PER', 'I-PER', 'I-PER', 'O']]);
    expect(countWords(cut)).toEqual({ sentences: 1, words: 4, truncatedWords: 0, wordsWithoutTokens: 1 });
  });

  it('counts words, cut words and words without tokens', () => {
    expect(countWords(dataset)).toEqual({ sentences: 3, words: 7, truncatedWords: 2, wordsWithoutTokens: 1 });
  });

  it('rejects predictions for another number of tokens', () => {
    const error = failure(() => wordTags([0], new Int32Array(6)));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.details).toMatchObject({ expected: 5, got: 6 });
  });

  it('rejects a label id that the head does not have, and an example that is not there', () => {
    expect(failure(() => wordTags([0], new Int32Array(5).fill(3))).details).toMatchObject({ got: 3 });
    expect(failure(() => wordTags([3], new Int32Array(0))).code).toBe('INVALID_OPTION');
  });
});
