import { describe, expect, test } from 'vitest';
import type { EncodedDataset } from '../../src/contract/encoded-dataset.js';
import { alignLabels, labelAllSubTokens } from '../../src/text/align-labels.js';

describe('alignLabels', () => {
  test('labels the first sub-token of each word and nothing else', () => {
    const labels = new Int32Array(7);
    alignLabels([null, 0, 0, 2, 3, 3, null], [4, 5, 6, 7], labels);
    expect([...labels]).toEqual([-100, 4, -100, 6, 7, -100, -100]);
  });

  test('takes -1 for a special token and writes from the given place on', () => {
    const labels = Int32Array.of(9, 9, 9, 9, 9);
    alignLabels(Int32Array.of(-1, 0, -1), [1], labels, 1);
    expect([...labels]).toEqual([9, -100, 1, -100, 9]);
  });
});

describe('labelAllSubTokens', () => {
  const spread = (labels: string[], wordIds: number[], given: number[]) => {
    const dataset = { wordIds: Int32Array.from(wordIds), labels: Int32Array.from(given) };
    return [...labelAllSubTokens(dataset as unknown as EncodedDataset, labels).labels];
  };

  test('goes on with I-x behind B-x and with the label itself elsewhere', () => {
    const labels = ['O', 'B-X', 'I-X'];
    const wordIds = [-1, 0, 0, 0, 1, 1, 2, 2, -1];
    expect(spread(labels, wordIds, [-100, 1, -100, -100, 2, -100, 0, -100, -100])).toEqual([
      -100, 1, 2, 2, 2, 2, 0, 0, -100,
    ]);
  });

  test('keeps B-x where there is no I-x, words that do not count, and the borders of examples', () => {
    expect(spread(['O', 'B-X'], [-1, 0, 0, -1, -1, 0, 0], [-100, 1, -100, -100, -100, -100, -100])).toEqual([
      -100, 1, 1, -100, -100, -100, -100,
    ]);
  });
});
