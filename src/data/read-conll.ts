import {
  type ConllLayout,
  detectLayout,
  featureOf,
  isBlank,
  isComment,
  isDocumentStart,
  isNewDocument,
  isSpanIndex,
  splitColumns,
} from './conll-layout.js';
import { formatError, shown } from './format-error.js';
import { eachOf, normalizeSentences, type RawSentence } from './normalize.js';
import { type LineBlock, readLineBlocks } from './read-lines.js';
import { type CheckedReadOptions, parseReadOptions, type ReadOptions } from './reader-options.js';
import type { Reading } from './reading.js';
import type { ReadingNotes } from './reading-notes.js';
import { type RowReader, readRows } from './row-reader.js';
import type { Sentence } from './sentence.js';
import { selectSpans, spansOfTags, tagsOfSpans } from './spans/select.js';
import { TagForms } from './tag-forms.js';

/**
 * Reads a file of columns, one word a line and sentences parted by blank lines, and gives its tags in IOB2.
 *
 * Finds by itself: tabs or spaces; the columns of CoNLL-2003 (4), KazNERD and WNUT (2), Universal NER (index, word, tag,
 * two more) and CoNLL-U (`NER=` in MISC); IOB1, IOB2 or IOBES. Leaves out `-DOCSTART-` lines and CoNLL-U's comments
 * before a sentence; these and `# newdoc` part documents. The file is read line by line, twice where the scheme is to be
 * found.
 *
 * @throws INVALID_OPTION at once; while iterating FILE_NOT_FOUND, and DATA_FORMAT with file and line for too few
 * columns, an empty word, a malformed tag, bytes that are not UTF-8, a file without sentences, and where several columns
 * may hold the tags.
 */
export function readConll(file: string, options: ReadOptions = {}): AsyncIterable<Sentence> {
  return eachOf(conllBlocks(file, parseReadOptions(options, 'readConll')));
}

/**
 * The same, as many sentences at once as are read: an iteration over single ones takes longer than the reading.
 *
 * @param file name of the lines' source, for messages.
 * @param lines gives them from the first on, whenever it is called. @default those of the file
 */
export function conllBlocks(
  file: string,
  options: CheckedReadOptions,
  reading: Reading = {},
  lines: () => AsyncIterable<LineBlock> = () => readLineBlocks(file, { universal: true }),
): AsyncIterable<Sentence[]> {
  const read = (notes: ReadingNotes) =>
    rawSentences(file, lines(), options, reading.tags !== 'ignored', notes);
  return normalizeSentences(file, read, options.scheme, reading);
}

function rawSentences(
  file: string,
  blocks: AsyncIterable<LineBlock>,
  options: CheckedReadOptions,
  wantsTags: boolean,
  notes: ReadingNotes,
): AsyncGenerator<RawSentence[]> {
  return readRows(blocks, ({ lines }) => {
    const layout = detectLayout(file, lines, options, wantsTags);
    if (layout === null) return null;
    return { reader: new SentenceReader(file, layout, options, wantsTags, notes), begin: 0 };
  });
}

/** Gathers lines into sentences. */
class SentenceReader implements RowReader {
  readonly #tags: TagForms;
  readonly #open: { words: string[]; lines: number[] } = { words: [], lines: [] };
  /** Tags of the open sentence, one list for each layer. */
  readonly #layers: string[][];
  /** Documents that have begun. */
  #documents = 0;
  #hasFeature = false;
  /** Columns that a line has to have. */
  readonly #needed: number;

  constructor(
    private readonly file: string,
    private readonly layout: ConllLayout,
    private readonly options: CheckedReadOptions,
    private readonly wantsTags: boolean,
    private readonly notes: ReadingNotes,
  ) {
    this.#tags = new TagForms(file, options);
    this.#needed = Math.max(layout.tokenColumn, ...(wantsTags ? layout.tagColumns : [])) + 1;
    this.#layers = (wantsTags ? layout.tagColumns : []).map(() => []);
  }

