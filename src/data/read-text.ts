import { formatError } from './format-error.js';
import { readLineBlocks } from './read-lines.js';
import { splitWords } from './split-words.js';

/** The longest line that is taken for text. */
export const MAX_LINE_BYTES = 1 << 20;

/**
 * Reads plain text, a sentence or paragraph a line; blank lines are passed over.
 *
 * @returns the words of each line.
 * @throws FILE_NOT_FOUND; DATA_FORMAT where the file holds no word, is not UTF-8, or has a line of more than a
 * mebibyte, as binary data and text without line breaks have.
 */
export async function readText(file: string): Promise<string[][]> {
  const lines: string[][] = [];
  for await (const block of readLineBlocks(file, { maxLineBytes: MAX_LINE_BYTES })) {
    for (const line of block.lines) {
      const words = splitWords(line);
      if (words.length > 0) lines.push(words);
    }
  }
  if (lines.length > 0) return lines;
  throw formatError(file, null, 'expected text, got a file without a word. Give one sentence a line.');
}
