import { isObject, type Json, parseJson } from '../io/json.js';
import { Turns } from '../io/turns.js';
import { TAG_COLUMNS, TOKEN_COLUMNS } from './column-names.js';
import { formatError, listed, shown } from './format-error.js';
import { type JsonText, lineValues, streamedValues } from './json-values.js';
import { eachOf, normalizeSentences, type RawSentence } from './normalize.js';
import { readLineBlocks } from './read-lines.js';
import { type CheckedReadOptions, keyOption, parseReadOptions, type ReadOptions } from './reader-options.js';
import type { Reading } from './reading.js';
import type { ReadingNotes } from './reading-notes.js';
import type { Sentence, WordPlace } from './sentence.js';
import { alignSpans, wordsOfText } from './spans/align.js';
import { documentOf, isTextRecord, type TextKeys, textKeys, textRecordOf } from './spans/json-spans.js';
import { TagForms } from './tag-forms.js';
import { unitsOf } from './units.js';

/** Between how many records others may have a turn. */
const RECORDS_A_STEP = 16;
/** Keys that an error lists. */
const MOST_KEYS = 100;
/** Keys below which a single object holds the list of what is wanted. */
const WRAPPERS = ['annotations', 'examples', 'data'];

/** Values of a JSON file, whenever it is called from the first on. */
export type JsonValues = () => AsyncIterable<JsonText[]>;

/**
 * Reads JSON lines, one sentence each: `{"words": ["Almaty", "."], "tags": ["B-LOC", "O"]}`, or with `tokens` and
 * `ner_tags`. Gives the tags in IOB2. `document` names what a sentence is a part of; other keys are passed over.
 *
 * @throws INVALID_OPTION at once; while iterating FILE_NOT_FOUND, and DATA_FORMAT with file and line for a line that is
 * no such object, a malformed tag, bytes that are not UTF-8, a file without sentences.
 */
export function readJsonlSentences(file: string, options: ReadOptions = {}): AsyncIterable<Sentence> {
  return eachOf(jsonBlocks(file, parseReadOptions(options, 'readJsonlSentences')));
}

/**
 * Reads JSON, one sentence an object, in any of two kinds, which the first one tells: words with tags, or a text with
 * spans as annotation tools have it. As many sentences at once as are read.
 *
 * @param file name of the source, for messages.
 * @param values those of JSON lines, or of an array. @default lines of the file
 */
export async function* jsonBlocks(
  file: string,
  options: CheckedReadOptions,
  reading: Reading = {},
  values: JsonValues = () => lineValues(readLineBlocks(file, { universal: true })),
): AsyncGenerator<Sentence[]> {
  const keys: JsonKeys = {
    words: keyOption(file, options, 'tokenColumn') ?? TOKEN_COLUMNS,
    tags: keyOption(file, options, 'tagColumn') ?? TAG_COLUMNS,
    ...textKeys(file, options),
  };
  const first = await firstRecord(values(), file);
  const wantsTags = reading.tags !== 'ignored';
  const isText = first !== undefined && !hasWords(first, keys, wantsTags) && isTextRecord(first, keys);
  const read = (notes: ReadingNotes) => {
    const parser = isText
      ? new TextParser(file, options, keys, wantsTags, notes)
      : new WordsParser(file, options, keys, wantsTags);
    return rawSentences(file, values(), parser);
  };
  yield* normalizeSentences(file, read, isText ? null : options.scheme, reading);
}

/** Values of an array, or of objects over several lines. */
export function streamedBlocks(
  file: string,
  options: CheckedReadOptions,
  reading: Reading = {},
): AsyncIterable<Sentence[]> {
  return jsonBlocks(file, options, reading, () => streamedValues(file));
}

interface JsonKeys extends TextKeys {
  words: readonly string[];
  tags: readonly string[];
}

interface RecordParser {
  parse(record: unknown, line: number): RawSentence | null;
  finish?(): void;
}

