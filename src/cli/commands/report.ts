import type { Command } from 'commander';
import { PermafrostError } from '../../errors/error.js';
import { type FoundRun, findRuns, findRunsUnderWay, plannedOf } from '../../experiment/found-runs.js';
import { type GridPlan, readGridFile } from '../../experiment/grid-file.js';
import { byDepth } from '../../report/scenario-summary.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { addErrorOptions, errorOptions } from '../error-options.js';
import { reportGrid } from '../grid-report.js';
import { addJsonOption, addLatexOption } from '../options.js';
import { workerText } from '../progress/grid-view.js';
import type { Flags } from '../schema-options.js';

export function addReportCommand(program: Command, run: Runner): void {
  const command = program
    .command('report')
    .description('make the report of a finished run or grid anew from what it left')
    .argument('<dir>', 'directory of a run or a grid');
  addExamples(command, {
    'of a grid, with its tables in LaTeX': 'permafrost report out/demo --latex',
  });
  addLatexOption(command);
  addErrorOptions(command);
  addJsonOption(command).action((directory: string, flags: Flags, of: Command) =>
    run(report)({ ...flags, directory }, of),
  );
}

async function report(flags: Flags, context: CommandContext): Promise<void> {
  const directory = flags.directory as string;
  const grid = await readGridFile(directory);
  const found = await findRuns(directory);
  const ofPlan = grid?.planned ? plannedOf(found, grid.planned) : [];
  const runs = (ofPlan.length > 0 ? ofPlan : found).sort(
    ({ record: a }, { record: b }) => byDepth(a.scenario.strategy, b.scenario.strategy) || a.seed - b.seed,
  );
  requireOneGrid(directory, runs);
  const planned = grid?.planned ?? planOf(runs);
  const errors = await errorOptions(flags, runs[0]!, context);
  const command = grid?.command ?? null;
  const options = { directory, runs, planned, errors, command, hasLatex: flags.latex === true };
  await tellUnderWay(directory, context);
  await reportGrid(options, context.output);
}

/** What must have been planned, where nothing says it. */
function planOf(runs: readonly FoundRun[]): GridPlan {
  const distinct = <T>(of: (run: FoundRun) => T) => [...new Set(runs.map(of))];
  return {
    strategies: distinct(({ record }) => record.scenario.strategy),
    seeds: distinct(({ record }) => record.seed).sort((a, b) => a - b),
    trainSizes: distinct(({ record }) => record.scenario.trainSize ?? ('all' as const)),
  };
}

/** What of a grid is not in the report because it is being trained. */
async function tellUnderWay(directory: string, { output }: CommandContext): Promise<void> {
  const underWay = await findRunsUnderWay(directory);
  if (underWay.length === 0) return;
  for (const { run, ...worker } of underWay) output.note(`${run}: under way by ${workerText(worker)}`);
  output.json({ type: 'under-way', runs: underWay });
}

/** @throws INVALID_OPTION for runs that no table can hold together */
function requireOneGrid(directory: string, runs: readonly FoundRun[]): void {
  const part = runs.find(
    ({ record: { scenario } }) => scenario.fold !== undefined || scenario.maxSteps !== undefined,
  );
  if (part !== undefined) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `${directory}: expected a run or a grid, found a search: ${part.record.run} is of a part of the data or of the steps. ` +
        'The same `permafrost search` command makes its report anew, and trains nothing.',
      { option: 'dir', run: part.record.run },
    );
  }
  const [first, ...others] = runs.map(({ record }) => record);
  const other = others.find(
    ({ data, scenario }) =>
      data.digest !== first!.data.digest || scenario.model.name !== first!.scenario.model.name,
  );
  if (other === undefined) return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `${directory}: expected runs of one model on the same data, found ${first!.run} and ${other.run}, which have others. ` +
      'Move them to directories of their own, or set them side by side with `permafrost compare`.',
    { option: 'dir', runs: [first!.run, other.run] },
  );
}
