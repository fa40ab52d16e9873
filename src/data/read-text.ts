import { inTurns, type Steps } from '../io/turns.js';
import { formatError } from './format-error.js';
import { normalizeSentences } from './normalize.js';
import { readLineBlocks } from './read-lines.js';
import type { CheckedReadOptions } from './reader-options.js';
import type { Reading } from './reading.js';
import type { Sentence } from './sentence.js';
import { wordsOfText } from './spans/align.js';
import { wordSteps } from './split-words.js';

/** Between how many lines others may have a turn. */
const LINES_A_STEP = 64;

/**
 * Reads plain text, a sentence or paragraph a line; blank lines are passed over.
 *
 * @returns the words of each line.
 * @throws FILE_NOT_FOUND; DATA_FORMAT where the file holds no word, is not UTF-8, or has a line of more than a
 * mebibyte, as binary data and text without line breaks have.
 */
export async function readText(file: string): Promise<string[][]> {
  const lines: string[][] = [];
  for await (const block of readLineBlocks(file)) {
    await inTurns(addWords(block.lines, lines));
  }
  if (lines.length > 0) return lines;
  throw formatError(file, null, 'expected text, got a file without a word. Give one sentence a line.');
}

/** Lines of text as sentences without entities, blank ones without words, for whoever wants words alone. */
export function textBlocks(
  file: string,
  options: CheckedReadOptions,
  reading: Reading = {},
): AsyncIterable<Sentence[]> {
  const read = async function* () {
    for await (const { lines, first } of readLineBlocks(file, { universal: true })) {
      yield lines.map((line, i) => wordsOfText(line, first + i, undefined, options.offsets));
    }
  };
  return normalizeSentences(file, read, null, reading);
}

function* addWords(lines: readonly string[], all: string[][]): Steps<void> {
  for (const [i, line] of lines.entries()) {
    const words = yield* wordSteps(line);
    if (words.length > 0) all.push(words);
    if (i % LINES_A_STEP === 0) yield;
  }
}
