import { existsSync } from 'node:fs';
import {
  analyseErrors,
  type ErrorAnalysis,
  type ErrorAnalysisOptions,
} from '../evaluation/error-analysis.js';
import { type Prediction, readPredictions } from '../evaluation/predictions.js';
import { predictionsFile } from '../training/directory.js';
import type { FoundRun } from './found-runs.js';
import { groupBy } from './group-by.js';

/** The errors of one scenario over its seeds. */
export interface ErrorStudy {
  strategy: string;
  analysis: ErrorAnalysis;
}

export interface ErrorStudyOptions extends ErrorAnalysisOptions {
  /** Is given the predictions of each scenario's runs, which are in memory while it works on them. */
  onAnswers?: (strategy: string, answers: readonly (readonly Prediction[])[]) => void;
}

/** Takes apart the errors of every scenario, one after another. @throws as `readAnswers` and `analyseErrors` */
export async function studyErrors(
  runs: readonly FoundRun[],
  split: string,
  { onAnswers, ...options }: ErrorStudyOptions = {},
): Promise<ErrorStudy[]> {
  const studies: ErrorStudy[] = [];
  for (const [strategy, group] of groupBy(runs, ({ record }) => record.scenario.strategy)) {
    const answers = await readAnswers(group, split);
    if (answers.length === 0) continue;
    studies.push({ strategy, analysis: analyseErrors(answers, options) });
    onAnswers?.(strategy, answers);
  }
  return studies;
}

/**
 * What the best weights of runs answered on a split, by seed ascending. Runs without such predictions are left out.
 *
 * @throws DATA_FORMAT for a file of predictions that is damaged
 */
export async function readAnswers(runs: readonly FoundRun[], split: string): Promise<Prediction[][]> {
  const files = [...runs]
    .sort((a, b) => a.record.seed - b.record.seed)
    .map(({ directory }) => predictionsFile(directory, split));
  const answers: Prediction[][] = [];
  for (const file of files) if (existsSync(file)) answers.push(await readPredictions(file));
  return answers;
}
