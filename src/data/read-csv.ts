import { SENTENCE_COLUMNS, TAG_COLUMNS, TOKEN_COLUMNS } from './column-names.js';
import { tagColumns } from './conll-columns.js';
import { isBlank, type Separator } from './conll-layout.js';
import { formatError, listed, shown } from './format-error.js';
import { normalizeSentences, type RawSentence } from './normalize.js';
import { type LineBlock, readLineBlocks } from './read-lines.js';
import type { CheckedReadOptions } from './reader-options.js';
import type { Reading } from './reading.js';
import { type RowReader, readRows } from './row-reader.js';
import type { Sentence } from './sentence.js';
import { TagForms } from './tag-forms.js';

const SEPARATORS = { tab: '\t', comma: ',', semicolon: ';', space: ' ' };

/** What the columns below a header mean, by their numbers. */
interface CsvLayout {
  separator: string;
  names: readonly string[];
  token: number;
  /** None where tags are not looked for. */
  tag: number | null;
  /** The column that numbers the sentences, or null. */
  sentence: number | null;
}

/** Whether lines begin with a header that names a column of words and one of tags. */
export function hasHeader(
  lines: readonly string[],
  options: CheckedReadOptions,
  wantsTags: boolean,
): boolean {
  const [header = ''] = lines;
  const names = header.split(separatorOf(header, options)).map(plainName);
  const isNamed = (known: readonly string[], option: string | number | undefined) =>
    typeof option === 'string'
      ? names.includes(plainName(option))
      : names.some((name) => known.includes(name));
  if (names.length < 2 || !isNamed(TOKEN_COLUMNS, options.tokenColumn)) return false;
  return (
    !wantsTags || options.tagColumn !== undefined || isNamed([...TAG_COLUMNS, ...SENTENCE_COLUMNS], undefined)
  );
}

/**
 * Reads CSV or TSV with a header, one word a row: columns of words and tags by their names, and one that numbers the
 * sentences, or blank lines between them. A sentence's number may stand on its first row alone.
 */
export function csvBlocks(
  file: string,
  options: CheckedReadOptions,
  reading: Reading = {},
  lines: () => AsyncIterable<LineBlock> = () => readLineBlocks(file, { universal: true }),
): AsyncIterable<Sentence[]> {
  const wantsTags = reading.tags !== 'ignored';
  return normalizeSentences(
    file,
    () => rawSentences(file, lines(), options, wantsTags),
    options.scheme,
    reading,
  );
}

function rawSentences(
  file: string,
  blocks: AsyncIterable<LineBlock>,
  options: CheckedReadOptions,
  wantsTags: boolean,
): AsyncGenerator<RawSentence[]> {
  return readRows(blocks, ({ lines, first }) => {
    const header = lines.findIndex((line) => !isBlank(line));
    if (header < 0) return null;
    const layout = layoutOf(file, lines.slice(header), first + header, options, wantsTags);
    return { reader: new CsvRows(file, layout, new TagForms(file, options)), begin: header + 1 };
  });
}

/** Gathers rows into sentences. */
class CsvRows implements RowReader {
  #open: RawSentence = { words: [], tags: [], lines: [] };
  #sentence = '';

  constructor(
    private readonly file: string,
    private readonly layout: CsvLayout,
    private readonly forms: TagForms,
  ) {}

  /** @returns the sentence that the row ends, or null */
  take(line: string, number: number): RawSentence | null {
    if (isBlank(line)) return this.finish();
    const { separator, names, token, tag, sentence } = this.layout;
    const cells = cellsOf(line, separator);
    if (cells.every((cell) => cell === '')) return this.finish();
    if (cells.length !== names.length) {
      throw formatError(
        this.file,
        number,
        `expected ${names.length} cells as in the header (${listed(names)}), got ${cells.length} in ${shown(line)}. ` +
          'Complete the row, or put a cell that holds the separator between quotes.',
        { expected: names.length, got: cells.length },
      );
    }
    const finished = this.#begins(sentence === null ? '' : cells[sentence]!) ? this.finish() : null;
    if (cells[token] === '') {
      throw formatError(
        this.file,
        number,
        `expected a word in column ${names[token]}, got nothing in ${shown(line)}. Write the word, or name its column ` +
          'with `tokenColumn`.',
      );
    }
    this.#open.words.push(cells[token]!);
    this.#open.lines.push(number);
    this.#open.tags.push(tag === null ? 'O' : this.#tag(cells[tag]!, names[tag]!, number));
    return finished;
  }

