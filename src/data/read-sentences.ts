import { extname } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { conllBlocks } from './read-conll.js';
import { jsonlBlocks } from './read-jsonl.js';
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
  const blocks = isJsonl(file)
    ? jsonlBlocks(file, options as JsonlOptions)
    : conllBlocks(file, options as ConllOptions);
  const all: Sentence[] = [];
  for await (const block of blocks) for (const sentence of block) all.push(sentence);
  return all;
}

/** Where words and tags are: a column's number, from 0, or the key of JSON lines. */
export interface ColumnOptions {
  tokenColumn?: number | string | undefined;
  tagColumn?: number | string | undefined;
}

/**
 * Options of {@link readSentences} for a file whose columns are named without a look at its form.
 *
 * @throws INVALID_OPTION for a number with JSON lines, or a name with columns, which have none.
 */
export function columnOptions(
  file: string,
  { tokenColumn, tagColumn }: ColumnOptions,
): ConllOptions | JsonlOptions {
  const wanted = isJsonl(file) ? 'string' : 'number';
  for (const [option, value] of Object.entries({
    tokenColumn,
    tagColumn,
  })) {
    if (value === undefined || typeof value === wanted) continue;
    const expected = wanted === 'string' ? 'the name of a key, since it holds JSON lines' : 'a number from 0';
    throw new PermafrostError(
      'INVALID_OPTION',
      `\`${option}\`: ${file}: expected ${expected}, got ${value}.`,
      {
        option,
        got: value,
      },
    );
  }
  const names =
    wanted === 'string' ? (['wordsKey', 'tagsKey'] as const) : (['tokenColumn', 'tagColumn'] as const);
  return {
    ...(tokenColumn !== undefined && { [names[0]]: tokenColumn }),
    ...(tagColumn !== undefined && { [names[1]]: tagColumn }),
  };
}

function isJsonl(file: string): boolean {
  return JSONL_ENDINGS.includes(extname(file).toLowerCase());
}
