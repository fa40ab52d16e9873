import { packRagged } from '../batching/pack.js';
import type { PackedBatch, RaggedBatch } from '../contract/packed-batch.js';
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
  if (Array.isArray(batches)) return batches.map(toPacked);
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