async function* rawSentences(
  file: string,
  blocks: AsyncIterable<JsonText[]>,
  parser: RecordParser,
): AsyncGenerator<RawSentence[]> {
  const turns = new Turns();
  for await (const values of blocks) {
    const sentences: RawSentence[] = [];
    for (const [i, value] of values.entries()) {
      for (const record of recordsOf(value, file)) {
        const sentence = parser.parse(record, value.line);
        if (sentence !== null) sentences.push(sentence);
      }
      if (i % RECORDS_A_STEP === 0 && turns.areDue) await turns.take();
    }
    yield sentences;
  }
  parser.finish?.();
}

async function firstRecord(blocks: AsyncIterable<JsonText[]>, file: string): Promise<unknown> {
  for await (const values of blocks) {
    for (const value of values) for (const record of recordsOf(value, file)) return record;
  }
  return undefined;
}

/** A value, or what it wraps. @throws DATA_FORMAT for a text that is no JSON */
function recordsOf({ text, line }: JsonText, file: string): readonly unknown[] {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw formatError(file, line, `expected a JSON object on each line, got ${(cause as Error).message}.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [value];
  const object = value as Record<string, unknown>;
  if (typeof object.data === 'object' && !Array.isArray(object.data)) return [value];
  const wrapper = WRAPPERS.find((key) => isListOfRecords(object[key]) && typeof object.text !== 'string');
  return wrapper === undefined ? [value] : (object[wrapper] as unknown[]).filter((item) => item !== null);
}

function isListOfRecords(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const [first] = value;
  return (
    typeof first === 'object' && first !== null && (!Array.isArray(first) || typeof first[0] === 'string')
  );
}

function hasWords(record: unknown, { words, tags }: JsonKeys, wantsTags: boolean): boolean {
  if (typeof record !== 'object' || record === null) return false;
  const value = record as Record<string, unknown>;
  const list = words.map((key) => value[key]).find(Array.isArray);
  if (list === undefined || typeof (list[0] ?? '') !== 'string') return false;
  const isTag = (tag: unknown) => typeof tag === 'string' || typeof tag === 'number';
  const tagList = tags.map((key) => value[key]).find(Array.isArray);
  return tagList === undefined ? !wantsTags : tagList.length === list.length && tagList.every(isTag);
}

/** Texts with spans. */
class TextParser implements RecordParser {
  #keysSeen: string[] | null = null;
  #isAnnotated = false;

  constructor(
    private readonly file: string,
    private readonly options: CheckedReadOptions,
    private readonly keys: TextKeys,
    private readonly wantsSpans: boolean,
    private readonly notes: ReadingNotes,
  ) {}

  parse(value: unknown, line: number): RawSentence | null {
    const { file, keys, options, wantsSpans, notes } = this;
    if (!isTextRecord(value, keys)) {
      const got = isObject(value) ? `the keys ${listed(Object.keys(value)) || '(none)'}` : shown(value);
      throw formatError(
        file,
        line,
        `expected a text with spans, as the file begins with, got ${got}. Correct the line.`,
      );
    }
    const record = textRecordOf(value, { keys, line, file, wantsSpans, notes });
    if (record === null) {
      this.#isAnnotated = true;
      return null;
    }
    this.#isAnnotated ||= record.isAnnotated;
    this.#keysSeen ??= Object.keys(value as object);
    if (wantsSpans) return alignSpans(record, options, file, notes);
    return wordsOfText(record.text, line, record.document, options.offsets);
  }

  finish(): void {
    if (this.#isAnnotated || !this.wantsSpans || this.#keysSeen === null) return;
    throw formatError(
      this.file,
      null,
      `expected spans beside the texts, in "spans", "entities" or "label", got the keys ${listed(this.#keysSeen)}. Name ` +
        'the key with `tagColumn`.',
    );
  }
}

/** Words with tags. */
class WordsParser implements RecordParser {
  readonly #forms: TagForms;

  constructor(
    private readonly file: string,
    private readonly options: CheckedReadOptions,
    private readonly keys: JsonKeys,
    private readonly wantsTags: boolean,
  ) {
    this.#forms = new TagForms(file, options);
  }

  parse(value: unknown, line: number): RawSentence {
    const { file } = this;
    if (!isObject(value)) {
      throw formatError(
        file,
        line,
        `expected a JSON object with words and tags, or a text and its spans, got ${shown(value)}.`,
      );
    }
    const words = this.#arrayOf(value, this.keys.words, 'tokenColumn', line).map((word, index) =>
      wordOf(word, index, file, line),
    );
    if (words.length === 0) {
      throw formatError(file, line, 'expected at least one word, got none. Delete the line.');
    }
    const tags = this.wantsTags ? this.#tags(value, words.length, line) : words.map(() => 'O');
    const document = documentOf(value);
    return {
      words,
      tags,
      lines: [line],
      ...(document !== undefined && { document }),
      ...weightOf(value, file, line),
      ...placesOf(value, words, this.options.offsets),
    };
  }

  #tags(record: Json, words: number, line: number): string[] {
    const tags = this.#arrayOf(record, this.keys.tags, 'tagColumn', line);
    if (tags.length === words) return tags.map((tag) => this.#tag(tag, line));
    throw formatError(
      this.file,
      line,
      `expected a tag for each word, got ${words} words and ${tags.length} tags. Correct the line.`,
      { words, tags: tags.length },
    );
  }

  #tag(tag: unknown, line: number): string {
    if (typeof tag === 'string') return this.#forms.check(tag, line, () => 'Correct the tag.');
    if (Number.isSafeInteger(tag)) return this.#forms.check(String(tag), line, () => 'Correct `tagNames`.');
    throw formatError(this.file, line, `expected a tag as a string, got ${shown(tag)}. Correct the line.`);
  }

  #arrayOf(record: Json, keys: readonly string[], option: string, line: number): unknown[] {
    const key =
      keys.find((name) => Array.isArray(record[name])) ?? keys.find((name) => record[name] !== undefined);
    const value = key === undefined ? undefined : record[key];
    if (Array.isArray(value)) return value;
    const names = keys.map((name) => JSON.stringify(name)).join(' or ');
    const got = key === undefined ? `the keys ${listed(Object.keys(record)) || '(none)'}` : shown(value);
    const message = `expected an array ${names}, got ${got}. Name the key with \`${option}\`.`;
    throw formatError(this.file, line, message, { keys: Object.keys(record).slice(0, MOST_KEYS) });
  }
}