  finish(): RawSentence | null {
    const finished = this.#open;
    if (finished.words.length === 0) return null;
    this.#open = { words: [], tags: [], lines: [] };
    return finished;
  }

  #begins(sentence: string): boolean {
    if (sentence === '' || sentence === this.#sentence) return false;
    this.#sentence = sentence;
    return true;
  }

  #tag(text: string, name: string, number: number): string {
    return this.forms.check(
      text.trim(),
      number,
      () => `It stands in column ${name}; if the tags are elsewhere, name \`tagColumn\`.`,
    );
  }
}

function layoutOf(
  file: string,
  lines: readonly string[],
  line: number,
  options: CheckedReadOptions,
  wantsTags: boolean,
): CsvLayout {
  const separator = separatorOf(lines[0]!, options);
  const names = cellsOf(lines[0]!, separator);
  const plain = names.map(plainName);
  const numberOf = (option: string | number | undefined, known: readonly string[]): number[] => {
    if (typeof option === 'number') return option < names.length ? [option] : [];
    const wanted = option === undefined ? known : [plainName(option)];
    return wanted.flatMap((name) => (plain.includes(name) ? [plain.indexOf(name)] : []));
  };
  const missing = (what: string, option: string) =>
    formatError(
      file,
      line,
      `expected a column with the ${what}, got the header ${listed(names)}. Name the column as \`${option}\`.`,
      { columns: names, option },
    );
  const [token] = numberOf(options.tokenColumn, TOKEN_COLUMNS);
  if (token === undefined) throw missing('words', 'tokenColumn');
  const [sentence = null] = numberOf(undefined, SENTENCE_COLUMNS).filter((column) => column !== token);
  const layout = { separator, names, token, sentence };
  if (!wantsTags) return { ...layout, tag: null };
  let tags = numberOf(options.tagColumn, TAG_COLUMNS);
  if (options.tagColumn === undefined && tags.length !== 1) {
    const rows = lines
      .slice(1)
      .filter((row) => !isBlank(row))
      .map((row) => cellsOf(row, separator));
    const { nested: _, ...asked } = options;
    const found = tagColumns(file, rows, names.length, { ...asked, tokenColumn: token }, names);
    tags = tags.length === 0 ? found : tags.filter((column) => found.includes(column));
  }
  const [tag] = tags;
  if (tag === undefined) throw missing('tags', 'tagColumn');
  return { ...layout, tag };
}

/** `Sentence #` is `sentence`, `NER-Tag` is `ner_tag`. */
function plainName(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '_')
    .replace(/^_|_$/g, '');
}

function separatorOf(header: string, { separator }: Pick<CheckedReadOptions, 'separator'>): string {
  if (separator !== 'auto') return SEPARATORS[separator satisfies Separator];
  const counts = [SEPARATORS.tab, SEPARATORS.comma, SEPARATORS.semicolon].map(
    (mark) => [mark, header.split(mark).length] as const,
  );
  return counts.reduce((best, other) => (other[1] > best[1] ? other : best))[0];
}

/**
 * The cells of a row, RFC 4180. A cell is quoted only where its last quote stands before a separator or the row's end: a
 * quote by itself is a word of many files.
 */
function cellsOf(row: string, separator: string): string[] {
  const cells: string[] = [];
  for (let start = 0; start <= row.length; ) {
    const quoted = row[start] === '"' ? quotedCell(row, start, separator) : null;
    const comma = quoted === null ? row.indexOf(separator, start) : quoted.end;
    const end = comma < 0 ? row.length : comma;
    cells.push(quoted === null ? row.slice(start, end) : quoted.text);
    start = end + 1;
  }
  return cells;
}

function quotedCell(row: string, start: number, separator: string): { text: string; end: number } | null {
  let text = '';
  for (let from = start + 1; ; ) {
    const quote = row.indexOf('"', from);
    if (quote < 0) return null;
    text += row.slice(from, quote);
    const next = row[quote + 1];
    if (next === undefined || next === separator) return { text, end: quote + 1 };
    if (next !== '"') return null;
    text += '"';
    from = quote + 2;
  }
}
