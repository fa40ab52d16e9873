import { join } from 'node:path';
import type { Command } from 'commander';
import { compareWithBaseline } from '../../experiment/comparisons.js';
import { type ErrorStudy, studyErrors } from '../../experiment/error-studies.js';
import { parseStrategyList, parseTrainSizes } from '../../experiment/grid.js';
import { type RunScenario, runScenario } from '../../experiment/run.js';
import { runGrid } from '../../experiment/run-grid.js';
import type { RunRecord } from '../../experiment/run-record.js';
import { openWorkspace, type Workspace } from '../../experiment/workspace.js';
import { runsOnMost, summarise } from '../../report/summary.js';
import { renderTerminal } from '../../report/terminal.js';
import { writeReport } from '../../report/write-report.js';
import { probe } from '../../training/directory.js';
import type { CommandContext, Runner } from '../context.js';
import { withDownloads } from '../download-progress.js';
import { addExperimentOptions, addOutputOptions, seedsOf, workspaceOptionsOf } from '../options.js';
import { showGrid } from '../progress/show.js';
import { type Flags, wholeNumber } from '../schema-options.js';
import { writeCard } from '../write-card.js';

export function addPaperCommand(program: Command, run: Runner): void {
  const command = program
    .command('paper')
    .description("train the paper's grid of freezing scenarios and tabulate it beside the paper's numbers")
    .option('--seeds <n>', 'runs of each scenario', wholeNumber, 3)
    .option('--seed <n>', 'the first seed; the others follow it', wholeNumber, 42)
    .option('--strategies <list>', 'such as "paper,interleaved" or "bottom-up:0,bottom-up:6"', 'paper')
    .option('--train-sizes <list>', 'numbers of training sentences, such as 50,100,500,all', 'all')
    .option('--save-models', "keep each run's best weights, as best/ in its directory");
  addOutputOptions(command, 'out/<dataset>');
  addExperimentOptions(command).action(run(paper));
}

interface Plan {
  workspace: Workspace;
  strategies: string[];
  seeds: number[];
  trainSizes: (number | 'all')[];
  saveModels: boolean;
  directory: string;
}

async function paper(flags: Flags, context: CommandContext): Promise<void> {
  const seeds = seedsOf(flags, 3);
  const trainSizes = parseTrainSizes(flags.trainSizes as string);
  // Before data are fetched and read, which can take long.
  if (flags.out !== undefined) await probe(flags.out as string);
  const workspace = await withDownloads(context, (hub) => openWorkspace(workspaceOptionsOf(flags), hub));
  const plan: Plan = {
    workspace,
    strategies: parseStrategyList(flags.strategies as string, workspace.numLayers),
    seeds,
    trainSizes,
    saveModels: flags.saveModels === true,
    directory: (flags.out as string | undefined) ?? join('out', workspace.settings.dataset.name),
  };
  const records: RunRecord[] = [];
  try {
    await train(plan, flags.restart === true, context, records);
  } finally {
    // Also after a failure: the report says which runs are missing.
    await report(plan, context, records);
  }
}

async function train(
  plan: Plan,
  restart: boolean,
  { output, args, signal }: CommandContext,
  records: RunRecord[],
): Promise<void> {
  const trainRun: RunScenario = (options) =>
    runScenario({
      ...options,
      ...(plan.saveModels && { complete: (record) => writeCard(options.directory!, record, args) }),
    });
  await showGrid(output, runGrid({ ...plan, restart, runScenario: trainRun, signal }), (event) => {
    if (event.type === 'run-done' || event.type === 'run-skipped') records.push(event.record);
  });
}

async function report(plan: Plan, { output }: CommandContext, records: RunRecord[]): Promise<void> {
  const comparisons = await compareWithBaseline(plan.directory, records);
  const errors = await errorsOf(plan, records);
  const summary = summarise(records, { planned: plan, comparisons, errors });
  if (summary === null) return;
  const { markdown, html, figures } = await writeReport(plan.directory, summary);
  output.print(renderTerminal(summary));
  output.print(`Report: ${markdown}, ${html}; one record a run: ${join(plan.directory, '*', 'record.json')}`);
  output.json({ type: 'report', file: markdown, html, figures, directory: plan.directory });
}

/** What the best weights of the runs got wrong, on the split that the tables show. */
async function errorsOf({ directory, workspace }: Plan, records: RunRecord[]): Promise<ErrorStudy[]> {
  const { splits, tokenizer } = workspace;
  const runs = runsOnMost(records).map((record) => ({ record, directory: join(directory, record.run) }));
  return studyErrors(runs, splits.test === null ? 'validation' : 'test', {
    train: splits.train,
    countTokens: (word) => tokenizer.wordPieces(word).length,
  });
}
