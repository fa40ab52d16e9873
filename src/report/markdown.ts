import { COLUMN_NOTES, gridFacts, limits, paperNote } from './context.js';
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

/**
 * Renders a grid as the text of `report.md`: tables in the paper's form, ours beside the paper's.
 *
 * @returns Markdown (GitHub's tables) that ends with a line end; the same summary gives the same text.
 */
export function renderMarkdown(summary: GridSummary): string {
  const { scenario } = summary.records[0]!;
  const twins = twinTable(summary);
  const blocks = [
    `# Layer freezing on ${escapeCell(scenario.dataset.name)}`,
    drawTable({ head: ['', ''], rows: gridFacts(summary) }),
    paperNote(summary),
    ...summary.tables.flatMap((table) =>
      strategyBlocks(
        table,
        summary.records.some(({ prefixStore }) => prefixStore !== null),
      ),
    ),
    ...(twins === null ? [] : ['## The same configuration twice', twinNote, drawTable(twins)]),
    '## What was not run',
    drawList(limits(summary)) || 'Everything that was planned was run.',
    '## Every run',
    drawTable(runTable(summary)),
    '## How to read the tables',
    drawList(COLUMN_NOTES),
  ];
  return `${blocks.join('\n\n')}\n`;
}

const energyNote =
  'Training and validation, by the counters of the whole machine (their names stand in each record): RAPL for processor ' +
  'and memory, NVML for the card. What it draws idle is contained. CO2 equivalents only with --carbon-intensity.';

const twinNote =
  'These scenarios freeze the same parts. Their losses and metrics must agree; the ratio of their times shows how far ' +
  'a time of this report can be trusted.';

function strategyBlocks(table: StrategyTable, withPrefixKept: boolean): string[] {
  const rare = rareLabelTable(table);
  const energy = energyTable(table);
  const against = table.baseline === null ? 'k = 0 was not run, so there are no factors.' : null;
  return [
    `## ${escapeCell(table.strategy)}`,
    ...(against === null ? [] : [against]),
    '### Time',
    drawTable(timeTable(table, withPrefixKept)),
    ...(energy === null ? [] : ['### Energy', drawTable(energy), energyNote]),
    '### Quality',
    drawTable(qualityTable(table)),
    ...(rare === null ? [] : ['### F1 of the rarest labels', drawTable(rare)]),
  ];
}

/** A table in GitHub's form; cells are escaped. */
export function drawTable({ head, rows }: TextTable): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeCell).join(' | ')} |`;
  const rule = `| ${head.map((_, index) => (index === 0 || head.length === 2 ? '---' : '---:')).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

function drawList(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}

/** Names of files, datasets and labels come from users and must not break a table. */
function escapeCell(text: string): string {
  return text.replace(/[\\|<>*_`]/g, (character) => `\\${character}`).replace(/\s+/g, ' ');
}
