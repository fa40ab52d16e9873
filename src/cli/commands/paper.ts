import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { type FoundRun, findRuns, plannedOf } from '../../experiment/found-runs.js';
import { parseStrategyList, parseTrainSizes } from '../../experiment/grid.js';
import { type RunScenario, runScenario } from '../../experiment/run.js';
import { gridScenarios, runGrid } from '../../experiment/run-grid.js';
import type { RunRecord } from '../../experiment/run-record.js';
import type { Workspace } from '../../experiment/workspace.js';
import { addExamples } from '../command-facts.js';
import { commandText } from '../command-text.js';
import type { CommandContext, Runner } from '../context.js';
import { devicesOption, runOnDevices } from '../devices.js';
import { showDryRun } from '../dry-run.js';
import { reportGrid } from '../grid-report.js';
import { openRuns } from '../open-workspace.js';
import {
  addDryRunOption,
  addTrainingOptions,
  experimentGroups,
  firstSeedOption,
  latexOption,
  outOption,
  seedsFrom,
  seedsOption,
  strategiesOption,
} from '../options.js';
import { showGrid } from '../progress/show.js';
import { checkedOptions, type Flags } from '../schema-options.js';
import { writeCard } from '../write-card.js';

const paperShape = {
  seeds: seedsOption,
  seed: firstSeedOption,
  strategies: strategiesOption('paper', 'such as "paper,interleaved" or "bottom-up:0,bottom-up:6"'),
  trainSizes: z.string().default('all').meta({
    description: 'numbers of training sentences, such as 50,100,500,all',
    value: 'list',
  }),
  saveModels: z.boolean().default(false).describe("keep each run's best weights, as best/ in its directory"),
  devices: devicesOption,
  out: outOption('out/<dataset>'),
  latex: latexOption,
};

export function addPaperCommand(program: Command, run: Runner): void {
  const command = program
    .command('paper')
    .description("train the paper's grid of freezing scenarios and tabulate it beside the paper's numbers");
  addExamples(command, {
    'the demo: no files, no network, about two minutes': 'permafrost paper --preset demo --seeds 1',
    'CoNLL-2003 with a model of the Hub':
      'permafrost paper --dataset conll2003 --model bert-base-cased --cased',
    'three plans on 100 sentences and on all':
      'permafrost paper --preset demo --train-sizes 100,all \\\n' +
      '  --strategies full,bottom-up:6,top-down:6',
  });
  addDryRunOption(addTrainingOptions(command, paperShape, experimentGroups)).action(run(paper));
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
  const options = checkedOptions(paperShape, flags, 'paper');
  const { out, latex, saveModels } = options;
  const trainSizes = parseTrainSizes(options.trainSizes);
  if (await runOnDevices(options.devices, flags, context)) return;
  const { workspace, directory, restart, isDry } = await openRuns(out, '', flags, context);
  const plan: Plan = {
    workspace,
    strategies: parseStrategyList(options.strategies, workspace.numLayers),
    seeds: seedsFrom(options.seed, options.seeds),
    trainSizes,
    saveModels,
    directory,
  };
  if (isDry) {
    const { strategies, seeds } = plan;
    const scenarios = gridScenarios(workspace, strategies, trainSizes);
    return showDryRun({ workspace, scenarios, seeds, directory, isGrid: true, restart }, context);
  }
  let records: RunRecord[] | null = null;
  try {
    records = await train(plan, restart, context);
  } finally {
    // Also after a failure: the report says which runs are missing, and has those of other processes.
    const runs =
      records?.map((record) => ({ record, directory: join(directory, record.run) })) ??
      plannedOf(await findRuns(directory).catch(() => []), plan);
    await report(plan, runs, latex, context);
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
