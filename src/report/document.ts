import { DRAWS } from '../evaluation/bootstrap.js';
import { TYPE } from '../evaluation/error-analysis.js';
import { DRAWN_SCORES } from '../evaluation/sentence-counts.js';
import { type Block, code, facts, figure, heading, lead, list, paragraph, table } from './blocks.js';
import { borrowedNote, COLUMN_NOTES, gridFacts, gridTitle, limits, paperNote } from './context.js';
import { errorBlocks, exampleBlocks } from './error-tables.js';
import type { Figure } from './figures/figure.js';
import { findings } from './findings.js';
import type { GridSummary, StrategyTable } from './summary.js';
import {
  comparisonTable,
  energyTable,
  qualityTable,
  rareLabelTable,
  runTable,
  sizesTable,
  timeTable,
  transferTable,
  twinTable,
} from './tables.js';
import { typeBlocks } from './type-tables.js';

/** Figures that stand in a section of their own subject; all others come first. */
const PLACED = ['transfer', 'train-sizes', 'learning-curves', 'losses', 'errors'] as const;

/** The report of a grid: tables in the paper's form, ours beside the paper's. The same summary gives the same blocks. */
export function reportBlocks(summary: GridSummary, figures: readonly Figure[] = []): Block[] {
  const { records, whole, tables, errors, evaluatedOn } = summary;
  const missing = limits(summary);
  const withPrefixKept = whole.some(({ prefixStore }) => prefixStore !== null);
  const borrowed = borrowedNote(summary);
  const named = (...names: (typeof PLACED)[number][]) =>
    figures.filter(({ name }) => names.some((placed) => placed === name));
  const first = figures.filter(({ name }) => PLACED.every((placed) => placed !== name));
  return [
    heading(1, gridTitle(records)),
    lead(findings(summary).join(' ')),
    paragraph(extentText(summary)),
    ...(first.length === 0 ? [] : [heading(2, 'Quality and time'), ...first.map(figure)]),
    ...comparisonBlocks(summary),
    ...tables.flatMap((strategy, index) => [
      heading(2, strategy.strategy),
      // What is said of all tables stands before the first.
      ...(index > 0
        ? []
        : [paragraph(paperNote(summary)), ...(borrowed === null ? [] : [paragraph(borrowed)])]),
      ...strategyBlocks(strategy, withPrefixKept),
    ]),
    ...energyBlocks(tables),
    ...section('Learning curves', named('learning-curves', 'losses').map(figure)),
    ...transferBlocks(summary, named('transfer')),
    ...sizeBlocks(summary, named('train-sizes')),
    ...typeBlocks(summary),
    ...errorBlocks(errors, evaluatedOn, { figures: named('errors'), without: [TYPE] }),
    ...exampleBlocks(summary.examples),
    ...twinBlocks(summary),
    heading(2, 'What was not run'),
    missing.length > 0 ? list(missing) : paragraph('Everything that was planned was run.'),
    ...settingBlocks(summary),
    heading(2, 'Every run'),
    table(runTable(summary)),
    heading(2, 'How to read the tables'),
    list(COLUMN_NOTES),
  ];
}

/** How much was run, and where the times are from. */
function extentText(summary: GridSummary): string {
  const { records, scenarios } = summary;
  const value = (name: string) => gridFacts(summary).find(([fact]) => fact === name)![1];
  const of = `${records.length} runs of ${scenarios.length} scenarios, seeds ${value('seeds')}`;
  return `${records.length === 1 ? `One run, seed ${value('seeds')}` : of}, on ${value('hardware')}.`;
}

/** A section that is left out where it is empty. */
function section(title: string, blocks: readonly Block[]): Block[] {
  return blocks.length === 0 ? [] : [heading(2, title), ...blocks];
}

function settingBlocks(summary: GridSummary): Block[] {
  return [
    heading(2, 'What was trained'),
    facts(gridFacts(summary)),
    heading(3, 'To repeat it'),
    ...(summary.command === null
      ? [paragraph('The same settings with the versions above; each run’s `record.json` has them all.')]
      : [
          code(summary.command),
          paragraph('With the versions above, on the same machine and threads, it ends in the same bits.'),
        ]),
  ];
}

