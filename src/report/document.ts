import { DRAWS } from '../evaluation/bootstrap.js';
import { DRAWN_SCORES } from '../evaluation/sentence-counts.js';
import { type Block, heading, list, paragraph, table } from './blocks.js';
import { borrowedNote, COLUMN_NOTES, gridFacts, gridTitle, limits, paperNote } from './context.js';
import { errorBlocks } from './error-tables.js';
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

/** The report of a grid: tables in the paper's form, ours beside the paper's. The same summary gives the same blocks. */
export function reportBlocks(summary: GridSummary): Block[] {
  const { records, whole, tables } = summary;
  const twins = twinTable(summary);
  const missing = limits(summary);
  const withPrefixKept = whole.some(({ prefixStore }) => prefixStore !== null);
  const borrowed = borrowedNote(summary);
  return [
    heading(1, gridTitle(records)),
    paragraph(findings(summary).join(' ')),
    table({ head: ['', ''], rows: gridFacts(summary) }),
    paragraph(paperNote(summary)),
    ...(borrowed === null ? [] : [paragraph(borrowed)]),
    ...tables.flatMap((strategy) => strategyBlocks(strategy, withPrefixKept)),
    ...comparisonBlocks(summary),
    ...transferBlocks(summary),
    ...sizeBlocks(summary),
    ...errorBlocks(summary.errors, summary.evaluatedOn),
    ...(twins === null
      ? []
      : [heading(2, 'The same configuration twice'), paragraph(TWIN_NOTE), table(twins)]),
    heading(2, 'What was not run'),
    missing.length > 0 ? list(missing) : paragraph('Everything that was planned was run.'),
    heading(2, 'Every run'),
    table(runTable(summary)),
    heading(2, 'How to read the tables'),
    list(COLUMN_NOTES),
  ];
}

const ENERGY_NOTE =
  'Training and validation, by the counters of the whole machine (their names stand in each record): RAPL for processor ' +
  'and memory, NVML for the card. What it draws idle is contained. CO2 equivalents only where the carbon intensity was given.';

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

function transferBlocks(summary: GridSummary): Block[] {
  const transfer = transferTable(summary);
  if (transfer === null) return [];
  return [
    heading(2, 'Test sets'),
    table(transfer),
    paragraph(
      'The weights are those that were best on the validation data; no test set but its own language’s was like what was ' +
        'trained on. Words, O counted as a label, for macro F1.',
    ),
  ];
}

function sizeBlocks(summary: GridSummary): Block[] {
  const [entity, macro] = [sizesTable(summary, 'entityF1'), sizesTable(summary, 'macroF1')];
  if (entity === null || macro === null) return [];
  return [
    heading(2, 'Fewer training sentences'),
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
  const energy = energyTable(strategy);
  return [
    heading(2, strategy.strategy),
    ...(strategy.baseline === null ? [paragraph('k = 0 was not run, so there are no factors.')] : []),
    heading(3, 'Time'),
    table(timeTable(strategy, withPrefixKept)),
    ...(energy === null ? [] : [heading(3, 'Energy'), table(energy), paragraph(ENERGY_NOTE)]),
    heading(3, 'Quality'),
    table(qualityTable(strategy)),
    ...(rare === null ? [] : [heading(3, 'F1 of the rarest labels'), table(rare)]),
  ];
}
