import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { runScenario } from '../../experiment/run.js';
import { parseSearchedPlans } from '../../experiment/search/depths.js';
import { type SearchResult, search } from '../../experiment/search/search.js';
import { reportLock } from '../../experiment/store.js';
import { withFileLock } from '../../io/process-lock.js';
import { writeLatex } from '../../report/latex.js';
import { searchReport, searchTable, searchVerdict } from '../../report/search-report.js';
import { drawTable } from '../../report/terminal.js';
import { writeSearchReport } from '../../report/write-report.js';
import { probe } from '../../training/directory.js';
import { commandText } from '../command-text.js';
import type { CommandContext, Runner } from '../context.js';
import { workspaceOf } from '../open-workspace.js';
import { addExperimentOptions, addLatexOption, addOutputOptions, seedsOf } from '../options.js';
import { showGrid } from '../progress/show.js';
import { type Flags, wholeNumber } from '../schema-options.js';

export function addSearchCommand(program: Command, run: Runner): void {
  const command = program
    .command('search')
    .description(
      'find the best plan by validation, and the cheapest that is as good; test scores only for these',
    )
    .option('--strategies <list>', 'such as "bottom-up", "paper" or "bottom-up,interleaved"', 'bottom-up')
    .option('--depths <range>', 'of a direction alone, such as 0-12 or 0,3,6-9 (default: every depth)')
    .option('--seeds <n>', 'runs of each plan', wholeNumber, 3)
    .option('--seed <n>', 'the first seed; the others follow it', wholeNumber, 42)
    .option('--folds <n>', 'cross-validation over training and validation data', wholeNumber)
    .option('--halving [n]', 'successive halving that keeps one plan in n from rung to rung (n: 3)', factor);
  addOutputOptions(command, 'out/search-<dataset>');
  addLatexOption(command);
  addExperimentOptions(command).action(run(searchPlans));
}

function factor(text: string): number {
  const value = wholeNumber(text);
  if (value < 2) throw new InvalidArgumentError('expected a whole number of at least 2');
  return value;
}

async function searchPlans(flags: Flags, context: CommandContext): Promise<void> {
  const { output, args, signal } = context;
  const seeds = seedsOf(flags, 3);
  // Before data are fetched and read, which can take long.
  if (flags.out !== undefined) await probe(flags.out as string);
  const workspace = await workspaceOf(flags, context);
  const { strategies, depths, folds, halving } = flags as Record<string, unknown>;
  const directory =
    (flags.out as string | undefined) ?? join('out', `search-${workspace.settings.dataset.name}`);
  const events = search({
    workspace,
    strategies: parseSearchedPlans(
      strategies as string,
      (depths ?? null) as string | null,
      workspace.numLayers,
    ),
    seeds,
    ...(folds !== undefined && { folds: folds as number }),
    ...(halving !== undefined && { halving: halving === true ? 3 : (halving as number) }),
    directory,
    restart: flags.restart === true,
    command: commandText(args),
    runScenario,
    signal,
  });
  const result = await showGrid(output, events);
  const { markdown, html, figures, latex } = await withFileLock(reportLock(directory), async () => {
    const hasLatex = flags.latex === true;
    const latex = hasLatex ? await writeLatex(directory, 'report', searchReport(result).blocks) : null;
    return { ...(await writeSearchReport(directory, result)), latex };
  });
  const files = [markdown, html, ...(latex === null ? [] : [latex])].join(', ');
  output.print(drawTable(searchTable(result)));
  output.print(searchVerdict(result));
  output.print(`Report: ${files}; one record a run: ${join(directory, '*', 'record.json')}`);
  output.json({ type: 'report', file: markdown, html, ...(latex !== null && { latex }), figures, directory });
  output.json(answerOf(result));
}

/** The answer as one object; the records are files. */
function answerOf({ records, rungs, ...answer }: SearchResult): object {
  return { type: 'search', ...answer, rungs: rungs.length, runs: records.length };
}
