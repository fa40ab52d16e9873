import { existsSync } from 'node:fs';
import { type BootstrapDifference, pairedBootstrap } from '../evaluation/bootstrap.js';
import { readPredictions } from '../evaluation/predictions.js';
import { countSentences, DRAWN_SCORES, type SentenceCounts } from '../evaluation/sentence-counts.js';
import { holm } from '../evaluation/statistics.js';
import { groupBy } from './group-by.js';
import type { RunRecord } from './run-record.js';
import { runPredictions, testSplit } from './test-sets.js';

/** What stands for k = 0: the first of these that was run. */
export const BASELINES: readonly string[] = ['bottom-up:0', 'top-down:0', 'full'];

/** How a scenario's score differs from that of k = 0, on the same seeds and sentences. */
export interface Comparison extends BootstrapDifference {
  strategy: string;
  baseline: string;
  /** Training sentences of both; null for all. */
  trainSize: number | null;
  /** Test set that has a name; null for the split that the tables show. */
  testSet: string | null;
  /** `p` corrected by Holm (1979) for all comparisons of the same score in this list. */
  adjusted: number;
}

/**
 * Compares every scenario with k = 0 by a paired bootstrap over seeds and sentences, from what the runs' best weights
 * answered.
 *
 * Runs whose predictions are not there are left out, and so is what freezes the same as k = 0. The draws hang on nothing
 * but a fixed seed: the same runs give the same figures.
 *
 * @param directory of the grid
 * @throws DATA_FORMAT for a file of predictions that is damaged
 */
export async function compareWithBaseline(
  directory: string,
  records: readonly RunRecord[],
): Promise<Comparison[]> {
  const found: Comparison[] = [];
  for (const ofSize of groupBy(records, ({ scenario }) => scenario.trainSize ?? null).values()) {
    for (const testSet of testSetsOf(ofSize)) found.push(...(await compareOn(directory, ofSize, testSet)));
  }
  for (const score of DRAWN_SCORES) {
    const family = found.filter((comparison) => comparison.score === score);
    const adjusted = holm(family.map(({ p }) => p));
    for (const [index, comparison] of family.entries()) comparison.adjusted = adjusted[index]!;
  }
  return found;
}

/** The split that the tables show, then the other test sets. */
function testSetsOf(records: readonly RunRecord[]): (string | null)[] {
  return [null, ...Object.keys(records[0]!.tests).slice(1)];
}

async function compareOn(
  directory: string,
  records: readonly RunRecord[],
  testSet: string | null,
): Promise<Comparison[]> {
  const byStrategy = groupBy(records, ({ scenario }) => scenario.strategy);
  const baseline = BASELINES.find((strategy) => byStrategy.has(strategy));
  if (baseline === undefined) return [];
  const same = planOf(byStrategy.get(baseline)![0]!);
  const others = [...byStrategy].filter(([, [first]]) => planOf(first!) !== same);
  const base = await countsBySeed(directory, byStrategy.get(baseline)!, testSet);
  const systems = new Map<string, Map<number, SentenceCounts>>();
  for (const [strategy, runs] of others) systems.set(strategy, await countsBySeed(directory, runs, testSet));
  const common = (counts: Map<number, SentenceCounts>) =>
    [...base.keys()].filter((seed) => counts.get(seed)?.sentences === base.get(seed)!.sentences);
  // Scenarios that have the same seeds share their draws.
  const bySeeds = groupBy(systems, ([, counts]) => JSON.stringify(common(counts)));
  const trainSize = records[0]!.scenario.trainSize ?? null;
  return [...bySeeds.values()].flatMap((group) => {
    const seeds = common(group[0]![1]);
    if (seeds.length === 0) return [];
    const differences = pairedBootstrap(
      group.map(([, counts]) => seeds.map((seed) => counts.get(seed)!)),
      seeds.map((seed) => base.get(seed)!),
    );
    return group.flatMap(([strategy], index) =>
      differences[index]!.map((difference) => ({
        ...difference,
        strategy,
        baseline,
        trainSize,
        testSet,
        adjusted: difference.p,
      })),
    );
  });
}

/** What freezes the same all along is the same scenario under another name. */
function planOf({ plan, stages }: RunRecord): string {
  return JSON.stringify([plan, stages.slice(1).map((stage) => [stage.step, stage.plan])]);
}

async function countsBySeed(
  directory: string,
  records: readonly RunRecord[],
  testSet: string | null,
): Promise<Map<number, SentenceCounts>> {
  const counts = new Map<number, SentenceCounts>();
  for (const { run, seed, test, tests } of [...records].sort((a, b) => a.seed - b.seed)) {
    const shown = test === null ? 'validation' : 'test';
    const file = runPredictions(directory, run, testSet === null ? shown : testSplit(tests, testSet));
    if (!existsSync(file)) continue;
    const predictions = await readPredictions(file);
    const tags = (of: 'gold' | 'predicted') => predictions.map((prediction) => prediction[of]);
    counts.set(seed, countSentences(tags('gold'), tags('predicted')));
  }
  return counts;
}
