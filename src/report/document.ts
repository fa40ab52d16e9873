import { borrowedNote, COLUMN_NOTES, gridFacts, limits, paperNote } from './context.js';
import type { GridSummary, StrategyTable } from './summary.js';
import {
  energyTable,
  qualityTable,
  rareLabelTable,
  runTable,
  type TextTable,
  timeTable,
  twinTable,
} from './tables.js';

/** A part of a report, before it is written as Markdown or HTML. */
export type Block =
  | { type: 'heading'; level: 1 | 2 | 3; text: string }
  | { type: 'paragraph'; text: string }
  | { type: 'table'; table: TextTable }
  | { type: 'list'; items: readonly string[] };

const heading = (level: 1 | 2 | 3, text: string): Block => ({ type: 'heading', level, text });
const paragraph = (text: string): Block => ({ type: 'paragraph', text });
const table = (content: TextTable): Block => ({ type: 'table', table: content });
const list = (items: readonly string[]): Block => ({ type: 'list', items });

/** The report of a grid: tables in the paper's form, ours beside the paper's. The same summary gives the same blocks. */
export function reportBlocks(summary: GridSummary): Block[] {
  const { records, tables } = summary;
  const twins = twinTable(summary);
  const missing = limits(summary);
  const withPrefixKept = records.some(({ prefixStore }) => prefixStore !== null);
  const borrowed = borrowedNote(summary);
  return [
    heading(1, `Layer freezing on ${records[0]!.scenario.dataset.name}`),
    table({ head: ['', ''], rows: gridFacts(summary) }),
    paragraph(paperNote(summary)),
    ...(borrowed === null ? [] : [paragraph(borrowed)]),
    ...tables.flatMap((strategy) => strategyBlocks(strategy, withPrefixKept)),
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
