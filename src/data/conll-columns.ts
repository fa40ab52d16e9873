import { formatError, listed } from './format-error.js';
import type { CheckedReadOptions } from './reader-options.js';
import { hasForm, TOLD_FORMS } from './tag-forms.js';

/** Syntactic chunks of CoNLL-2000, which stand beside entities in CoNLL-2003. */
const CHUNKS = new Set('ADJP ADVP CONJP INTJ LST NP PP PRT SBAR UCP VP'.split(' '));

/** What a column of a sample of rows holds. */
interface Column {
  index: number;
  /** Rows that hold a tag. */
  tags: number;
  /** Distinct tags that mark something. */
  marks: Set<string>;
}

/**
 * The columns that hold tags: one, or the layers of nested entities, the outermost first.
 *
 * Of several such columns those of syntactic chunks are passed over, as are those that mark nothing where another one
 * does; what is then left has to be one, or is read as layers where `nested` says so.
 *
 * @param rows sample, with as many columns as most of them have.
 * @param names of the columns, where they have some.
 * @returns none where nothing looks like tags.
 * @throws DATA_FORMAT where several are left and nothing says which one is meant.
 */
export function tagColumns(
  file: string,
  rows: readonly string[][],
  columns: number,
  {
    tokenColumn,
    nested,
    scheme,
  }: Pick<CheckedReadOptions, 'nested' | 'scheme'> & {
    tokenColumn?: number | undefined;
  },
  names?: readonly string[],
): number[] {
  if (scheme === 'io') return [];
  for (const form of TOLD_FORMS) {
    const found: Column[] = [];
    for (let index = 0; index < columns; index++) {
      if (index === tokenColumn) continue;
      const column = look(rows, index, form);
      // Single letters are tags only where nothing else is among them.
      const least = form === 'bare' ? rows.length : rows.length / 2;
      if (column.tags >= least && column.marks.size > 0) found.push(column);
    }
    // The words look like tags, too.
    if (found.length === columns) found.shift();
    const chosen = withoutChunks(found, rows, columns);
    if (chosen.length > 1 && nested === undefined) throw askedFor(file, chosen, names);
    if (chosen.length > 0) return chosen.map(({ index }) => index);
  }
  const empty = lastOutside(rows, columns, tokenColumn);
  return empty === null ? [] : [empty];
}

function look(rows: readonly string[][], index: number, form: (typeof TOLD_FORMS)[number]): Column {
  const column: Column = { index, tags: 0, marks: new Set() };
  for (const row of rows) {
    const text = (row[index] ?? '').trim();
    if (!hasForm(text, form)) continue;
    column.tags++;
    if (text !== 'O') column.marks.add(text);
  }
  return column;
}

function withoutChunks(found: Column[], rows: readonly string[][], columns: number): Column[] {
  const isChunks = ({ marks }: Column) => [...marks].every((tag) => CHUNKS.has(tag.slice(2)));
  const others = found.filter((column) => !isChunks(column));
  if (others.length > 0 || found.length === 0) return others;
  // The entities' column behind the chunks may mark nothing so far down.
  const empty = lastOutside(rows, columns, undefined);
  const last = found.at(-1)!;
  return [
    empty !== null && empty > last.index ? { index: empty, tags: rows.length, marks: new Set() } : last,
  ];
}

/** The last column of which most rows are `O`, or null. */
function lastOutside(
  rows: readonly string[][],
  columns: number,
  tokenColumn: number | undefined,
): number | null {
  for (let index = columns - 1; index >= 0; index--) {
    if (index === tokenColumn) continue;
    if (rows.filter((row) => row[index]?.trim() === 'O').length * 2 >= rows.length) return index;
  }
  return null;
}

function askedFor(file: string, columns: readonly Column[], names: readonly string[] | undefined): Error {
  const told = columns
    .map(({ index, marks }) => `${names?.[index] ?? index} (${listed([...marks].slice(0, 4))})`)
    .join(' and ');
  const layers =
    'say with `nested` outermost, innermost or a number, 1 the first, that they are layers of nested entities';
  return formatError(
    file,
    null,
    `expected one column of tags, got ${columns.length}${names ? '' : ', counted from 0'}: ${told}. Name one as ` +
      `\`tagColumn\`${names ? '' : `, or ${layers}`}.`,
    { option: 'tagColumn', columns: columns.map(({ index }) => names?.[index] ?? index) },
  );
}
