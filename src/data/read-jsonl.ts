import { parseJson } from '../io/json.js';
import { Turns } from '../io/turns.js';
import { isBlank } from './conll-layout.js';
import { formatError, listed, shown } from './format-error.js';
import { eachOf, normalizeSentences, type RawSentence, TagForms } from './normalize.js';
import { type LineBlock, readLineBlocks } from './read-lines.js';
import { type CheckedJsonlOptions, type JsonlOptions, parseJsonlOptions } from './reader-options.js';
import type { Sentence } from './sentence.js';

const WORDS_KEYS = ['words', 'tokens'];
/** Between how many lines others may have a turn. */
const LINES_A_STEP = 16;
/** Keys that an error lists. */
const MOST_KEYS = 100;
const TAGS_KEYS = ['tags', 'ner_tags'];

/**
 * Reads JSON lines, one sentence each: `{"words": ["Almaty", "."], "tags": ["B-LOC", "O"]}`, or with `tokens` and
 * `ner_tags`. Gives the tags in IOB2. `document` names what a sentence is a part of, and `weight` is what it counts for in
 * a training; other keys are passed over.
 *
 * @throws INVALID_OPTION at once; while iterating FILE_NOT_FOUND, and DATA_FORMAT with file and line for a line that is
 * no such object, a malformed tag, bytes that are not UTF-8, a file without sentences.
 */
export function readJsonlSentences(file: string, options: JsonlOptions = {}): AsyncIterable<Sentence> {
  return eachOf(jsonlBlocks(file, options));
}

/**
 * The same, as many sentences at once as are read: an iteration over single ones takes longer than the reading.
 *
 * @param file name of the lines' source, for messages.
 * @param lines gives them from the first on, whenever it is called. @default those of the file
 */
export function jsonlBlocks(
  file: string,
  options: JsonlOptions = {},
  lines: () => AsyncIterable<LineBlock> = () => readLineBlocks(file),
): AsyncIterable<Sentence[]> {
  const checked = parseJsonlOptions(options);
  return normalizeSentences(file, () => rawSentences(file, lines(), checked), checked.scheme);
}

async function* rawSentences(
  file: string,
  blocks: AsyncIterable<LineBlock>,
  options: CheckedJsonlOptions,
): AsyncGenerator<RawSentence[]> {
  const turns = new Turns();
  const tags = new TagForms(file);
  for await (const { lines, first } of blocks) {
    const sentences: RawSentence[] = [];
    for (let i = 0; i < lines.length; i++) {
      if (!isBlank(lines[i]!)) sentences.push(parseSentence(lines[i]!, file, first + i, options, tags));
      if (i % LINES_A_STEP === 0 && turns.areDue) await turns.take();
    }
    yield sentences;
  }
}

function parseSentence(
  text: string,
  file: string,
  line: number,
  options: CheckedJsonlOptions,
  forms: TagForms,
): RawSentence {
  const record = parseObject(text, file, line);
  const words = arrayOf(record, options.wordsKey ? [options.wordsKey] : WORDS_KEYS, 'wordsKey', file, line);
  const tags = arrayOf(record, options.tagsKey ? [options.tagsKey] : TAGS_KEYS, 'tagsKey', file, line);
  if (words.length === 0)
    throw formatError(file, line, 'expected at least one word, got none. Delete the line.');
  if (words.length !== tags.length) {
    throw formatError(
      file,
      line,
      `expected a tag for each word, got ${words.length} words and ${tags.length} tags. Correct the line.`,
      { words: words.length, tags: tags.length },
    );
  }
  return {
    words: words.map((word, index) => wordOf(word, index, file, line)),
    tags: tags.map((tag) => forms.check(tagName(tag, options, file, line), line, () => 'Correct the tag.')),
    lines: words.map(() => line),
    ...documentOf(record),
    ...weightOf(record, file, line),
  };
}

function parseObject(text: string, file: string, line: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw formatError(file, line, `expected a JSON object on each line, got ${(cause as Error).message}.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw formatError(
      file,
      line,
      `expected a JSON object with words and tags on each line, got ${shown(value)}.`,
    );
  }
  return value as Record<string, unknown>;
}

/** The document that a sentence says it is of, by any name or number. */
function documentOf({ document }: Record<string, unknown>): { document?: string } {
  return typeof document === 'string' || typeof document === 'number' ? { document: String(document) } : {};
}

/** What a sentence counts for, where it says so. */
function weightOf({ weight }: Record<string, unknown>, file: string, line: number): { weight?: number } {
  if (weight === undefined || weight === null) return {};
  if (typeof weight === 'number' && weight >= 0) return { weight };
  throw formatError(file, line, `expected a weight from 0, got ${shown(weight)}. Correct the line.`, {
    got: weight,
  });
}

function arrayOf(
  record: Record<string, unknown>,
  keys: readonly string[],
  option: string,
  file: string,
  line: number,
): unknown[] {
  const key = keys.find((name) => record[name] !== undefined);
  const value = key === undefined ? undefined : record[key];
  if (Array.isArray(value)) return value;
  const names = keys.map((name) => JSON.stringify(name)).join(' or ');
  const got = key === undefined ? `the keys ${listed(Object.keys(record)) || '(none)'}` : shown(value);
  throw formatError(file, line, `expected an array ${names}, got ${got}. Name the key with ${option}.`, {
    keys: Object.keys(record).slice(0, MOST_KEYS),
  });
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

function tagName(tag: unknown, { tagNames }: CheckedJsonlOptions, file: string, line: number): string {
  if (typeof tag === 'string') return tag;
  if (typeof tag !== 'number') {
    throw formatError(file, line, `expected a tag as a string, got ${shown(tag)}. Correct the line.`);
  }
  const name = tagNames?.[tag];
  if (name !== undefined) return name;
  const remedy = tagNames
    ? `\`tagNames\` has the numbers 0 to ${tagNames.length - 1}.`
    : 'Name the tag of each number with `tagNames`.';
  throw formatError(file, line, `expected tags as strings, got the number ${tag}. ${remedy}`, { got: tag });
}
