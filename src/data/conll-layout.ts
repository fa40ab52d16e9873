import { PermafrostError } from '../errors/error.js';
import { tagColumns } from './conll-columns.js';
import { type CheckedReadOptions, numberOption } from './reader-options.js';
import { hasForm, isTag, TOLD_FORMS } from './tag-forms.js';

export type Separator = Exclude<CheckedReadOptions['separator'], 'auto'>;

/** What the columns of a file mean. */
export interface ConllLayout {
  separator: Separator;
  /** Number of columns that most lines have. */
  columns: number;
  tokenColumn: number;
  /** Column of the tags, or several of nested entities, the outermost first; none where tags are not looked for. */
  tagColumns: readonly number[];
  /** Key of the tag in a column of features, as CoNLL-U has them in MISC, or null where the column is the tag. */
  feature: string | null;
  /** Whether the first column counts the words of each sentence, as CoNLL-U has it. */
  isIndexed: boolean;
}

/** Lines that are looked at; the columns of a file do not change further down. */
const SAMPLE_LINES = 2000;

const SEPARATORS = { tab: '\t', comma: ',', semicolon: ';' };
/** Columns of CoNLL-U, the last of which is MISC. */
const CONLLU_COLUMNS = 10;
/** Key of an entity's tag in MISC. */
const NER_FEATURE = 'NER';

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
 * @param wantsTags whether there have to be tags.
 * @returns null where the lines hold no words.
 * @throws DATA_FORMAT where several columns may hold the tags; INVALID_OPTION for a name in place of a number.
 */
export function detectLayout(
  file: string,
  lines: readonly string[],
  options: CheckedReadOptions,
  wantsTags = true,
): ConllLayout | null {
  const sample = sampleOf(lines);
  if (sample.length === 0) return null;
  const separator = options.separator === 'auto' ? detectSeparator(sample) : options.separator;
  const rows = sample.map((line) => splitColumns(line, separator));
  const columns = mostFrequent(rows.map((row) => row.length));
  const tokenColumn = numberOption(file, options, 'tokenColumn');
  const isConllu = columns === CONLLU_COLUMNS && separator === 'tab' && countsWords(rows);
  const named = isConllu && typeof options.tagColumn === 'string' ? options.tagColumn : null;
  const tagColumn = named === null ? numberOption(file, options, 'tagColumn') : CONLLU_COLUMNS - 1;
  let found =
    tagColumn === undefined
      ? tagColumns(file, rows, columns, { ...options, tokenColumn, ...(!wantsTags && { nested: 1 }) })
      : [tagColumn];
  const isFeature = named !== null || (isConllu && found.length === 0);
  if (isFeature) found = [CONLLU_COLUMNS - 1];
  else if (typeof options.nested === 'number' && found.length > 1) found = layer(file, found, options.nested);
  // Nothing looks like tags: the error about the first line's last column says most.
  const last = columns - 1 === tokenColumn ? 0 : Math.max(1, columns - 1);
  if (found.length === 0 && wantsTags) found = [last];
  const first = found[0];
  const isIndexed = columns > 2 && first !== 0 && countsWords(rows);
  const automatic = isIndexed ? (first === 1 ? 2 : 1) : first === 0 && columns > 1 ? 1 : 0;
  return {
    separator,
    columns,
    tokenColumn: tokenColumn ?? automatic,
    tagColumns: found,
    feature: isFeature ? (named ?? NER_FEATURE) : null,
    isIndexed,
  };
}

/** The wanted layer comes first; what the others hold is left out, and counted. */
function layer(file: string, columns: readonly number[], wanted: number): number[] {
  const column = columns[wanted - 1];
  if (column !== undefined) return [column, ...columns.filter((other) => other !== column)];
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`nested\`: ${file}: expected one of the layers 1 to ${columns.length}, got ${wanted}.`,
    { option: 'nested', got: wanted },
  );
}

/** The value of a feature such as `NER=B-LOC` among others between bars, or null. */
export function featureOf(column: string, name: string): string | null {
  for (const feature of column.split('|')) {
    if (feature.startsWith(name) && feature[name.length] === '=') return feature.slice(name.length + 1);
  }
  return null;
}

/**
 * Whether a line is certainly a comment. To be asked only before the first word of a sentence, where CoNLL-U has its
 * comments; a line like `#sunday<tab>O` is a word.
 */
export function isComment(line: string, columns: readonly string[], layout: ConllLayout): boolean {
  if (!line.startsWith('#')) return false;
  if (layout.isIndexed) return true;
  if (columns.length === layout.columns && isTag(columns[layout.tagColumns[0] ?? 0] ?? '')) return false;
  const parts = splitColumns(line, 'space');
  // A word and its tag with the wrong separator.
  if (parts.length === 2 && isTag(parts[1]!)) return false;
  return /^#(\s|$|\w+\s*=|(begin|end) document)/.test(line);
}

/** Whether lines look like columns with tags, and not like text or JSON. */
export function looksLikeColumns(lines: readonly string[]): boolean {
  const sample = sampleOf(lines).slice(0, 100);
  const isWord = (line: string) => {
    const columns = splitColumns(line, line.includes('\t') ? 'tab' : 'space');
    return (
      columns.length > 1 && columns.some((text) => TOLD_FORMS.some((form) => hasForm(text.trim(), form)))
    );
  };
  return sample.length > 0 && sample.filter(isWord).length * 2 >= sample.length;
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
