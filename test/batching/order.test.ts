import { describe, expect, it } from 'vitest';
import { epochOrder, lengthSortedOrder } from '../../src/batching/order.js';
import { thrownBy } from '../helpers/thrown.js';
import { datasetOf } from './small-dataset.js';

describe('epochOrder', () => {
  it('has every example once', () => {
    expect([...epochOrder(500, 7, 3)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 500 }, (_, i) => i),
    );
    expect(epochOrder(0, 7, 3)).toHaveLength(0);
  });

  it('is the same for the same seed and epoch, and another one for others', () => {
    expect(epochOrder(50, 7, 3)).toEqual(epochOrder(50, 7, 3));
    expect(epochOrder(50, 7, 3)).not.toEqual(epochOrder(50, 7, 4));
    expect(epochOrder(50, 7, 3)).not.toEqual(epochOrder(50, 8, 3));
    // One epoch's order must not come again under another seed.
    expect(epochOrder(50, 7, 1)).not.toEqual(epochOrder(50, 8, 0));
  });

  it('is uniform: each example comes first about as often', () => {
    const first = new Array<number>(5).fill(0);
    for (let epoch = 0; epoch < 2000; epoch++) first[epochOrder(5, 1, epoch)[0]!]!++;
    for (const times of first) expect(Math.abs(times - 400)).toBeLessThan(90);
  });

  it.each([
    [-1, 0, 0],
    [2.5, 0, 0],
    [4, -1, 0],
    [4, 0, Number.NaN],
  ])('refuses size %d, seed %d, epoch %d', async (size, seed, epoch) => {
    expect(await thrownBy(() => epochOrder(size, seed, epoch))).toMatchObject({ code: 'INVALID_OPTION' });
  });
});

describe('lengthSortedOrder', () => {
  it('has the longest first and equals in dataset order', () => {
    expect([...lengthSortedOrder(datasetOf([2, 5, 3, 5, 2]))]).toEqual([1, 3, 2, 0, 4]);
  });
});
