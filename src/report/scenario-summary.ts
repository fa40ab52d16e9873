import type { FreezePlan } from '../contract/freeze-plan.js';
import type { EnergyUse } from '../energy/energy-use.js';
import type { Metrics } from '../evaluation/metrics.js';
import { mean, standardDeviation } from '../evaluation/statistics.js';
import { macroAtLeast } from '../evaluation/token-metrics.js';
import type { RunRecord } from '../experiment/run-record.js';
import { STRATEGY_NAMES, splitNotation } from '../freezing/notation.js';
import { type RelativeCost, relativeCost } from '../freezing/relative-cost.js';

/** A figure over several seeds. */
export interface Spread {
  mean: number;
  /** Sample standard deviation; null for one seed. */
  sd: number | null;
  /** One value a run that counts, in the order of the seeds. */
  values: number[];
}

/** Times of the runs that compare with those of other scenarios; where none does, of all, without a seed. */
export interface TimeSpread extends Spread {
  /** Seed of each value that compares. */
  seeds: number[];
}

/** Labels with fewer gold words than this are left out of one of the macro averages. */
export const SUPPORT_THRESHOLD = 10;

/** Scores that every table can show, each from 0 to 1. */
export type ScoreName =
  | 'accuracy'
  | 'macroF1'
  | 'macroF1WithoutO'
  | 'macroF1Supported'
  | 'weightedF1'
  | 'weightedF1WithoutO'
  | 'entityF1'
  | 'entityMacroF1'
  | 'entityF1Strict';

const SCORES: Readonly<Record<ScoreName, (metrics: Metrics) => number>> = {
  accuracy: (metrics) => metrics.accuracy,
  macroF1: (metrics) => metrics.macro.f1,
  macroF1WithoutO: (metrics) => metrics.withoutO.macro.f1,
  macroF1Supported: (metrics) => macroAtLeast(metrics, SUPPORT_THRESHOLD).f1,
  weightedF1: (metrics) => metrics.weighted.f1,
  weightedF1WithoutO: (metrics) => metrics.withoutO.weighted.f1,
  entityF1: (metrics) => metrics.entities.micro.f1,
  entityMacroF1: (metrics) => metrics.entities.macro.f1,
  entityF1Strict: (metrics) => metrics.entitiesStrict.micro.f1,
};

const SCORE_NAMES = Object.keys(SCORES) as ScoreName[];

/**
 * Seconds of one run: an epoch's training steps, those of the first epoch, those from the second one on, everything until
 * training stopped.
 */
export type TimeName = 'secondsPerEpoch' | 'secondsFirstEpoch' | 'secondsPerLaterEpoch' | 'secondsToStop';

/** What all runs of one scenario amount to. */
export interface ScenarioSummary {
  /** Notation such as `bottom-up:6`. */
  strategy: string;
  /** The notation without its number. */
  family: string;
  /** The number of frozen layers in the notation; null where it has none. */
  k: number | null;
  seeds: number[];
  plan: FreezePlan;
  trainableParameters: number;
  totalParameters: number;
  /**
   * Whether every run read outputs of frozen layers that another one had computed. Then times and energy lack work that
   * others did; else they are of the runs that did all of theirs.
   */
  isBorrowed: boolean;
  secondsPerEpoch: TimeSpread;
  /** Training steps of the first epoch, in which outputs that are kept are computed. */
  secondsFirstEpoch: TimeSpread;
  /** Mean of the training steps from the second epoch on; of the only epoch where there is one. */
  secondsPerLaterEpoch: TimeSpread;
  secondsToStop: TimeSpread;
  /** Number of epochs until training stopped. */
  epochs: Spread;
  tokensPerSecond: Spread;
  /** Energy of training and validation; null where a run was not measured. */
  energy: {
    joules: Spread;
    joulesPer1000Tokens: Spread;
    watts: Spread;
    idleWatts: Spread;
    emissions: Spread | null;
  } | null;
  scores: Record<ScoreName, Spread>;
  /** Scores on each test set that has a name. */
  tests: Map<string, Record<ScoreName, Spread>>;
  /** F1 and gold words of each label. */
  labels: Map<string, { support: number; f1: Spread }>;
  /** Whether the plan changes while it trains. */
  isSchedule: boolean;
  /** What arithmetic allows at best; null for a schedule, which has no one plan. */
  bound: RelativeCost | null;
}

/** Order of notations: those of one direction stand together, by depth; others keep their place behind them. */
export function byDepth(a: string, b: string): number {
  const [left, right] = [a, b].map((strategy) => /^(bottom-up|top-down):(\d+)$/.exec(strategy));
  if (left == null || right == null) return Number(left == null) - Number(right == null);
  return left[1] === right[1] ? Number(left[2]) - Number(right[2]) : left[1]! < right[1]! ? -1 : 1;
}

/**
 * Whether a run read outputs of frozen layers that another run had computed: its seconds lack that work, and say
 * nothing beside those of a run that did it.
 */
export function hasBorrowed({ prefixStore, data, resumed }: RunRecord): boolean {
  if (prefixStore === null) return false;
  if (prefixStore.borrowed !== undefined) return prefixStore.borrowed > 0;
  // A record from before they were counted: a run that does its work computes every sentence at least once.
  const sentences = [data.train, data.validation, data.test].reduce(
    (sum, part) => sum + (part?.sentences ?? 0),
    0,
  );
  return !resumed && prefixStore.misses < sentences;
}

/** The metrics that a report shows: those of the test split where there is one, else validation at the best epoch. */
export function reportedMetrics(record: RunRecord): Metrics {
  if (record.test !== null) return record.test;
  const best = record.epochs.find(({ epoch }) => epoch === record.bestEpoch) ?? record.epochs[0]!;
  return best.validation;
}

