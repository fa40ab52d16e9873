import CliTable from 'cli-table3';
import { borrowedNote, gridTitle, limits, paperNote } from './context.js';
import { findings } from './findings.js';
import type { GridSummary } from './summary.js';
import {
  comparisonTable,
  overviewTable,
  sizesTable,
  type TextTable,
  transferTable,
  twinTable,
} from './tables.js';

/**
 * Renders a grid for a terminal: what was found, one table a strategy, without colours, and what was not run.
 *
 * @param columns that a line may have
 */
export function renderTerminal(summary: GridSummary, columns = terminalColumns()): string {
  const withPrefixKept = summary.whole.some(({ prefixStore }) => prefixStore !== null);
  const twins = twinTable(summary);
  const draw = (table: TextTable) => drawTable(table, columns);
  const blocks = [
    gridTitle(summary.records),
    ...findings(summary),
    ...summary.tables.flatMap((table) => [table.strategy, draw(overviewTable(table, withPrefixKept))]),
  ];
  if (twins !== null) blocks.push(draw(twins));
  const others = [
    ['differences from k = 0', comparisonTable(summary)],
    ['test sets', transferTable(summary)],
    ['entity F1 by training sentences', sizesTable(summary, 'entityF1')],
  ] as const;
  for (const [title, table] of others) if (table !== null) blocks.push(title, draw(table));
  const borrowed = borrowedNote(summary);
  if (borrowed !== null) blocks.push(borrowed);
  blocks.push(paperNote(summary), ...limits(summary).map((limit) => `- ${limit}`));
  return blocks.join('\n');
}

/** Columns of the terminal that results go to; a file or a pipe has no end of a line. */
export function terminalColumns(): number {
  return process.stdout.columns ?? Number.POSITIVE_INFINITY;
}

/** What lines take of each column: one at its left, a blank at either side. */
const LINES = 3;

/** Texts that are longer are broken into lines before a table is parted. */
const LONG_TEXT = 26;

/**
 * Draws a table with lines around its cells, names to the left and figures to the right.
 *
 * @param columns that a line may have: long texts are broken, then the table is parted into several below each other, each
 *   with the names of the rows. Nothing is left out.
 */
export function drawTable(table: TextTable, columns = terminalColumns()): string {
  const widths = table.head.map((title, column) =>
    Math.max(...[title, ...table.rows.map((row) => row[column]!)].map(lineWidth)),
  );
  const least = widths.map((width) => Math.min(width, LONG_TEXT));
  return partsOf(least, columns)
    .map((part) => {
      const spare = columns - 1 - part.reduce((sum, column) => sum + least[column]! + LINES, 0);
      const long = part.filter((column) => widths[column]! > least[column]!);
      const wide = (column: number) =>
        Math.min(widths[column]!, least[column]! + Math.max(0, Math.floor(spare / long.length)));
      const cells = (row: readonly string[]) => part.map((column) => broken(row[column]!, wide(column)));
      return drawPart({ head: cells(table.head), rows: table.rows.map(cells) });
    })
    .join('\n');
}

/** Which columns stand in each part; the first one stands in all of them. */
function partsOf(widths: readonly number[], columns: number): number[][] {
  const first = widths[0]! + LINES + 1;
  const parts: number[][] = [[0]];
  let used = first;
  for (let column = 1; column < widths.length; column++) {
    const width = widths[column]! + LINES;
    if (used + width > columns && parts.at(-1)!.length > 1) {
      parts.push([0]);
      used = first;
    }
    parts.at(-1)!.push(column);
    used += width;
  }
  return parts;
}

function drawPart({ head, rows }: TextTable): string {
  const table = new CliTable({
    head,
    colAligns: head.map((_, index) => (index === 0 ? 'left' : 'right')),
    // cli-table3 paints head and borders unless told otherwise.
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows);
  return table.toString();
}

/** A text in lines of so many columns, broken at blanks; a word that is longer is cut. */
function broken(text: string, width: number): string {
  if (lineWidth(text) <= width) return text;
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    const joined = last === '' ? word : `${last} ${word}`;
    if (lineWidth(joined) <= width) {
      lines[lines.length - 1] = joined;
      continue;
    }
    const pieces = cut(word, width);
    if (last === '') lines.pop();
    lines.push(...pieces);
  }
  return lines.join('\n');
}

function cut(word: string, width: number): string[] {
  const pieces = [''];
  for (const character of word) {
    if (lineWidth(pieces.at(-1)! + character) > width) pieces.push('');
    pieces[pieces.length - 1] += character;
  }
  return pieces;
}

/** Columns of a text: ideographs, kana and Hangul take two, marks that stand on others none. */
function lineWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{Mn}|\p{Cf}/u.test(character)) continue;
    width +=
      /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\u{1F300}-\u{1FAFF}]/u.test(
        character,
      )
        ? 2
        : 1;
  }
  return width;
}
