import type { EncodedDataset } from '../contract/encoded-dataset.js';
import type { PackedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';
import { packExamples } from './pack.js';

/** A batch and the examples it holds, in its order. */
export interface IndexedBatch {
  batch: PackedBatch;
  /** Example of each sequence, shape [B]. */
  indices: Int32Array;
}

/**
 * Packs the examples of an order, so many at a time; the last batch holds what is left. Each batch is packed when it
 * is asked for.
 *
 * @param order indices of examples, as from `epochOrder`.
 * @throws INVALID_OPTION for a batch size that is no whole number from 1; INVALID_BATCH for an index outside of the
 * dataset.
 */
export function batchesOf(
  dataset: EncodedDataset,
  order: ArrayLike<number>,
  batchSize: number,
): Iterable<IndexedBatch> {
  requirePositive('batchSize', batchSize);
  return {
    *[Symbol.iterator]() {
      for (let start = 0; start < order.length; start += batchSize) {
        yield pack(dataset, order, start, Math.min(start + batchSize, order.length));
      }
    },
  };
}

/**
 * Packs the examples of an order, as many at a time as have at most `maxTokens` tokens together; an example longer
 * than that makes a batch by itself.
 *
 * @throws INVALID_OPTION for a budget that is no whole number from 1; INVALID_BATCH for an index outside of the
 * dataset.
 */
export function tokenBudgetBatches(
  dataset: EncodedDataset,
  order: ArrayLike<number>,
  maxTokens: number,
): Iterable<IndexedBatch> {
  requirePositive('maxTokens', maxTokens);
  return {
    *[Symbol.iterator]() {
      let start = 0;
      let tokens = 0;
      for (let position = 0; position < order.length; position++) {
        const example = order[position]!;
        const length = dataset.offsets[example + 1]! - dataset.offsets[example]!;
        if (position > start && tokens + length > maxTokens) {
          yield pack(dataset, order, start, position);
          start = position;
          tokens = 0;
        }
        tokens += length;
      }
      if (start < order.length) yield pack(dataset, order, start, order.length);
    },
  };
}

function pack(dataset: EncodedDataset, order: ArrayLike<number>, start: number, end: number): IndexedBatch {
  const indices = Array.from({ length: end - start }, (_, position) => order[start + position]!);
  return { batch: packExamples(dataset, indices), indices: Int32Array.from(indices) };
}

function requirePositive(option: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new PermafrostError('INVALID_OPTION', `${option}: expected a whole number from 1, got ${value}.`, {
    option,
    got: value,
  });
}
