import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { PermafrostError } from '../errors/error.js';
import { Random } from '../io/random.js';

/**
 * Order of the examples in one epoch of training: a permutation that seed and epoch alone decide, so that a resumed
 * run meets the same batches.
 *
 * @param size number of examples, N.
 * @param epoch counted from 0.
 * @returns indices, shape [N].
 * @throws INVALID_OPTION for a size, seed or epoch that is no whole number from 0.
 */
export function epochOrder(size: number, seed: number, epoch: number): Int32Array {
  for (const [option, value] of Object.entries({ size, seed, epoch })) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new PermafrostError('INVALID_OPTION', `${option}: expected a whole number from 0, got ${value}.`, {
      option,
      got: value,
    });
  }
  return new Random(seed, `order/${epoch}`).shuffle(Int32Array.from({ length: size }, (_, index) => index));
}

/**
 * Order for evaluation: longest example first, equal lengths in dataset order. The largest batch comes first, so that
 * a run that lacks memory for it fails at once.
 *
 * @returns indices, shape [N].
 */
export function lengthSortedOrder({ size, offsets }: EncodedDataset): Int32Array {
  const length = (example: number) => offsets[example + 1]! - offsets[example]!;
  return Int32Array.from({ length: size }, (_, index) => index).sort((a, b) => length(b) - length(a));
}
