import type { Command } from 'commander';
import { compareRuns, type RunComparison } from '../../experiment/compare-runs.js';
import { findRuns } from '../../experiment/found-runs.js';
import { costsTable, scoresTable, sentencesTable, settingsTable } from '../../report/compare-tables.js';
import { drawTable } from '../../report/terminal.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { addJsonOption } from '../options.js';
import type { Flags } from '../schema-options.js';

export function addCompareCommand(program: Command, run: Runner): void {
  const command = program
    .command('compare')
    .description(
      'set two runs or grids side by side: settings that differ, scores with intervals, time, energy',
    )
    .argument('<A>', 'directory of a run or a grid')
    .argument('<B>', 'directory of another one');
  addExamples(command, {
    'two runs': 'permafrost compare out/first out/second',
  });
  addJsonOption(command).action((a: string, b: string, flags: Flags, of: Command) =>
    run(compare)({ ...flags, a, b }, of),
  );
}

async function compare(flags: Flags, { output }: CommandContext): Promise<void> {
  const [a, b] = [flags.a as string, flags.b as string];
  const comparison = await compareRuns(await findRuns(a), await findRuns(b));
  output.print(`A: ${a}\nB: ${b}`);
  output.print(
    comparison.settings.length === 0 ? 'No setting differs.' : drawTable(settingsTable(comparison)),
  );
  if (comparison.scenarios.length > 0) {
    output.print(`On the ${comparison.split} split`);
    output.print(drawTable(scoresTable(comparison)));
    output.print(drawTable(costsTable(comparison)));
    const sentences = sentencesTable(comparison);
    if (sentences !== null) output.print(drawTable(sentences));
  } else {
    output.print('Nothing is paired: no scenario and seed are in both.');
  }
  for (const [side, names] of [
    ['A', comparison.onlyFirst],
    ['B', comparison.onlySecond],
  ] as const) {
    if (names.length > 0) output.print(`Only in ${side}: ${names.join('; ')}`);
  }
  output.json({ type: 'compare', a, b, ...forPrograms(comparison) });
}

/** Runs by their directories, with the figures that one compares. */
function forPrograms(comparison: RunComparison): object {
  const side = (runs: RunComparison['scenarios'][number]['firstRuns']) =>
    runs.map(({ directory, record }) => ({
      directory,
      entityF1: (record.test ?? record.epochs[record.bestEpoch - 1]!.validation).entities.micro.f1,
      macroF1: (record.test ?? record.epochs[record.bestEpoch - 1]!.validation).macro.f1,
      secondsPerEpoch: record.secondsPerEpoch,
      secondsToStop: record.secondsToStop,
      epochs: record.epochs.length,
      joules: record.energy?.joules ?? null,
    }));
  return {
    ...comparison,
    scenarios: comparison.scenarios.map(({ firstRuns, secondRuns, ...scenario }) => ({
      ...scenario,
      a: side(firstRuns),
      b: side(secondRuns),
    })),
  };
}
