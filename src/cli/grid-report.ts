import { join } from 'node:path';
import type { ErrorAnalysisOptions } from '../evaluation/error-analysis.js';
import { compareWithBaseline } from '../experiment/comparisons.js';
import { ExampleCollector } from '../experiment/error-examples.js';
import { studyErrors } from '../experiment/error-studies.js';
import type { FoundRun } from '../experiment/found-runs.js';
import { reportLock } from '../experiment/store.js';
import { withFileLock } from '../io/process-lock.js';
import { reportBlocks } from '../report/document.js';
import { writeLatex } from '../report/latex.js';
import { type PlannedGrid, runsOnMost, summarise } from '../report/summary.js';
import { renderTerminal } from '../report/terminal.js';
import { writeReport } from '../report/write-report.js';
import type { Output } from './output.js';

export interface GridReportOptions {
  /** Of the grid: where the runs lie, and the report is written. */
  directory: string;
  runs: readonly FoundRun[];
  planned: PlannedGrid;
  /** What errors are looked at by. */
  errors: ErrorAnalysisOptions;
  /** What repeats the grid; null where it is not known. */
  command: string | null;
  hasLatex: boolean;
}

/**
 * Writes the report of a grid and shows its tables; nothing without a run. One process at a time writes there.
 *
 * @throws WRITE_FAILED, DATA_FORMAT
 */
export async function reportGrid(options: GridReportOptions, output: Output): Promise<void> {
  if (options.runs.length === 0) return;
  await withFileLock(reportLock(options.directory), () => writeGridReport(options, output));
}

async function writeGridReport(options: GridReportOptions, output: Output): Promise<void> {
  const { directory, runs, planned, command, hasLatex } = options;
  const records = runs.map(({ record }) => record);
  const comparisons = await compareWithBaseline(directory, records);
  const examples = new ExampleCollector();
  // What the best weights got wrong, on the split that the tables show.
  const most = new Set(runsOnMost(records));
  const split = records.some(({ test }) => test === null) ? 'validation' : 'test';
  const errors = await studyErrors(
    runs.filter(({ record }) => most.has(record)),
    split,
    { ...options.errors, onAnswers: examples.add.bind(examples) },
  );
  const summary = summarise(records, {
    planned,
    comparisons,
    errors,
    examples: examples.choose(),
    ...(command !== null && { command }),
  })!;
  const { markdown, html, figures } = await writeReport(directory, summary);
  const latex = hasLatex ? await writeLatex(directory, 'report', reportBlocks(summary)) : null;
  output.print(renderTerminal(summary));
  const files = [markdown, html, ...(latex === null ? [] : [latex])].join(', ');
  output.print(`Report: ${files}; one record a run: ${join(directory, '*', 'record.json')}`);
  output.json({ type: 'report', file: markdown, html, ...(latex !== null && { latex }), figures, directory });
}
