import CliTable from 'cli-table3';
import { borrowedNote, limits, paperNote } from './context.js';
import type { GridSummary } from './summary.js';
import {
  comparisonTable,
  overviewTable,
  sizesTable,
  type TextTable,
  transferTable,
  twinTable,
} from './tables.js';

/** Renders a grid for a terminal: one table a strategy, without colours, and what was not run. */
export function renderTerminal(summary: GridSummary): string {
  const twins = twinTable(summary);
  const blocks = summary.tables.flatMap((table) => [table.strategy, drawTable(overviewTable(table))]);
  if (twins !== null) blocks.push(drawTable(twins));
  const others = [
    ['differences from k = 0', comparisonTable(summary)],
    ['test sets', transferTable(summary)],
    ['entity F1 by training sentences', sizesTable(summary, 'entityF1')],
  ] as const;
  for (const [title, table] of others) if (table !== null) blocks.push(title, drawTable(table));
  const borrowed = borrowedNote(summary);
  if (borrowed !== null) blocks.push(borrowed);
  blocks.push(paperNote(summary), ...limits(summary).map((limit) => `- ${limit}`));
  return blocks.join('\n');
}

/** Draws a table with lines around its cells, names to the left and figures to the right. */
export function drawTable({ head, rows }: TextTable): string {
  const table = new CliTable({
    head,
    colAligns: head.map((_, index) => (index === 0 ? 'left' : 'right')),
    // cli-table3 paints head and borders unless told otherwise.
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows);
  return table.toString();
}
