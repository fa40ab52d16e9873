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
