import { packRagged } from '../batching/pack.js';
import type { BatchShards, PackedBatch, RaggedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';

/**
 * Packs a ragged batch; leaves a packed one as it is, for the engine checks it.
 *
 * @throws INVALID_BATCH
 */
export function toPacked(batch: PackedBatch | RaggedBatch): PackedBatch {
  if (typeof batch !== 'object' || batch === null) throw noBatch(batch === null ? 'null' : typeof batch);
  if ('cuSeqlens' in batch) return batch;
  const rows = [batch.inputIds, ...(batch.labels === undefined ? [] : [batch.labels])];
  if (!rows.every((sequences) => Array.isArray(sequences) && sequences.every(Array.isArray))) {
    throw noBatch('arrays of another form');
  }
  return packRagged(batch);
}

/**
 * The same for several batches.
 *
 * @throws INVALID_BATCH
 */
export function toPackedList(batches: readonly (PackedBatch | RaggedBatch)[]): PackedBatch[] {
  return list(batches).map(toPacked);
}

/**
 * The same for what a rank trains on, a batch or shards of one.
 *
 * @throws INVALID_BATCH
 */
export function toShares(batch: PackedBatch | RaggedBatch | BatchShards): PackedBatch | BatchShards {
  const isShards = typeof batch === 'object' && batch !== null && 'shards' in batch;
  return isShards ? batch : toPacked(batch);
}

/** @throws INVALID_BATCH */
export function toSharesList(
  batches: readonly (PackedBatch | RaggedBatch | BatchShards)[],
): (PackedBatch | BatchShards)[] {
  return list(batches).map(toShares);
}

function list<T>(batches: readonly T[]): readonly T[] {
  if (Array.isArray(batches)) return batches;
  throw new PermafrostError(
    'INVALID_BATCH',
    'predict: expected an array of batches, got one value. Put it in [ ].',
  );
}

function noBatch(got: string): PermafrostError {
  return new PermafrostError(
    'INVALID_BATCH',
    'Batch: expected { inputIds, labels?, cuSeqlens } with Int32Arrays, or { inputIds, labels? } with one array of ' +
      `numbers a sequence, got ${got}.`,
  );
}
