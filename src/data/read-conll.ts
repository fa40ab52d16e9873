import { Turns } from '../io/turns.js';
import {
  type ConllLayout,
  detectLayout,
  isBlank,
  isComment,
  isDocumentStart,
  isNewDocument,
  isSpanIndex,
  splitColumns,
} from './conll-layout.js';
import { formatError, shown } from './format-error.js';
import { eachOf, normalizeSentences, type RawSentence, TagForms } from './normalize.js';
import { type LineBlock, readLineBlocks } from './read-lines.js';
import {
  type CheckedReadOptions,
  numberOption,
  parseReadOptions,
  type ReadOptions,
} from './reader-options.js';
import type { Reading } from './reading.js';
import type { Sentence } from './sentence.js';

/** Between how many lines others may have a turn. */
const LINES_A_STEP = 256;

/**
 * Reads a file of columns, one word a line and sentences parted by blank lines, and gives its tags in IOB2.
 *
 * Finds by itself: tabs or spaces; the columns of CoNLL-2003 (4), KazNERD and WNUT (2) and Universal NER (index, word,
 * tag, two more); IOB1, IOB2 or IOBES. Leaves out `-DOCSTART-` lines and CoNLL-U's comments before a sentence; these and
 * `# newdoc` part documents. The file
 * is read line by line, twice where the scheme is to be found.
 *
 * @throws INVALID_OPTION at once; while iterating FILE_NOT_FOUND, and DATA_FORMAT with file and line for too few
 * columns, an empty word, a malformed tag, bytes that are not UTF-8, a file without sentences.
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
  lines: () => AsyncIterable<LineBlock> = () => readLineBlocks(file),
): AsyncIterable<Sentence[]> {
  return normalizeSentences(file, () => rawSentences(file, lines(), options), options.scheme, reading);
}

async function* rawSentences(
  file: string,
  blocks: AsyncIterable<LineBlock>,
  options: CheckedReadOptions,
): AsyncGenerator<RawSentence[]> {
  const turns = new Turns();
  const numbers = {
    tokenColumn: numberOption(file, options, 'tokenColumn'),
    tagColumn: numberOption(file, options, 'tagColumn'),
  };
  let reader: SentenceReader | null = null;
  for await (const { lines, first } of blocks) {
    if (reader === null) {
      const layout = detectLayout(lines, { separator: options.separator, ...numbers });
      if (layout === null) continue;
      reader = new SentenceReader(file, layout);
    }
    const finished: RawSentence[] = [];
    for (let i = 0; i < lines.length; i++) {
      const sentence = reader.take(lines[i]!, first + i);
      if (sentence !== null) finished.push(sentence);
      if (i % LINES_A_STEP === 0 && turns.areDue) await turns.take();
    }
    yield finished;
  }
  const last = reader?.finish() ?? null;
  if (last !== null) yield [last];
}

/** Gathers lines into sentences. */
class SentenceReader {
  readonly #tags: TagForms;
  readonly #open: RawSentence = { words: [], tags: [], lines: [] };
  /** Documents that have begun. */
  #documents = 0;

  constructor(
    private readonly file: string,
    private readonly layout: ConllLayout,
  ) {
    this.#tags = new TagForms(file);
  }

  /** @returns the sentence that the line ends, or null. */
  take(line: string, number: number): RawSentence | null {
    const startsDocument = isDocumentStart(line);
    if (isBlank(line) || startsDocument) {
      const finished = this.finish();
      if (startsDocument) this.#documents++;
      return finished;
    }
    const columns = splitColumns(line, this.layout.separator);
    const isSentenceStart = this.#open.words.length === 0;
    if (isSentenceStart && isComment(line, columns, this.layout)) {
      if (isNewDocument(line)) this.#documents++;
      return null;
    }
    if (this.layout.isIndexed && isSpanIndex(columns[0]!)) return null;
    const [word, tag] = this.#wordAndTag(columns, line, number);
    this.#open.words.push(word);
    this.#open.tags.push(tag);
    this.#open.lines.push(number);
    return null;
  }

  /** @returns the open sentence, or null where no word was read since the last one. */
  finish(): RawSentence | null {
    if (this.#open.words.length === 0) return null;
    const { words, tags, lines } = this.#open;
    // Copies are as long as they need to be; arrays that have grown are several times that.
    const finished: RawSentence = { words: words.slice(), tags: tags.slice(), lines: lines.slice() };
    if (this.#documents > 0) finished.document = String(this.#documents);
    for (const column of [words, tags, lines]) column.length = 0;
    return finished;
  }

  #wordAndTag(columns: string[], line: string, number: number): [string, string] {
    const { tokenColumn, tagColumn } = this.layout;
    const needed = Math.max(tokenColumn, tagColumn) + 1;
    if (columns.length < needed) throw this.#tooFew(columns.length, needed, line, number);
    const word = trimSpaces(columns[tokenColumn]!);
    if (word === '') {
      throw formatError(
        this.file,
        number,
        `expected a word in column ${tokenColumn} (counted from 0), got nothing in ${shown(line)}. Write the word, or ` +
          'name its column with `tokenColumn`.',
        { column: tokenColumn },
      );
    }
    const remedy = () =>
      `It stands in column ${tagColumn} (counted from 0) of ${shown(line)}; if the tags are elsewhere, name \`tagColumn\`.`;
    return [word, this.#tags.check(trimSpaces(columns[tagColumn]!), number, remedy)];
  }

  #tooFew(got: number, needed: number, line: string, number: number): Error {
    const { separator, tokenColumn, tagColumn } = this.layout;
    return formatError(
      this.file,
      number,
      `expected at least ${needed} columns parted by ${separator}s (word in column ${tokenColumn}, tag in column ` +
        `${tagColumn}, counted from 0), got ${got} in ${shown(line)}. Complete the line, or name \`tokenColumn\` ` +
        'and `tagColumn`. Columns parted by something else need `separator`.',
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
