import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { runScenario } from '../../experiment/run.js';
import { type Portion, scenarioOf } from '../../experiment/scenario.js';
import { parseSearchedPlans } from '../../experiment/search/depths.js';
import { type SearchResult, search } from '../../experiment/search/search.js';
import { reportLock } from '../../experiment/store.js';
import { withFileLock } from '../../io/process-lock.js';
import { writeLatex } from '../../report/latex.js';
import { searchReport, searchTable, searchVerdict } from '../../report/search-report.js';
import { drawTable } from '../../report/terminal.js';
import { writeSearchReport } from '../../report/write-report.js';
import { addExamples } from '../command-facts.js';
import { commandText } from '../command-text.js';
import type { CommandContext, Runner } from '../context.js';
import { devicesOption, runOnDevices } from '../devices.js';
import { showDryRun } from '../dry-run.js';
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

const searchShape = {
  strategies: strategiesOption('bottom-up', 'such as "bottom-up", "paper" or "bottom-up,interleaved"'),
  depths: z.string().optional().meta({
    description: 'of a direction alone, such as 0-12 or 0,3,6-9 (default: every depth)',
    value: 'range',
  }),
  seeds: seedsOption,
  seed: firstSeedOption,
  folds: z.int().min(2).optional().describe('cross-validation over training and validation data'),
  /** `true` keeps one plan in 3. */
  halving: z
    .preprocess((factor) => (factor === true ? 3 : factor), z.int().min(2).optional())
    .meta({
      description: 'successive halving that keeps one plan in n from rung to rung (n: 3)',
      value: 'n',
      isValueOptional: true,
    }),
  devices: devicesOption,
  out: outOption('out/search-<dataset>'),
  latex: latexOption,
};

export function addSearchCommand(program: Command, run: Runner): void {
  const command = program
    .command('search')
    .description(
      'find the best plan by validation, and the cheapest that is as good; test scores only for these',
    );
  addExamples(command, {
    'every depth from the bottom': 'permafrost search --preset demo --seeds 1',
    'few depths, of own data in five parts':
      'permafrost search --data all.conll --model bert-base-cased --cased \\\n' +
      '  --strategies bottom-up --depths 0,6-12 --folds 5',
    'cheaper: the worse half goes after a share of the steps':
      'permafrost search --preset demo --strategies paper --halving 2',
  });
  addDryRunOption(addTrainingOptions(command, searchShape, experimentGroups)).action(run(searchPlans));
}

async function searchPlans(flags: Flags, context: CommandContext): Promise<void> {
  const { output, args, signal } = context;
  const options = checkedOptions(searchShape, flags, 'search');
  const { strategies, depths = null, folds, halving, out } = options;
  if (await runOnDevices(options.devices, flags, context)) return;
  const { workspace, directory, restart, isDry } = await openRuns(out, 'search-', flags, context);
  const [plans, seeds] = [
    parseSearchedPlans(strategies, depths, workspace.numLayers),
    seedsFrom(options.seed, options.seeds),
  ];
  if (isDry) {
    // Successive halving does not train all of them to the end.
    const scenarios = plans.flatMap((plan) =>
      foldsOf(folds).map((portion) => scenarioOf(workspace.settings, plan, portion)),
    );
    return showDryRun({ workspace, scenarios, seeds, directory, isGrid: true, restart }, context);
  }
  const events = search({
    workspace,
    strategies: plans,
    seeds,
    ...(folds !== undefined && { folds }),
    ...(halving !== undefined && { halving }),
    directory,
    restart,
    command: commandText(args),
    runScenario,
    signal,
  });
  const result = await showGrid(output, events);
  const { markdown, html, figures, latex } = await withFileLock(reportLock(directory), async () => {
    const latex = options.latex ? await writeLatex(directory, 'report', searchReport(result).blocks) : null;
    return { ...(await writeSearchReport(directory, result)), latex };
  });
  const files = [markdown, html, ...(latex === null ? [] : [latex])].join(', ');
  output.print(drawTable(searchTable(result)));
  output.print(searchVerdict(result));
  output.print(`Report: ${files}; one record a run: ${join(directory, '*', 'record.json')}`);
  output.json({ type: 'report', file: markdown, html, ...(latex !== null && { latex }), figures, directory });
  output.json(answerOf(result));
}

function foldsOf(folds: number | undefined): Portion[] {
  if (folds === undefined) return [{}];
  return Array.from({ length: folds }, (_, index) => ({ fold: { index: index + 1, of: folds } }));
}

/** The answer as one object; the records are files. */
function answerOf({ records, rungs, ...answer }: SearchResult): object {
  return { type: 'search', ...answer, rungs: rungs.length, runs: records.length };
}
