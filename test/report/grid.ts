import { generateCorpus } from '../../src/data/synthetic/generate.js';
import { analyseErrors } from '../../src/evaluation/error-analysis.js';
import { computeMetrics } from '../../src/evaluation/metrics.js';
import { type Prediction, predictionsOf } from '../../src/evaluation/predictions.js';
import type { Comparison } from '../../src/experiment/comparisons.js';
import { ExampleCollector } from '../../src/experiment/error-examples.js';
import type { RunRecord } from '../../src/experiment/run-record.js';
import { Random } from '../../src/io/random.js';
import { type GridSummary, summarise } from '../../src/report/summary.js';
import { makeRecord } from './records.js';

/** The paper's eleven scenarios. */
export const SCENARIOS = [
  ...['bottom-up', 'top-down'].flatMap((way) => [0, 3, 6, 9, 12].map((k) => `${way}:${k}`)),
  'interleaved',
];

export interface GridFacts {
  /** @default 3 */
  seeds?: number;
  /** Further numbers of training sentences beside all. @default 1 */
  portions?: number;
  /** @default 'demo-kk', which has 25 types */
  corpus?: 'demo' | 'demo-kk';
  /** Test sentences. @default 300 */
  sentences?: number;
  /** Is put into the middle of the first sentence, as a word and as a type. @default none */
  hostile?: string;
}

/** A grid as it is summed up when all of its runs are done, with answers that are the worse the more is frozen. */
export function syntheticGrid(facts: GridFacts = {}): GridSummary {
  const { seeds = 3, portions = 1, corpus = 'demo-kk', sentences = 300, hostile } = facts;
  const { test } = generateCorpus(corpus, { seed: 1, sizes: { train: 1, validation: 1, test: sentences } });
  if (hostile !== undefined) {
    test.unshift({ words: ['Ann', hostile, 'Lee', 'slept'], tags: ['O', `B-${hostile}`, 'B-PER', 'O'] });
  }
  const labels = [...new Set(test.flatMap(({ tags }) => tags))].sort();
  const collector = new ExampleCollector();
  const records: RunRecord[] = [];
  const errors = SCENARIOS.map((strategy, place) => {
    const noise = 0.01 + 0.012 * (place % 5) ** 1.5;
    const runs = Array.from({ length: seeds }, (_, index) => {
      const predictions = answers(test, labels, noise, new Random(1000 * place + index));
      for (let portion = 0; portion <= portions; portion++) {
        records.push(runOf(strategy, index + 1, predictions, place, portion));
      }
      return predictions;
    });
    collector.add(strategy, runs);
    return { strategy, analysis: analyseErrors(runs, { countTokens: (word) => 1 + (word.length >> 2) }) };
  });
  return summarise(records, {
    planned: { strategies: [...SCENARIOS, 'full'], seeds: Array.from({ length: seeds }, (_, i) => i + 1) },
    comparisons: SCENARIOS.slice(1).flatMap(comparisonsOf),
    errors,
    examples: collector.choose(),
    command: "permafrost paper --preset demo-kk --out 'a grid'",
  })!;
}

type Sentences = ReturnType<typeof generateCorpus>['test'];

function answers(
  sentences: Sentences,
  labels: readonly string[],
  noise: number,
  random: Random,
): Prediction[] {
  const predicted = sentences.map(({ tags }) =>
    tags.map((tag) => (random.next() < noise ? (random.next() < 0.4 ? 'O' : random.pick(labels)) : tag)),
  );
  return [...predictionsOf('test', sentences, predicted)];
}

function runOf(
  strategy: string,
  seed: number,
  predictions: readonly Prediction[],
  place: number,
  portion: number,
): RunRecord {
  const epochs = 6;
  const record = makeRecord({
    strategy,
    seed,
    epochs,
    secondsPerEpoch: 20 - 1.4 * place + 0.3 * seed,
    joules: 4000 - 250 * place + 10 * seed,
    dataset: 'demo-kk',
  });
  const counts = { truncatedWords: 2, wordsWithoutTokens: 0 };
  const tags = (of: 'gold' | 'predicted') => predictions.map((prediction) => [...prediction[of]]);
  const test = computeMetrics(tags('gold'), tags('predicted'), counts);
  const sentences = portion === 0 ? 1200 : 100 * portion;
  return {
    ...record,
    run: `${record.run}-${portion}`,
    scenario: { ...record.scenario, ...(portion > 0 && { trainSize: sentences }) },
    data: { ...record.data, train: { ...record.data.train, sentences } },
    epochs: record.epochs.map((epoch, index) => ({
      ...epoch,
      trainLoss: 0.9 / (index + 1),
      validationLoss: 0.5 / (index + 1) + 0.02 * index,
      validation: { ...test, macro: { ...test.macro, f1: test.macro.f1 * (1 - 0.5 ** (index + 1)) } },
    })),
    test,
  };
}

function comparisonsOf(strategy: string, index: number): Comparison[] {
  return (['macroF1', 'entityF1'] as const).map((score) => ({
    strategy,
    baseline: 'bottom-up:0',
    trainSize: null,
    testSet: null,
    score,
    difference: -0.01 * index,
    low: -0.01 * index - 0.005,
    high: -0.01 * index + 0.005,
    p: 0.3 / (1 + index),
    adjusted: index > 2 ? 0.001 : 0.4,
    seeds: 3,
    sentences: 300,
  }));
}
