import { describe, expect, it } from 'vitest';
import type { EncodedDataset } from '../../src/contract/encoded-dataset.js';
import { PermafrostError } from '../../src/errors/error.js';
import { countWords, wordTags } from '../../src/evaluation/word-tags.js';

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

describe('word tags', () => {
  it('takes the tag of the first sub-token and O for vanished and cut words', () => {
    const predictions = Int32Array.from([1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0]);
    expect(wordTags(dataset, [0, 1, 2], predictions, labels)).toEqual([
      ['B-PER', 'O', 'I-PER'],
      ['B-PER', 'I-PER', 'O', 'O'],
      [],
    ]);
  });

  it('follows the order of the indices', () => {
    const predictions = Int32Array.from([2, 1, 0, 2, 2, 0, 0, 1, 2]);
    expect(wordTags(dataset, Int32Array.from([1, 0]), predictions, labels)).toEqual([
      ['I-PER', 'B-PER', 'O', 'O'],
      ['B-PER', 'O', 'I-PER'],
    ]);
  });

  it('counts words, cut words and words without tokens', () => {
    expect(countWords(dataset)).toEqual({ sentences: 3, words: 7, truncatedWords: 2, wordsWithoutTokens: 1 });
    expect(countWords(dataset, [1])).toEqual({
      sentences: 1,
      words: 4,
      truncatedWords: 2,
      wordsWithoutTokens: 0,
    });
  });

  it('rejects predictions for another number of tokens', () => {
    const error = failure(() => wordTags(dataset, [0], new Int32Array(6), labels));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.details).toMatchObject({ expected: 5, got: 6 });
  });

  it('rejects a label id that the head does not have, and an example that is not there', () => {
    expect(failure(() => wordTags(dataset, [0], new Int32Array(5).fill(3), labels)).details).toMatchObject({
      got: 3,
    });
    expect(failure(() => wordTags(dataset, [3], new Int32Array(0), labels)).code).toBe('INVALID_OPTION');
  });
});