/** Sums up the runs of one scenario. `records` must not be empty. */
export function summariseScenario(records: readonly RunRecord[]): ScenarioSummary {
  const ordered = [...records].sort((a, b) => a.seed - b.seed);
  const first = ordered[0]!;
  const { strategy } = first.scenario;
  const ranged = /^(bottom-up|top-down):(\d+)$/.exec(strategy);
  const isSchedule =
    !STRATEGY_NAMES.includes(splitNotation(strategy).name) || ordered.some(({ stages }) => stages.length > 1);
  const metrics = ordered.map(reportedMetrics);
  const { embeddings, layers, parts } = first.plan;
  const plan: FreezePlan = parts === undefined ? { embeddings, layers } : { embeddings, layers, parts };
  const own = ordered.filter((record) => !hasBorrowed(record));
  const timed = own.length > 0 ? own : ordered;
  const scoresOf = (metrics: readonly Metrics[]) =>
    Object.fromEntries(
      SCORE_NAMES.map((name) => [name, spread(metrics.map(SCORES[name]))] as const),
    ) as Record<ScoreName, Spread>;
  return {
    strategy,
    family: ranged?.[1] ?? strategy.split(':', 1)[0]!,
    k: ranged === null ? null : Number(ranged[2]),
    seeds: ordered.map(({ seed }) => seed),
    plan,
    trainableParameters: first.trainableParameters,
    totalParameters: first.totalParameters,
    isBorrowed: own.length === 0,
    secondsPerEpoch: timeSpread(ordered, own, ({ secondsPerEpoch }) => secondsPerEpoch),
    secondsFirstEpoch: timeSpread(ordered, own, ({ epochs }) => epochs[0]!.trainSeconds),
    // From the second epoch on every run reads what is kept, whoever computed it.
    secondsPerLaterEpoch: timeSpread(
      ordered,
      ordered.filter((record) => record.epochs.length > 1 || own.includes(record)),
      secondsPerLaterEpoch,
    ),
    secondsToStop: timeSpread(ordered, own, ({ secondsToStop }) => secondsToStop),
    epochs: spread(ordered.map(({ epochs }) => epochs.length)),
    tokensPerSecond: spread(timed.map(({ tokensPerSecond }) => tokensPerSecond)),
    energy: energyOf(timed),
    scores: scoresOf(metrics),
    tests: new Map(
      Object.keys(first.tests).map((name) => [
        name,
        scoresOf(ordered.flatMap(({ tests }) => tests[name] ?? [])),
      ]),
    ),
    labels: labelScores(metrics),
    isSchedule,
    bound: isSchedule ? null : relativeCost(plan),
  };
}

/**
 * How many times less time a scenario took than another, over the seeds whose times compare in both.
 *
 * @returns null where there is no such seed, or nothing was measured.
 */
export function timesFaster(
  scenario: ScenarioSummary,
  baseline: ScenarioSummary | null,
  time: TimeName,
): number | null {
  if (baseline === null) return null;
  let own = 0;
  let other = 0;
  for (const [index, seed] of scenario[time].seeds.entries()) {
    const at = baseline[time].seeds.indexOf(seed);
    if (at < 0) continue;
    own += scenario[time].values[index]!;
    other += baseline[time].values[at]!;
  }
  return own > 0 && other > 0 ? other / own : null;
}

/** Mean seconds of the training steps from the second epoch on; of the only one where there is one. */
export function secondsPerLaterEpoch({ epochs }: RunRecord): number {
  const later = epochs.length > 1 ? epochs.slice(1) : epochs;
  return mean(later.map(({ trainSeconds }) => trainSeconds)) ?? 0;
}

function timeSpread(
  all: readonly RunRecord[],
  comparable: readonly RunRecord[],
  time: (record: RunRecord) => number,
): TimeSpread {
  const shown = comparable.length > 0 ? comparable : all;
  return { ...spread(shown.map(time)), seeds: comparable.map(({ seed }) => seed) };
}

function energyOf(records: readonly RunRecord[]): ScenarioSummary['energy'] {
  const uses = records.flatMap(({ energy }) => (energy === null ? [] : [energy]));
  if (uses.length < records.length) return null;
  const emissions = uses.flatMap((use) => (use.emissions === null ? [] : [use.emissions]));
  const idle = ({ idlePower }: EnergyUse) =>
    (idlePower.cpu ?? 0) + (idlePower.gpu ?? 0) + (idlePower.ram ?? 0);
  return {
    joules: spread(uses.map(({ joules }) => joules)),
    joulesPer1000Tokens: spread(uses.map(({ joulesPer1000Tokens }) => joulesPer1000Tokens ?? 0)),
    watts: spread(uses.map(({ joules, duration }) => joules / duration)),
    idleWatts: spread(uses.map(idle)),
    emissions: emissions.length < uses.length ? null : spread(emissions),
  };
}

function labelScores(metrics: readonly Metrics[]): ScenarioSummary['labels'] {
  const names = new Set(metrics.flatMap(({ labels }) => Object.keys(labels)));
  return new Map(
    [...names].map((label) => [
      label,
      {
        support: metrics[0]!.labels[label]?.support ?? 0,
        // A label that a run neither has nor predicts is no failure of that run, and it has no gold word: 0 as elsewhere.
        f1: spread(metrics.map(({ labels }) => labels[label]?.f1 ?? 0)),
      },
    ]),
  );
}

export function spread(values: number[]): Spread {
  return { mean: mean(values) ?? 0, sd: standardDeviation(values), values };
}
