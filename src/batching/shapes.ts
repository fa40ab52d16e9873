import type { BatchShape } from '../contract/packed-batch.js';

/**
 * The shapes of the batches that `batchesOf` makes of the same arguments, without their tokens.
 *
 * @param offsets borders of the examples in tokens, shape [N + 1].
 */
export function batchShapes(
  { offsets }: { offsets: Int32Array },
  order: ArrayLike<number>,
  batchSize: number,
  weighted = false,
): BatchShape[] {
  const shapes: BatchShape[] = [];
  for (let start = 0; start < order.length; start += batchSize) {
    const end = Math.min(start + batchSize, order.length);
    const shape = { tokens: 0, sequences: end - start, longest: 0, weighted };
    for (let position = start; position < end; position++) {
      const length = offsets[order[position]! + 1]! - offsets[order[position]!]!;
      shape.tokens += length;
      shape.longest = Math.max(shape.longest, length);
    }
    shapes.push(shape);
  }
  return shapes;
}
