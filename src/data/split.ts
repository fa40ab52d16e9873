import { PermafrostError } from '../errors/error.js';
import { Random } from '../io/random.js';

/** Per cent of train, validation and test, together 100. */
export type SplitShares = readonly [train: number, validation: number, test: number];

export interface Split<Item> {
  train: Item[];
  validation: Item[];
  test: Item[];
}

/**
 * Divides sentences by chance, every one into exactly one part. Each part keeps the order of the file.
 *
 * Validation and test have their share rounded to the nearest whole number, train has the rest.
 *
 * @param shares per cent, such as [80, 10, 10].
 * @param seed decides the division, together with the number of sentences and the shares.
 * @throws INVALID_OPTION for shares that are not three positive numbers with sum 100, or a seed that is no whole number
 * from 0.
 */
export function splitSentences<Item>(
  sentences: readonly Item[],
  shares: SplitShares,
  seed: number,
): Split<Item> {
  if (!areShares(shares)) throw invalid('split', 'three positive numbers that sum to 100', shares.join('-'));
  if (!Number.isSafeInteger(seed) || seed < 0) throw invalid('seed', 'a whole number from 0', seed);
  const size = sentences.length;
  const validation = Math.round((size * shares[1]) / 100);
  const test = Math.round((size * shares[2]) / 100);
  const order = new Random(seed, 'split').shuffle(Int32Array.from({ length: size }, (_, index) => index));
  const part = (start: number, end: number) =>
    [...order.subarray(start, end).sort()].map((i) => sentences[i]!);
  return {
    train: part(validation + test, size),
    validation: part(0, validation),
    test: part(validation, validation + test),
  };
}

/**
 * Reads shares as the command line has them, such as `80-10-10` or `85-7.5-7.5`.
 *
 * @throws INVALID_OPTION for anything but three positive numbers with sum 100.
 */
export function parseSplit(text: string): [number, number, number] {
  const shares = /^\d+(\.\d+)?(-\d+(\.\d+)?){2}$/.test(text) ? text.split('-').map(Number) : [];
  if (!areShares(shares)) {
    throw invalid('split', 'three positive numbers that sum to 100, such as 80-10-10', JSON.stringify(text));
  }
  return shares as [number, number, number];
}

function areShares(shares: readonly number[]): boolean {
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.length === 3 && Math.abs(sum - 100) < 1e-9 && shares.every((share) => share > 0);
}

function invalid(option: string, expected: string, got: unknown): PermafrostError {
  return new PermafrostError('INVALID_OPTION', `${option}: expected ${expected}, got ${got}.`, {
    option,
    got,
  });
}
