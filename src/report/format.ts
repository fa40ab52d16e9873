import type { Comparison } from '../experiment/comparisons.js';
import type { Spread } from './scenario-summary.js';

/** Stands where a figure does not exist. */
export const NONE = '–';

/** Seconds with three significant digits. */
export function formatSeconds(seconds: number): string {
  return seconds.toFixed(seconds < 10 ? 2 : seconds < 100 ? 1 : 0);
}

/** A factor with three significant digits; a bound without limit means that the head alone is left. */
export function formatFactor(factor: number | null): string {
  if (factor === null) return NONE;
  if (factor === Number.POSITIVE_INFINITY) return 'head only';
  return factor.toFixed(factor < 9.995 ? 2 : factor < 99.95 ? 1 : 0);
}

/** A number of parameters: `85.1 M`, `12.3 k`. */
export function formatCount(count: number): string {
  if (count >= 999_950) return `${(count / 1e6).toFixed(1)} M`;
  return count >= 1000 ? `${(count / 1000).toFixed(1)} k` : `${count}`;
}

export function formatPercent(share: number): string {
  return `${(100 * share).toFixed(share < 0.0995 ? 2 : 1)}%`;
}

/** `mean ± sd`, the deviation only where there are several seeds. */
export function formatSpread({ mean, sd }: Spread, format: (value: number) => string): string {
  return sd === null ? format(mean) : `${format(mean)} ± ${format(sd)}`;
}

/** A score with so many digits after the point. */
export function scoreFormat(digits: number): (score: number) => string {
  return (score) => score.toFixed(digits);
}

/** A difference of scores with its sign, a true minus where it is negative. */
export function formatDifference(difference: number): string {
  const digits = Math.abs(difference).toFixed(4);
  if (Number(digits) === 0) return digits;
  return `${difference < 0 ? '−' : '+'}${digits}`;
}

export function formatP(p: number): string {
  return p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`;
}

/** Level below which a difference counts as seen. */
export const SIGNIFICANT = 0.05;

type Tested = Pick<Comparison, 'difference' | 'low' | 'high' | 'adjusted'>;

/** Whether a score is seen to be lower than that of k = 0. */
export function isSeenLower({ difference, adjusted }: Pick<Comparison, 'difference' | 'adjusted'>): boolean {
  return adjusted < SIGNIFICANT && difference < 0;
}

/** What a comparison shows, in words: where nothing is seen, that is no proof of being equal. */
export function differenceText(comparison: Tested): string {
  const { difference, adjusted } = comparison;
  const seen = adjusted >= SIGNIFICANT ? 'no difference seen' : difference < 0 ? 'lower' : 'higher';
  return `${seen} (difference ${formatDifference(difference)}, ${intervalText(comparison)})`;
}

/** The score with its difference: `entity F1 −0.0012 (95% interval …, p = 0.610)`. */
export function testedText(comparison: Tested & Pick<Comparison, 'score'>): string {
  return `${scoreName(comparison.score)} ${formatDifference(comparison.difference)} (${intervalText(comparison)})`;
}

export function scoreName(score: Comparison['score']): string {
  return score === 'entityF1' ? 'entity F1' : 'macro F1';
}

/** What a metric that decides is called: `macroF1` is macro F1. */
export function metricName(metric: string): string {
  return metric.replace(/F1$/, ' F1');
}

function intervalText({ low, high, adjusted }: Tested): string {
  return `95% interval ${formatDifference(low)} to ${formatDifference(high)}, ${formatP(adjusted)}`;
}
