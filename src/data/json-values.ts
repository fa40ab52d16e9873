import { isBlank } from './conll-layout.js';
import { formatError, shown } from './format-error.js';
import { type LineBlock, readChunks } from './read-lines.js';
import { invalidUtf8 } from './utf8.js';

/** A JSON value that has not been parsed yet. */
export interface JsonText {
  text: string;
  /** 1-based line on which it begins. */
  line: number;
}

/** The longest value of an array that is taken for a record of people: a document with its annotations. */
const MAX_VALUE_LENGTH = 1 << 24;

/** The values of JSON lines, one each. */
export async function* lineValues(blocks: AsyncIterable<LineBlock>): AsyncGenerator<JsonText[]> {
  for await (const { lines, first } of blocks) {
    const values: JsonText[] = [];
    for (let i = 0; i < lines.length; i++) {
      if (!isBlank(lines[i]!)) values.push({ text: lines[i]!, line: first + i });
    }
    yield values;
  }
}

/**
 * The objects and arrays in one JSON array, or of one after another, over any number of lines; no more than one of them
 * and a piece of the file are in memory.
 *
 * @throws FILE_NOT_FOUND; DATA_FORMAT with file and line for what is no such sequence, or not UTF-8, or too long.
 */
export async function* streamedValues(
  file: string,
  chunks: AsyncIterable<Uint8Array> = readChunks(file),
): AsyncGenerator<JsonText[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const scanner = new ValueScanner(file);
  for await (const chunk of chunks) yield scanner.take(decoded(decoder, chunk, file, scanner.line));
  scanner.take(decoded(decoder, new Uint8Array(), file, scanner.line, false));
  scanner.finish();
}

function decoded(
  decoder: InstanceType<typeof TextDecoder>,
  bytes: Uint8Array,
  file: string,
  line: number,
  stream = true,
): string {
  try {
    return decoder.decode(bytes, { stream });
  } catch {
    const at = Math.max(0, invalidUtf8(bytes));
    let lines = 0;
    for (let i = bytes.indexOf(0x0a); i >= 0 && i < at; i = bytes.indexOf(0x0a, i + 1)) lines++;
    throw formatError(
      file,
      line + lines,
      'expected text in UTF-8, got bytes which are none. Convert the text, for example with iconv -f LATIN1 -t UTF-8.',
    );
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const COMMA = 0x2c;

/** Whether it is `[` or `{`. */
function isOpening(unit: number): boolean {
  return unit === 0x5b || unit === 0x7b;
}

/** Whether it is `]` or `}`. */
function isClosing(unit: number): boolean {
  return unit === 0x5d || unit === 0x7d;
}

/** Finds where values begin and end, by their brackets alone. */
class ValueScanner {
  /** Line that is looked at. */
  line = 1;
  /** Pieces of the value that is not finished yet, and their length. */
  #begun: string[] = [];
  #length = 0;
  #depth = 0;
  /** Depth at which the wanted values stand: 1 within an array, null before anything was seen. */
  #base: 0 | 1 | null = null;
  #isInString = false;
  #isEscaped = false;
  #needsComma = false;
  #isClosed = false;
  #startLine = 1;

  constructor(private readonly file: string) {}

  /** @returns the values that end in the piece of text. */
  take(text: string): JsonText[] {
    const values: JsonText[] = [];
    /** Where the value under way begins, -1 between values. */
    let start = this.#isOpen ? 0 : -1;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit === NEWLINE) this.line++;
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (unit === BACKSLASH) this.#isEscaped = true;
        else if (unit === QUOTE) this.#isInString = false;
      } else if (start < 0) {
        if (unit > 0x20 && unit !== 0xfeff && this.#between(unit, text, i)) start = i;
      } else if (unit === QUOTE) {
        this.#isInString = true;
      } else if (isOpening(unit)) {
        this.#depth++;
      } else if (isClosing(unit) && --this.#depth === this.#base) {
        values.push({ text: this.#begun.join('') + text.slice(start, i + 1), line: this.#startLine });
        this.#begun = [];
        this.#length = 0;
        this.#needsComma = this.#base === 1;
        start = -1;
      }
    }
    if (start >= 0) {
      this.#begun.push(text.slice(start));
      this.#length += text.length - start;
    }
    if (this.#length > MAX_VALUE_LENGTH) {
      throw formatError(
        this.file,
        this.#startLine,
        `expected records of at most ${MAX_VALUE_LENGTH} characters, got one of at least ${this.#length}. Give each text ` +
          'as a record of its own.',
      );
    }
    return values;
  }

  /** @throws DATA_FORMAT where the file breaks off */
  finish(): void {
    if (!this.#isOpen && (this.#base !== 1 || this.#isClosed)) return;
    const what = this.#isOpen ? `the object that begins on line ${this.#startLine}` : 'the array';
    throw formatError(
      this.file,
      this.line,
      `expected the end of ${what}, got the end of the file. Fetch it again.`,
    );
  }

  get #isOpen(): boolean {
    return this.#base !== null && this.#depth > this.#base;
  }

  /** @returns whether a value begins here */
  #between(unit: number, text: string, at: number): boolean {
    if (this.#base === null) {
      // An array of what is wanted, unless it is itself one: a text beside its annotations.
      const isArray = unit === 0x5b && !/^\[\s*"/.test(text.slice(at, at + 1024));
      this.#base = isArray ? 1 : 0;
      if (isArray) {
        this.#depth = 1;
        return false;
      }
    }
    if (this.#base === 1 && !this.#isClosed) {
      if (unit === COMMA && this.#needsComma) {
        this.#needsComma = false;
        return false;
      }
      if (unit === 0x5d) {
        this.#isClosed = true;
        this.#depth = 0;
        return false;
      }
    }
    const begins = isOpening(unit) && !this.#needsComma && !this.#isClosed;
    if (!begins) {
      throw formatError(
        this.file,
        this.line,
        `expected ${this.#isClosed ? 'nothing behind the array' : this.#needsComma ? 'a comma or ]' : 'a JSON object'}, got ` +
          `${shown(text.slice(at, at + 20))}. Correct the file.`,
      );
    }
    this.#depth++;
    this.#startLine = this.line;
    return true;
  }
}
