import { extname } from 'node:path';
import { readConll } from './read-conll.js';
import { readJsonlSentences } from './read-jsonl.js';
import type { ConllOptions, JsonlOptions } from './reader-options.js';
import type { Sentence } from './sentence.js';

const JSONL_ENDINGS = ['.jsonl', '.ndjson', '.json'];

/**
 * Reads all sentences of a file: JSON lines where its name ends in `.jsonl`, `.ndjson` or `.json`, else columns.
 *
 * @param options those of `readConll` or `readJsonlSentences`, as the file is.
 * @throws FILE_NOT_FOUND, DATA_FORMAT as these two; INVALID_OPTION for an option that the file's form does not have.
 */
export async function readSentences(
  file: string,
  options: ConllOptions | JsonlOptions = {},
): Promise<Sentence[]> {
  const isJsonl = JSONL_ENDINGS.includes(extname(file).toLowerCase());
  const sentences = isJsonl
    ? readJsonlSentences(file, options as JsonlOptions)
    : readConll(file, options as ConllOptions);
  const all: Sentence[] = [];
  for await (const sentence of sentences) all.push(sentence);
  return all;
}
