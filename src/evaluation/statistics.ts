import { studentCritical, studentTwoSided } from './student-t.js';

/** Arithmetic mean; null without values. */
export function mean(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const rough = values.reduce((sum, value) => sum + value, 0) / values.length;
  // The second pass takes back what the first lost to rounding.
  return rough + values.reduce((sum, value) => sum + (value - rough), 0) / values.length;
}

/** Sample standard deviation (divided by n - 1); null for fewer than two values. */
export function standardDeviation(values: readonly number[]): number | null {
  const centre = mean(values);
  if (centre === null || values.length < 2) return null;
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/** Standard error of the mean: sample standard deviation / sqrt(n); null for fewer than two values. */
export function standardError(values: readonly number[]): number | null {
  const deviation = standardDeviation(values);
  return deviation === null ? null : deviation / Math.sqrt(values.length);
}

/** What two series of figures, measured in pairs, differ by. */
export interface PairedDifference {
  pairs: number;
  /** Mean of a - b. */
  mean: number;
  /** Standard error of it; null for fewer than two pairs. */
  standardError: number | null;
  /** 95% interval by Student's t over the pairs; null for fewer than two. */
  interval: [low: number, high: number] | null;
  /** Two-sided p of Student's paired test; null for fewer than two pairs, and where no pair differs. */
  p: number | null;
}

/** Compares two series of equal length, of which the i-th figures belong together: the same seed, the same fold. */
export function pairedDifference(a: readonly number[], b: readonly number[]): PairedDifference {
  const differences = a.map((value, index) => value - b[index]!);
  const centre = mean(differences) ?? 0;
  const error = standardError(differences);
  const pairs = differences.length;
  if (error === null) return { pairs, mean: centre, standardError: null, interval: null, p: null };
  const reach = studentCritical(0.05, pairs - 1) * error;
  const p = error === 0 && centre === 0 ? null : studentTwoSided(centre / error, pairs - 1);
  return { pairs, mean: centre, standardError: error, interval: [centre - reach, centre + reach], p };
}

/**
 * Adjusts p values of several comparisons by Holm (1979), so that the chance of one false finding among all stays below
 * the level that an adjusted p is compared with.
 *
 * @returns in the order given, each at least its p and at most 1.
 */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((_, index) => index).sort((a, b) => ps[a]! - ps[b]!);
  const adjusted = new Array<number>(ps.length);
  let highest = 0;
  for (const [rank, index] of order.entries()) {
    highest = Math.max(highest, Math.min(1, (ps.length - rank) * ps[index]!));
    adjusted[index] = highest;
  }
  return adjusted;
}
