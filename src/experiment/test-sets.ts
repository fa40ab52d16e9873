import { join } from 'node:path';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import type { Peers } from '../contract/peers.js';
import type { Sentence } from '../data/sentence.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { Metrics } from '../evaluation/metrics.js';
import { predictionsOf, writePredictions } from '../evaluation/predictions.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import { predictionsFile } from '../training/directory.js';
import type { Splits } from './dataset-source.js';
import type { DataPortion } from './portion.js';
import type { RunRecord } from './run-record.js';

/** The parts of a record that test sets decide. */
export type TestScores = Pick<RunRecord, 'test' | 'tests'>;

export interface MeasureTestsOptions {
  /** At its best weights. */
  model: TokenClassifier;
  data: DataPortion;
  /** Metrics on the test split, where the training has measured it. */
  test?: Metrics | null;
  /** The run's, for what the model answers; null keeps no answers. */
  directory: string | null;
  /** Ranks that measure the same together. */
  peers?: Peers | undefined;
  signal?: AbortSignal | undefined;
}

/** Measures a model on the test split and on every test set that has a name. @throws `signal.reason` on abort */
export async function measureTests(options: MeasureTestsOptions): Promise<TestScores> {
  const { model, data, directory, peers, signal } = options;
  const { splits } = data;
  const measure = async (split: string, sentences: Sentence[], dataset: EncodedDataset) => {
    const given = { model, sentences, dataset, ...(peers && { peers }), ...(signal && { signal }) };
    const evaluation = await evaluate(given);
    const answers = predictionsOf(split, sentences, evaluation.predicted);
    if (directory !== null) await writePredictions(predictionsFile(directory, split), answers);
    return evaluation.metrics;
  };
  if (splits.test === null) return { test: null, tests: {} };
  const test = options.test ?? (await measure('test', splits.test, (await data.encoded()).test!));
  const tests: TestScores['tests'] = {};
  for (const [name, sentences] of Object.entries(splits.tests)) {
    const split = testSplit(splits.tests, name);
    tests[name] = split === 'test' ? test : await measure(split, sentences, await data.encodedTest(name));
  }
  return { test, tests };
}

/** Name of the predictions of a test set that has a name: the first one is the test split. */
export function testSplit(tests: Readonly<Record<string, unknown>>, name: string): string {
  return Object.keys(tests)[0] === name ? 'test' : `test-${name}`;
}

/** File of what a run's best weights answer on a split. */
export function runPredictions(directory: string, run: string, split: string): string {
  return predictionsFile(join(directory, run), split);
}

/** What a person should know of test sets that have types which the training data lack: sentences. */
export function unlearntTypes({ train, tests }: Splits): string[] {
  const typesOf = (sentences: readonly Sentence[]) =>
    new Set(sentences.flatMap(({ tags }) => tags.filter((tag) => tag !== 'O').map((tag) => tag.slice(2))));
  const learnt = typesOf(train);
  return Object.entries(tests).flatMap(([name, sentences]) => {
    const missing = [...typesOf(sentences)].filter((type) => !learnt.has(type)).sort();
    if (missing.length === 0) return [];
    return [
      `Test set ${name} has entity types that the training data lack and that nobody can find: ${missing.join(', ')}. ` +
        'Map them to others, or to O, with `map`.',
    ];
  });
}
