import { join } from 'node:path';
import type { Command } from 'commander';
import { type FoundRun, findRuns, plannedOf } from '../../experiment/found-runs.js';
import { parseStrategyList, parseTrainSizes } from '../../experiment/grid.js';
import { type RunScenario, runScenario } from '../../experiment/run.js';
import { runGrid } from '../../experiment/run-grid.js';
import type { RunRecord } from '../../experiment/run-record.js';
import type { Workspace } from '../../experiment/workspace.js';
import { probe } from '../../training/directory.js';
import { commandText } from '../command-text.js';
import type { CommandContext, Runner } from '../context.js';
import { reportGrid } from '../grid-report.js';
import { workspaceOf } from '../open-workspace.js';
import { addExperimentOptions, addLatexOption, addOutputOptions, seedsOf } from '../options.js';
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
  addLatexOption(command);
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
  const workspace = await workspaceOf(flags, context);
  const plan: Plan = {
    workspace,
    strategies: parseStrategyList(flags.strategies as string, workspace.numLayers),
    seeds,
    trainSizes,
    saveModels: flags.saveModels === true,
    directory: (flags.out as string | undefined) ?? join('out', workspace.settings.dataset.name),
  };
  let records: RunRecord[] | null = null;
  try {
    records = await train(plan, flags.restart === true, context);
  } finally {
    // Also after a failure: the report says which runs are missing, and has those of other processes.
    const { directory } = plan;
    const runs =
      records?.map((record) => ({ record, directory: join(directory, record.run) })) ??
      plannedOf(await findRuns(directory).catch(() => []), plan);
    await report(plan, runs, flags.latex === true, context);
  }
}

async function train(
  plan: Plan,
  restart: boolean,
  { output, args, signal }: CommandContext,
): Promise<RunRecord[]> {
  const trainRun: RunScenario = (options) =>
    runScenario({
      ...options,
      ...(plan.saveModels && { complete: (record) => writeCard(options.directory!, record, args) }),
    });
  const command = commandText(args);
  return showGrid(output, runGrid({ ...plan, restart, command, runScenario: trainRun, signal }));
}

async function report(
  { directory, workspace, ...planned }: Plan,
  runs: readonly FoundRun[],
  hasLatex: boolean,
  { output, args }: CommandContext,
): Promise<void> {
  const { splits, tokenizer } = workspace;
  const errors = {
    train: splits.train,
    countTokens: (word: string) => tokenizer.wordPieces(word).length,
  };
  await reportGrid({ directory, runs, planned, errors, command: commandText(args), hasLatex }, output);
}
