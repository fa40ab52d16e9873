import { describe, expect, test } from 'vitest';
import { alignLabels } from '../../src/text/align-labels.js';

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
