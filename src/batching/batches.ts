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
 * @param skipped number of batches at the start that are passed over.
 * @throws INVALID_OPTION for a budget that is no whole number from 1; INVALID_BATCH for an index outside of the
 * dataset.
 */
export function tokenBudgetBatches(
  dataset: EncodedDataset,
  order: ArrayLike<number>,
  maxTokens: number,
  skipped = 0,
): Iterable<IndexedBatch> {
  requirePositive('maxTokens', maxTokens);
  return {
    *[Symbol.iterator]() {
      let index = 0;
      for (const [start, end] of budgetRuns(dataset, order, maxTokens)) {
        if (index++ >= skipped) yield pack(dataset, order, start, end);
      }
    },
  };
}

/**
 * Number of batches that `tokenBudgetBatches` makes of the same arguments.
 *
 * @throws INVALID_OPTION for a budget that is no whole number from 1.
 */
export function countTokenBudgetBatches(
  dataset: EncodedDataset,
  order: ArrayLike<number>,
  maxTokens: number,
): number {
  requirePositive('maxTokens', maxTokens);
  let count = 0;
  for (const _ of budgetRuns(dataset, order, maxTokens)) count++;
  return count;
}

/** Stretches of an order that fill a budget of tokens, as borders. */
function* budgetRuns(
  { offsets }: EncodedDataset,
  order: ArrayLike<number>,
  maxTokens: number,
): Generator<[start: number, end: number]> {
  let start = 0;
  let tokens = 0;
  for (let position = 0; position < order.length; position++) {
    const length = offsets[order[position]! + 1]! - offsets[order[position]!]!;
    if (position > start && tokens + length > maxTokens) {
      yield [start, position];
      start = position;
      tokens = 0;
    }
    tokens += length;
  }
  if (start < order.length) yield [start, order.length];
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
