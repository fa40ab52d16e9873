import { existsSync } from 'node:fs';
import { type BootstrapDifference, pairedBootstrap } from '../evaluation/bootstrap.js';
import { compareSentences, type SentenceComparison } from '../evaluation/compare-sentences.js';
import { requireSameSentences } from '../evaluation/error-analysis.js';
import { type Prediction, readPredictions } from '../evaluation/predictions.js';
import { countSentences } from '../evaluation/sentence-counts.js';
import { holm } from '../evaluation/statistics.js';
import { type Difference, differences } from '../io/difference.js';
import { predictionsFile } from '../training/directory.js';
import type { FoundRun } from './found-runs.js';
import { groupBy } from './group-by.js';
import type { RunRecord } from './run-record.js';
import { portionText } from './scenario.js';

/** Runs of the same scenario, or of the only one of each side, with the seeds that both have. */
export interface ComparedScenario {
  /** Notation, with the portion of the data where it is not all. */
  first: string;
  second: string;
  seeds: number[];
  /** Runs of each side by seed, as `seeds` has them. */
  firstRuns: FoundRun[];
  secondRuns: FoundRun[];
  /** Second less first, by a paired bootstrap over seeds and sentences; null without predictions of the same sentences. */
  scores: (BootstrapDifference & { adjusted: number })[] | null;
  /** Why `scores` is null. */
  reason: string | null;
  /** How the sentences fall to the two; null where `scores` is. */
  sentences:
    | (Omit<SentenceComparison, 'onlyFirst' | 'onlySecond'> & { onlyFirst: number; onlySecond: number })
    | null;
}

/** Two directories of runs side by side. */
export interface RunComparison {
  /** Settings, data, versions and hardware in which the first runs of both sides differ. */
  settings: Difference[];
  split: 'test' | 'validation';
  scenarios: ComparedScenario[];
  /** Runs without a partner, as `bottom-up:6, seed 42`. */
  onlyFirst: string[];
  onlySecond: string[];
}

/**
 * Compares two sets of runs: scenario by scenario and seed by seed where they match; where each side has one scenario, these
 * two.
 *
 * @throws DATA_FORMAT for a file of predictions that is damaged
 */
export async function compareRuns(
  first: readonly FoundRun[],
  second: readonly FoundRun[],
): Promise<RunComparison> {
  const [left, right] = [byScenario(first), byScenario(second)];
  const pairs: [string, string][] =
    left.size === 1 && right.size === 1
      ? [[[...left.keys()][0]!, [...right.keys()][0]!]]
      : [...left.keys()].filter((name) => right.has(name)).map((name) => [name, name]);
  const split = [...first, ...second].some(({ record }) => record.test === null) ? 'validation' : 'test';
  const scenarios: ComparedScenario[] = [];
  for (const [a, b] of pairs) {
    const [own, other] = [bySeed(left.get(a)!), bySeed(right.get(b)!)];
    const seeds = [...own.keys()].filter((seed) => other.has(seed)).sort((x, y) => x - y);
    if (seeds.length === 0) continue;
    const [firstRuns, secondRuns] = [
      seeds.map((seed) => own.get(seed)!),
      seeds.map((seed) => other.get(seed)!),
    ];
    scenarios.push({
      first: a,
      second: b,
      seeds,
      firstRuns,
      secondRuns,
      ...(await answersOf(firstRuns, secondRuns, split)),
    });
  }
  correct(scenarios);
  const paired = new Set(scenarios.flatMap(({ firstRuns, secondRuns }) => [...firstRuns, ...secondRuns]));
  const alone = (runs: readonly FoundRun[]) =>
    runs.filter((run) => !paired.has(run)).map(({ record }) => `${nameOf(record)}, seed ${record.seed}`);
  const shared = scenarios[0];
  return {
    settings: differences(
      settingsOf((shared?.firstRuns[0] ?? first[0]!).record),
      settingsOf((shared?.secondRuns[0] ?? second[0]!).record),
    ),
    split,
    scenarios,
    onlyFirst: alone(first),
    onlySecond: alone(second),
  };
}

function byScenario(runs: readonly FoundRun[]): Map<string, FoundRun[]> {
  return groupBy(runs, ({ record }) => nameOf(record));
}

function bySeed(runs: readonly FoundRun[]): Map<number, FoundRun> {
  return new Map(runs.map((run) => [run.record.seed, run]));
}

function nameOf({ scenario }: RunRecord): string {
  return [scenario.strategy, portionText(scenario)].filter((part) => part !== '').join(', ');
}

/** What may differ between two runs that are compared; digests tell where data or weights of one name differ. */
function settingsOf({ scenario, seed: _, versions, hardware, threads, data, tokenizer }: RunRecord): unknown {
  return {
    ...scenario,
    data: data.digest,
    sentences: data.train.sentences,
    tokenizer: tokenizer.digest,
    versions,
    hardware,
    threads,
  };
}

type Answers = Pick<ComparedScenario, 'scores' | 'reason' | 'sentences'>;

async function answersOf(
  first: readonly FoundRun[],
  second: readonly FoundRun[],
  split: string,
): Promise<Answers> {
  const nothing = (reason: string): Answers => ({ scores: null, reason, sentences: null });
  const files = (runs: readonly FoundRun[]) => runs.map(({ directory }) => predictionsFile(directory, split));
  const missing = [...files(first), ...files(second)].find((file) => !existsSync(file));
  if (missing !== undefined) return nothing(`there are no predictions in ${missing}`);
  const read = (runs: readonly FoundRun[]) => Promise.all(files(runs).map(readPredictions));
  const [own, other] = [await read(first), await read(second)];
  try {
    requireSameSentences([...own, ...other]);
  } catch {
    return nothing(`their predictions are not of the same ${split} sentences`);
  }
  const counts = (runs: readonly (readonly Prediction[])[]) =>
    runs.map((run) =>
      countSentences(
        run.map(({ gold }) => gold),
        run.map(({ predicted }) => predicted),
      ),
    );
  const [scores] = pairedBootstrap([counts(other)], counts(own));
  const { onlyFirst, onlySecond, ...sentences } = compareSentences(own, other);
  return {
    scores: scores!.map((score) => ({ ...score, adjusted: score.p })),
    reason: null,
    sentences: { ...sentences, onlyFirst: onlyFirst.length, onlySecond: onlySecond.length },
  };
}

/** Corrects p by Holm for all scenarios of a score. */
function correct(scenarios: readonly ComparedScenario[]): void {
  for (const family of groupBy(
    scenarios.flatMap(({ scores }) => scores ?? []),
    ({ score }) => score,
  ).values()) {
    const adjusted = holm(family.map(({ p }) => p));
    for (const [index, of] of family.entries()) of.adjusted = adjusted[index]!;
  }
}
