import { IGNORED_LABEL, type PackedBatch, type RaggedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';
import { checkPackedBatch, packRagged } from './pack.js';

/**
 * Fills every sequence up to the same length, which gives a packed batch with as much work as a padded one. For
 * measurements only: the fillers are tokens like others to the engine, so attention sees them and scores change.
 *
 * @param length tokens of each sequence of the result, or `'longest'` for the length of the longest one.
 * @param padId token id of the fillers; their label is -100.
 * @throws INVALID_OPTION for another length or pad id; INVALID_BATCH for a sequence that is longer than `length`.
 */
export function padBatch(
  batch: PackedBatch | RaggedBatch,
  length: number | 'longest',
  padId: number,
): PackedBatch {
  const packed = 'cuSeqlens' in batch ? batch : packRagged(batch);
  checkPackedBatch(packed);
  requireWhole('padId', padId, 0);
  if (length !== 'longest') requireWhole('length', length, 1);
  const { cuSeqlens } = packed;
  const sequences = cuSeqlens.length - 1;
  const width = length === 'longest' ? longestOf(cuSeqlens) : length;
  const inputIds = new Int32Array(sequences * width).fill(padId);
  const labels = packed.labels && new Int32Array(sequences * width).fill(IGNORED_LABEL);
  for (let sequence = 0; sequence < sequences; sequence++) {
    const [start, end] = [cuSeqlens[sequence]!, cuSeqlens[sequence + 1]!];
    if (end - start > width) throw tooLong(sequence, end - start, width);
    inputIds.set(packed.inputIds.subarray(start, end), sequence * width);
    labels?.set(packed.labels!.subarray(start, end), sequence * width);
  }
  return {
    inputIds,
    ...(labels !== undefined && { labels }),
    cuSeqlens: Int32Array.from({ length: sequences + 1 }, (_, border) => border * width),
  };
}

function longestOf(cuSeqlens: Int32Array): number {
  let longest = 0;
  for (let i = 1; i < cuSeqlens.length; i++) longest = Math.max(longest, cuSeqlens[i]! - cuSeqlens[i - 1]!);
  return longest;
}

function requireWhole(option: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  const also = option === 'length' ? " or 'longest'" : '';
  throw new PermafrostError(
    'INVALID_OPTION',
    `${option}: expected a whole number from ${least}${also}, got ${value}.`,
    {
      option,
      got: value,
    },
  );
}

function tooLong(sequence: number, got: number, width: number): PermafrostError {
  return new PermafrostError(
    'INVALID_BATCH',
    `Batch: sequence ${sequence} has ${got} tokens and cannot be padded to ${width}. Truncate it, or pad to 'longest'.`,
    { sequence, got, length: width },
  );
}
