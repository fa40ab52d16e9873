import { mean, type PairedDifference, pairedDifference, standardError } from '../../evaluation/statistics.js';
import type { RunRecord } from '../run-record.js';
import { trainingCost } from './cost.js';

/** By how much less than the best a plan's mean may be in any case. */
export const TOLERANCE = 0.002;

/** What the runs of one plan amount to. */
export interface SearchedPlan {
  /** Notation of the strategy or schedule. */
  notation: string;
  /** Mean validation score over seeds and folds. */
  mean: number;
  /** Of the mean; null for one run. */
  standardError: number | null;
  seeds: number[];
  /** Number of folds; 0 where the data's own validation split was used. */
  folds: number;
  /** Mean number of epochs until training stopped. */
  epochs: number;
  /** Mean cost of the steps by arithmetic, in steps with nothing but the embeddings frozen. */
  cost: number;
  /** Mean seconds of training and validation, without computing outputs of frozen layers that later runs read. */
  seconds: number;
  /** Mean joules of the same; null where a run was not measured. */
  joules: number | null;
  /** This plan less the best, run by run; null for the best. */
  behind: PairedDifference | null;
  /** Whether the mean is within max(0.002, one paired standard error) of the best. */
  isWithin: boolean;
}

/** Which plans are best, and what all amount to. */
export interface Verdict {
  /** Notation of the plan with the highest mean; of equal ones the cheapest. */
  best: string;
  /** Notation of the cheapest plan whose mean is within max(0.002, one paired standard error) of the best. */
  cheapest: string;
  /** In the order given. */
  plans: SearchedPlan[];
}

/**
 * Compares plans by their validation scores; the test split plays no part.
 *
 * @param runs of each plan, [plans][runs]; the i-th runs of all have the same seed and fold. None may be empty.
 */
export function judge(runs: readonly (readonly RunRecord[])[]): Verdict {
  const measured = runs.map((records) => ({ records, ...measure(records) }));
  const best = measured.reduce((a, b) => (b.mean > a.mean || (b.mean === a.mean && b.cost < a.cost) ? b : a));
  const plans = measured.map(({ records, ...plan }): SearchedPlan => {
    if (plan.notation === best.notation) return { ...plan, behind: null, isWithin: true };
    const behind = pairedDifference(scoresOf(records), scoresOf(best.records));
    const tolerance = Math.max(TOLERANCE, behind.standardError ?? 0);
    return { ...plan, behind, isWithin: behind.mean >= -tolerance - 1e-12 };
  });
  const within = plans.filter(({ isWithin }) => isWithin);
  const cheapest = within.reduce((a, b) =>
    b.cost < a.cost || (b.cost === a.cost && b.mean > a.mean) ? b : a,
  );
  return { best: best.notation, cheapest: cheapest.notation, plans };
}

/** The plans that are worth more runs: the best, the cheapest within tolerance, then those with the highest means. */
export function survivors({ best, cheapest, plans }: Verdict, count: number): string[] {
  const byMean = [...plans].sort((a, b) => b.mean - a.mean || a.cost - b.cost);
  return [...new Set([best, cheapest, ...byMean.map(({ notation }) => notation)])].slice(0, count);
}

function measure(records: readonly RunRecord[]): Omit<SearchedPlan, 'behind' | 'isWithin'> {
  const average = (of: (record: RunRecord) => number) => mean(records.map(of))!;
  const folds = new Set(records.flatMap(({ scenario: { fold } }) => (fold ? [fold.index] : [])));
  const isMeasured = records.every(({ energy }) => energy !== null);
  return {
    notation: records[0]!.scenario.strategy,
    mean: average(({ bestScore }) => bestScore),
    standardError: standardError(scoresOf(records)),
    seeds: [...new Set(records.map(({ seed }) => seed))],
    folds: folds.size,
    epochs: average(({ epochs }) => epochs.length),
    cost: average(trainingCost),
    seconds: average((record) => record.secondsToStop - secondsToFill(record)),
    joules: isMeasured ? average(({ energy }) => energy!.joules) : null,
  };
}

function scoresOf(records: readonly RunRecord[]): number[] {
  return records.map(({ bestScore }) => bestScore);
}

/** By how much the first epoch is longer than later ones, where it computed what all read. */
function secondsToFill({ prefixStore, epochs }: RunRecord): number {
  const later = mean(epochs.slice(1).map(({ trainSeconds }) => trainSeconds));
  return prefixStore === null || later === null ? 0 : Math.max(0, epochs[0]!.trainSeconds - later);
}