function twinBlocks(summary: GridSummary): Block[] {
  const twins = twinTable(summary);
  return twins === null ? [] : section('The same configuration twice', [paragraph(TWIN_NOTE), table(twins)]);
}

function energyBlocks(tables: readonly StrategyTable[]): Block[] {
  const measured = tables.flatMap((strategy) => {
    const energy = energyTable(strategy);
    return energy === null ? [] : [heading(3, strategy.strategy), table(energy)];
  });
  return [
    heading(2, 'Energy'),
    ...(measured.length === 0 ? [paragraph(NO_ENERGY)] : [...measured, paragraph(ENERGY_NOTE)]),
  ];
}

const ENERGY_NOTE =
  'Training and validation, by the counters of the whole machine (their names stand in each record): RAPL for processor ' +
  'and memory, NVML for the card. What it draws idle is contained. CO2 equivalents only where the carbon intensity was given.';

const NO_ENERGY =
  'Not measured: the machine has no counter that could be read. RAPL (processor, memory) is for root alone unless it is told ' +
  'otherwise; NVML (card) comes with the driver.';

const TWIN_NOTE =
  'These scenarios freeze the same parts. Their losses and metrics must agree; the ratio of their times shows how far ' +
  'a time of this report can be trusted.';

function comparisonBlocks(summary: GridSummary): Block[] {
  const compared = comparisonTable(summary);
  if (compared === null) return [];
  const { comparisons } = summary;
  const most = Math.max(...comparisons.map(({ seeds }) => seeds));
  const seeds = comparisons.some(({ seeds }) => seeds < 2)
    ? most < 2
      ? 'There is one seed, so sentences alone are drawn: what another seed would change is not in the intervals.'
      : 'Where there is one seed, sentences alone are drawn, and what another would change is not in the interval.'
    : 'Of S seeds S - 1 are drawn, then sentences, the same for both sides. Where few seeds differ by far more than ' +
      'sentences do, intervals are too narrow.';
  return [
    heading(2, 'Differences from k = 0'),
    table(compared),
    paragraph(
      `Paired bootstrap of ${DRAWS} draws over the sentences that both were measured on. ${seeds} ` +
        `p is corrected by Holm for the ${comparisons.length / DRAWN_SCORES.length} comparisons of each score. Where no difference is seen, ` +
        'there may still be one within the interval.',
    ),
  ];
}

function transferBlocks(summary: GridSummary, figures: readonly Figure[]): Block[] {
  const transfer = transferTable(summary);
  if (transfer === null) return [];
  return [
    heading(2, 'Test sets'),
    ...figures.map(figure),
    table(transfer),
    paragraph(
      'The weights are those that were best on the validation data; no test set but its own language’s was like what was ' +
        'trained on. Words, O counted as a label, for macro F1.',
    ),
  ];
}

function sizeBlocks(summary: GridSummary, figures: readonly Figure[]): Block[] {
  const [entity, macro] = [sizesTable(summary, 'entityF1'), sizesTable(summary, 'macroF1')];
  if (entity === null || macro === null) return [];
  return [
    heading(2, 'Fewer training sentences'),
    ...figures.map(figure),
    heading(3, 'Entity F1'),
    table(entity),
    heading(3, 'Macro F1'),
    table(macro),
    paragraph(
      'Every scenario and seed has the same sentences, and those of a smaller number are among those of a larger one. All ' +
        'other tables are of the largest number.',
    ),
  ];
}

function strategyBlocks(strategy: StrategyTable, withPrefixKept: boolean): Block[] {
  const rare = rareLabelTable(strategy);
  return [
    ...(strategy.baseline === null ? [paragraph('k = 0 was not run, so there are no factors.')] : []),
    heading(3, 'Time'),
    table(timeTable(strategy, withPrefixKept)),
    heading(3, 'Quality'),
    table(qualityTable(strategy)),
    ...(rare === null ? [] : [heading(3, 'F1 of the rarest labels'), table(rare)]),
  ];
}
