import { describe, expect, it } from 'vitest';
import { batchesOf, tokenBudgetBatches } from '../../src/batching/batches.js';
import { packExamples } from '../../src/batching/pack.js';
import { thrownBy } from '../helpers/thrown.js';
import { datasetOf } from './small-dataset.js';

const dataset = datasetOf([3, 2, 4, 2, 9]);
const indicesOf = (batches: Iterable<{ indices: Int32Array }>) =>
  [...batches].map(({ indices }) => [...indices]);

describe('batchesOf', () => {
  it('follows the order and leaves the rest to the last batch', () => {
    const batches = [...batchesOf(dataset, Int32Array.of(4, 0, 2, 1, 3), 2)];
    expect(indicesOf(batches)).toEqual([[4, 0], [2, 1], [3]]);
    for (const { batch, indices } of batches) expect(batch).toEqual(packExamples(dataset, indices));
  });

  it('can be walked through again', () => {
    const batches = batchesOf(dataset, [0, 1, 2], 2);
    expect(indicesOf(batches)).toEqual(indicesOf(batches));
  });

  it('has none for an empty order', () => {
    expect(indicesOf(batchesOf(dataset, [], 2))).toEqual([]);
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses batch size %d before the first batch', async (size) => {
    expect(await thrownBy(() => batchesOf(dataset, [0], size))).toMatchObject({
      code: 'INVALID_OPTION',
      details: { option: 'batchSize' },
    });
  });

  it.each([5, -1, 0.5])('refuses example %d', async (index) => {
    const error = await thrownBy(() => [...batchesOf(dataset, [0, index], 2)]);
    expect(error.code).toBe('INVALID_BATCH');
  });
});

describe('tokenBudgetBatches', () => {
  it('fills up to the budget and gives a longer example a batch of its own', () => {
    expect(indicesOf(tokenBudgetBatches(dataset, [0, 1, 2, 3, 4], 7))).toEqual([[0, 1], [2, 3], [4]]);
    expect(indicesOf(tokenBudgetBatches(dataset, [4, 0, 1], 5))).toEqual([[4], [0, 1]]);
    expect(indicesOf(tokenBudgetBatches(dataset, [0, 1, 2, 3, 4], 1))).toEqual([[0], [1], [2], [3], [4]]);
    expect(indicesOf(tokenBudgetBatches(dataset, [0, 1, 2, 3, 4], 100))).toEqual([[0, 1, 2, 3, 4]]);
    expect(indicesOf(tokenBudgetBatches(dataset, [], 5))).toEqual([]);
  });

  it('refuses a budget of 0, and an example that is not there', async () => {
    expect(await thrownBy(() => tokenBudgetBatches(dataset, [0], 0))).toMatchObject({
      code: 'INVALID_OPTION',
    });
    expect(await thrownBy(() => [...tokenBudgetBatches(dataset, [0, 9], 5)])).toMatchObject({
      code: 'INVALID_BATCH',
    });
  });
});