  /** @returns the sentence that the line ends, or null. */
  take(line: string, number: number): RawSentence | null {
    const startsDocument = isDocumentStart(line);
    if (isBlank(line) || startsDocument) {
      const finished = this.finish();
      if (startsDocument) this.#documents++;
      return finished;
    }
    const { separator, isIndexed, tagColumns } = this.layout;
    const columns = splitColumns(line, separator);
    const isSentenceStart = this.#open.words.length === 0;
    if (isSentenceStart && isComment(line, columns, this.layout)) {
      if (isNewDocument(line)) this.#documents++;
      return null;
    }
    if (isIndexed && isSpanIndex(columns[0]!)) return null;
    this.#open.words.push(this.#word(columns, line, number));
    this.#open.lines.push(number);
    for (let i = 0; i < this.#layers.length; i++) {
      this.#layers[i]!.push(this.#tag(columns, tagColumns[i]!, line, number));
    }
    return null;
  }

  /** @returns the open sentence, or null where no word was read since the last one. */
  finish(): RawSentence | null {
    if (this.#open.words.length === 0) return null;
    const { words, lines } = this.#open;
    // Copies are as long as they need to be; arrays that have grown are several times that.
    const finished: RawSentence = { words: words.slice(), tags: this.#finishedTags(), lines: lines.slice() };
    if (this.#documents > 0) finished.document = String(this.#documents);
    for (const column of [words, lines, ...this.#layers]) column.length = 0;
    return finished;
  }

  /** @throws DATA_FORMAT where features were to have tags, and none had */
  complete(): void {
    const { feature } = this.layout;
    if (feature === null || this.#hasFeature || !this.wantsTags) return;
    throw formatError(
      this.file,
      null,
      `expected ${feature}=B-type in the last column (MISC) of CoNLL-U, got none in the whole file. Name another key, or ` +
        "the number of the tags' column, as `tagColumn`.",
      { option: 'tagColumn' },
    );
  }

  #finishedTags(): string[] {
    const { words, lines } = this.#open;
    const [first, ...others] = this.#layers;
    if (first === undefined) return words.map(() => 'O');
    if (others.length === 0) return first.slice();
    const [wanted, ...rest] = this.#layers.map(spansOfTags);
    const { nested = 'outermost' } = this.options;
    const { kept, left } =
      typeof nested === 'number'
        ? { kept: wanted!, left: rest.flat().map((span) => ({ span, kind: 'nested' as const })) }
        : selectSpans([wanted!, ...rest].flat(), nested);
    for (const { span, kind } of left) {
      const what = `${span.type} ${shown(words.slice(span.first, span.last + 1).join(' '))}`;
      this.notes.add(kind, { file: this.file, line: lines[span.first]! }, what);
    }
    return tagsOfSpans(kept, words.length);
  }

  #word(columns: string[], line: string, number: number): string {
    const { tokenColumn } = this.layout;
    if (columns.length < this.#needed) throw this.#tooFew(columns.length, this.#needed, line, number);
    const word = trimSpaces(columns[tokenColumn]!);
    if (word !== '') return word;
    throw formatError(
      this.file,
      number,
      `expected a word in column ${tokenColumn} (counted from 0), got nothing in ${shown(line)}. Write the word, or ` +
        'name its column with `tokenColumn`.',
      { column: tokenColumn },
    );
  }

  #tag(columns: string[], column: number, line: string, number: number): string {
    const { feature } = this.layout;
    let text = trimSpaces(columns[column]!);
    if (feature !== null) {
      const value = featureOf(text, feature);
      this.#hasFeature ||= value !== null;
      text = value ?? 'O';
    }
    const remedy = () =>
      `It stands in column ${column} (counted from 0) of ${shown(line)}; if the tags are elsewhere, name \`tagColumn\`.`;
    return this.#tags.check(text, number, remedy);
  }

  #tooFew(got: number, needed: number, line: string, number: number): Error {
    const { separator, tokenColumn, tagColumns } = this.layout;
    return formatError(
      this.file,
      number,
      `expected at least ${needed} columns parted by ${separator}s (word in column ${tokenColumn}, tag in column ` +
        `${tagColumns.join(' and ')}, counted from 0), got ${got} in ${shown(line)}. Complete the line, or name ` +
        '`tokenColumn` and `tagColumn`. Columns parted by something else need `separator`.',
      { expected: needed, got, separator },
    );
  }
}

function trimSpaces(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && text[start] === ' ') start++;
  while (start < end && text[end - 1] === ' ') end--;
  return text.slice(start, end);
}