function wordOf(word: unknown, index: number, file: string, line: number): string {
  if (typeof word === 'string' && word !== '') return word;
  throw formatError(
    file,
    line,
    `expected a non-empty string as word ${index} (counted from 0), got ${shown(word)}. Correct the line.`,
    { index, got: word },
  );
}

/** Text and offsets as `permafrost convert` writes them beside the words; what does not fit is passed over. */
function placesOf(
  { text, offsets }: Json,
  words: readonly string[],
  unit: CheckedReadOptions['offsets'],
): Pick<Sentence, 'text' | 'offsets' | 'offsetUnit'> {
  if (typeof text !== 'string' || !Array.isArray(offsets) || offsets.length !== words.length) return {};
  const units = unit === 'codepoints' ? unitsOf(text) : null;
  const places = offsets.map((pair): WordPlace => {
    const [start, end] = Array.isArray(pair) ? pair : [-1, -1];
    return units === null ? [start, end] : [units[start] ?? -1, units[end] ?? -1];
  });
  const fits = places.every(([start, end], index) => text.slice(start, end) === words[index]);
  return fits ? { text, offsets: places, ...(unit === 'utf16' && { offsetUnit: unit }) } : {};
}

/** What a sentence counts for in a training, where it says so. */
function weightOf({ weight }: Json, file: string, line: number): { weight?: number } {
  if (weight === undefined || weight === null) return {};
  if (typeof weight === 'number' && weight >= 0) return { weight };
  throw formatError(file, line, `expected a weight from 0, got ${shown(weight)}. Correct the line.`, {
    got: weight,
  });
}
