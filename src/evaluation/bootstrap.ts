import { Random } from '../io/random.js';
import { DRAWN_SCORES, type DrawnScore, type SentenceCounts, scoresOfDraw } from './sentence-counts.js';

/** How a score of one system differs from a baseline's, by paired draws. */
export interface BootstrapDifference {
  score: DrawnScore;
  /** Mean over the seeds of system less baseline. */
  difference: number;
  /** 95% interval: percentiles of the draws. */
  low: number;
  high: number;
  /** Two-sided: how often draws lie as far from the difference as the difference from 0. */
  p: number;
  /** Seeds that both have; with one, only sentences are drawn. */
  seeds: number;
  sentences: number;
}

/** Draws where nothing else is asked for. */
export const DRAWS = 2000;

export interface BootstrapOptions {
  /** @default 2000 */
  draws?: number;
  /** Fixes the draws. @default 1 */
  seed?: number;
}

/**
 * Compares systems with a baseline by a paired bootstrap on two levels: seeds are drawn, and sentences, which all seeds
 * and systems of a draw share, since all are measured on the same sentences (Owen 2007, the pigeonhole bootstrap).
 *
 * Of S seeds S - 1 are drawn, with which the variance of the mean is right for few seeds, too (Rao & Wu 1988); draws of S
 * would make it (S - 1) / S of what it is.
 *
 * @param systems counts of each system, [systems][seeds]; the i-th seed of each is the baseline's i-th
 * @param baseline counts of the baseline, [seeds]
 * @returns one entry a system and score, [systems][scores]
 */
export function pairedBootstrap(
  systems: readonly (readonly SentenceCounts[])[],
  baseline: readonly SentenceCounts[],
  { draws = DRAWS, seed = 1 }: BootstrapOptions = {},
): BootstrapDifference[][] {
  const seeds = baseline.length;
  const sentences = baseline[0]?.sentences ?? 0;
  const random = new Random(seed, 'bootstrap');
  const times = new Int32Array(sentences).fill(1);
  const whole = differencesOf(systems, baseline, times);
  const mean = (values: readonly number[], of: readonly number[]) =>
    of.reduce((sum, index) => sum + values[index]!, 0) / of.length;
  const all = baseline.map((_, index) => index);
  const observed = whole.map((scores) => scores.map((bySeed) => mean(bySeed, all)));
  const drawn = observed.map((scores) => scores.map(() => new Float64Array(draws)));
  for (let draw = 0; draw < draws; draw++) {
    times.fill(0);
    for (let i = 0; i < sentences; i++) times[random.int(sentences)]!++;
    const chosen = seeds < 2 ? all : Array.from({ length: seeds - 1 }, () => random.int(seeds));
    for (const [system, scores] of differencesOf(systems, baseline, times, chosen).entries()) {
      for (const [score, bySeed] of scores.entries()) drawn[system]![score]![draw] = mean(bySeed, chosen);
    }
  }
  return observed.map((scores, system) =>
    scores.map((difference, score) => {
      const values = drawn[system]![score]!.sort();
      const far = values.filter((value) => Math.abs(value - difference) >= Math.abs(difference) - 1e-12);
      return {
        score: DRAWN_SCORES[score]!,
        difference,
        low: percentile(values, 0.025),
        high: percentile(values, 0.975),
        p: (1 + far.length) / (1 + draws),
        seeds,
        sentences,
      };
    }),
  );
}

/** System less baseline under one draw of sentences, [systems][scores][seeds]; seeds that were not drawn stay 0. */
function differencesOf(
  systems: readonly (readonly SentenceCounts[])[],
  baseline: readonly SentenceCounts[],
  times: Int32Array,
  seeds: Iterable<number> = baseline.keys(),
): number[][][] {
  const result = systems.map(() => DRAWN_SCORES.map(() => new Array<number>(baseline.length).fill(0)));
  for (const seed of new Set(seeds)) {
    const base = scoresOfDraw(baseline[seed]!, times);
    for (const [system, counts] of systems.entries()) {
      const own = scoresOfDraw(counts[seed]!, times);
      for (const [score, name] of DRAWN_SCORES.entries())
        result[system]![score]![seed] = own[name] - base[name];
    }
  }
  return result;
}

/** The smallest of sorted values that at least such a share of them does not exceed. */
function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}
