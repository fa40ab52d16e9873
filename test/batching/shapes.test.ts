import { describe, expect, it } from 'vitest';
import { batchesOf } from '../../src/batching/batches.js';
import { epochOrder } from '../../src/batching/order.js';
import { batchShapes } from '../../src/batching/shapes.js';
import { shapeOf } from '../../src/bench/card.js';
import { datasetOf } from './small-dataset.js';

describe('batchShapes', () => {
  it('gives the shapes of the batches without packing them, the last, smaller one too', () => {
    const dataset = datasetOf([3, 9, 1, 4, 4, 7, 2, 30, 5, 6, 8]);
    const order = epochOrder(dataset.size, 7, 2);
    for (const size of [1, 3, 4, 20]) {
      const packed = [...batchesOf(dataset, order, size)].map(({ batch }) => shapeOf(batch));
      expect(batchShapes(dataset, order, size)).toEqual(packed);
    }
    expect(batchShapes(dataset, [], 4)).toEqual([]);
  });

  it('says that sequences have weights', () => {
    const weighted = batchShapes(datasetOf([3, 9]), [0, 1], 2, true);
    expect(weighted).toEqual([{ tokens: 12, sequences: 2, longest: 9, weighted: true }]);
  });
});
