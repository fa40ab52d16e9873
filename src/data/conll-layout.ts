import type { CheckedReadOptions } from './reader-options.js';
import { isTag } from './tag-scheme.js';

export type Separator = 'tab' | 'space' | 'comma' | 'semicolon';

const SEPARATORS = { tab: '\t', comma: ',', semicolon: ';' };

/** What the columns of a file mean. */
export interface ConllLayout {
  separator: Separator;
  /** Number of columns that most lines have. */
  columns: number;
  tokenColumn: number;
  tagColumn: number;
  /** Whether the first column counts the words of each sentence, as CoNLL-U has it. */
  isIndexed: boolean;
}

/** Columns that were named. */
export interface ConllColumns {
  tokenColumn?: number | undefined;
  tagColumn?: number | undefined;
}

/** Lines that are looked at; the columns of a file do not change further down. */
const SAMPLE_LINES = 2000;

const SPACE = 0x20;
const TAB = 0x09;

/** Whether a line holds nothing: white space of any kind, a lone byte order mark. */
export function isBlank(line: string): boolean {
  const first = line.charCodeAt(0);
  // Most lines begin with a printable character of ASCII.
  return !(first > 0x20 && first < 0x7f) && line.trim() === '';
}

/** Whether a line parts documents, as CoNLL-2003 has it. */
export function isDocumentStart(line: string): boolean {
  return line.startsWith('-DOCSTART-');
}

/** CoNLL-U's comment before the first sentence of a document. */
export function isNewDocument(comment: string): boolean {
  return /^#\s*newdoc\b/.test(comment);
}

/** The columns of a line. Only tabs, or only tabs and plain spaces, part them: words may hold other white space. */
export function splitColumns(line: string, separator: Separator): string[] {
  if (separator !== 'space') return line.split(SEPARATORS[separator]);
  const columns: string[] = [];
  let start = -1;
  for (let i = 0; i < line.length; i++) {
    const unit = line.charCodeAt(i);
    const isGap = unit === SPACE || unit === TAB;
    if (!isGap && start < 0) start = i;
    if (!isGap || start < 0) continue;
    columns.push(line.slice(start, i));
    start = -1;
  }
  if (start >= 0) columns.push(line.slice(start));
  return columns.length > 0 ? columns : [''];
}

/**
 * Finds the columns from the first lines of a file.
 *
 * @returns null where the lines hold no words.
 */
export function detectLayout(
  lines: readonly string[],
  options: Pick<CheckedReadOptions, 'separator'> & ConllColumns,
): ConllLayout | null {
  const sample = sampleOf(lines);
  if (sample.length === 0) return null;
  const separator = options.separator === 'auto' ? detectSeparator(sample) : options.separator;
  const rows = sample.map((line) => splitColumns(line, separator));
  const columns = mostFrequent(rows.map((row) => row.length));
  const tagColumn = options.tagColumn ?? detectTagColumn(rows, columns, options.tokenColumn);
  const isIndexed = columns > 2 && tagColumn > 0 && countsWords(rows);
  const automatic = isIndexed ? (tagColumn === 1 ? 2 : 1) : tagColumn === 0 ? 1 : 0;
  return { separator, columns, tokenColumn: options.tokenColumn ?? automatic, tagColumn, isIndexed };
}

/**
 * Whether a line is certainly a comment. To be asked only before the first word of a sentence, where CoNLL-U has its
 * comments; a line like `#sunday<tab>O` is a word.
 */
export function isComment(line: string, columns: readonly string[], layout: ConllLayout): boolean {
  if (!line.startsWith('#')) return false;
  if (layout.isIndexed) return true;
  if (columns.length === layout.columns && isTag(columns[layout.tagColumn] ?? '')) return false;
  const parts = splitColumns(line, 'space');
  // A word and its tag with the wrong separator.
  if (parts.length === 2 && isTag(parts[1]!)) return false;
  return /^#(\s|$|\w+\s*=|(begin|end) document)/.test(line);
}

function sampleOf(lines: readonly string[]): string[] {
  const filled = lines.filter((line) => !isBlank(line) && !isDocumentStart(line)).slice(0, SAMPLE_LINES);
  const plain = filled.filter((line) => !line.startsWith('#'));
  // Where all lines begin with #, they are words or there are none.
  return plain.length > 0 ? plain : filled.filter((line) => isTag(splitColumns(line, 'space').at(-1)!));
}

function detectSeparator(sample: readonly string[]): 'tab' | 'space' {
  const tabbed = sample.filter((line) => line.includes('\t')).length;
  return tabbed * 2 >= sample.length ? 'tab' : 'space';
}

/** The column with most tags; the last one of equals, since CoNLL-2003 has chunks before entities. */
function detectTagColumn(
  rows: readonly string[][],
  columns: number,
  tokenColumn: number | undefined,
): number {
  let best = columns - 1;
  let most = 0;
  for (let column = columns - 1; column >= 0; column--) {
    if (column === tokenColumn) continue;
    const tags = rows.filter((row) => isTag((row[column] ?? '').trim())).length;
    if (tags > most) [best, most] = [column, tags];
  }
  if (most * 2 >= rows.length) return best;
  // Nothing looks like tags: the error about the first line's last column says most.
  return columns - 1 === tokenColumn ? 0 : Math.max(1, columns - 1);
}

/** Whether the first column runs 1, 2, 3 ... and begins anew for each sentence. */
function countsWords(rows: readonly string[][]): boolean {
  let previous = 0;
  for (const [first] of rows) {
    if (isSpanIndex(first!)) continue;
    const index = /^\d+$/.test(first!) ? Number(first) : Number.NaN;
    if (index !== previous + 1 && index !== 1) return false;
    previous = index;
  }
  return previous > 0;
}

/** Index of a line that holds no word of its own in CoNLL-U: the span of a contraction, or an empty node. */
export function isSpanIndex(text: string): boolean {
  return /^\d+[-.]\d+$/.test(text);
}

function mostFrequent(counts: readonly number[]): number {
  const frequency = new Map<number, number>();
  for (const count of counts) frequency.set(count, (frequency.get(count) ?? 0) + 1);
  return [...frequency].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}
