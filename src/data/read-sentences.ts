import { formatOf } from './formats.js';
import { parseReadOptions, type ReadOptions } from './reader-options.js';
import type { Reading } from './reading.js';
import type { Sentence } from './sentence.js';

/**
 * Reads all sentences of a file, whose form is told by its content; see docs/data.md for the forms.
 *
 * @throws FILE_NOT_FOUND; DATA_FORMAT with file and line where the file is damaged, has no sentences, or leaves open
 * which column is meant; INVALID_OPTION for an option that is wrong, or that the file's form does not have.
 */
export async function readSentences(
  file: string,
  options: ReadOptions = {},
  reading: Reading = {},
): Promise<Sentence[]> {
  const all: Sentence[] = [];
  for await (const block of sentenceBlocks(file, options, reading)) for (const one of block) all.push(one);
  return all;
}

/**
 * The same in blocks, in constant memory. A file whose tags may follow any scheme is read twice.
 *
 * @throws INVALID_OPTION for wrong options at once; the others while iterating.
 */
export function sentenceBlocks(
  file: string,
  options: ReadOptions = {},
  reading: Reading = {},
): AsyncIterable<readonly Sentence[]> {
  const checked = parseReadOptions(options);
  return (async function* () {
    const format = await formatOf(file, checked, reading);
    yield* format.blocks(file, checked, reading);
  })();
}
