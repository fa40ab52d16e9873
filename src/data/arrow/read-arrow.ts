import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { formatError, listed } from '../format-error.js';
import type { Head } from '../head.js';
import type { CheckedReadOptions } from '../reader-options.js';
import type { Reading } from '../reading.js';
import { type RowSource, rowBlocks, rowOptions } from '../row-sentences.js';
import type { Sentence } from '../sentence.js';
import { type ArrowFile, isArrow, openArrow } from './arrow-stream.js';

const STATE = 'state.json';
const SPLITS = 'dataset_dict.json';

/** Whether it is a file of Arrow, or a directory that the `datasets` library saved. */
export function isArrowData({ names, bytes }: Head): boolean {
  return names === null ? isArrow(bytes) : names.includes(STATE) || names.includes(SPLITS);
}

/** Reads a dataset that `save_to_disk` of the `datasets` library wrote, or one file of Arrow. */
export async function* arrowBlocks(
  path: string,
  options: CheckedReadOptions,
  reading: Reading = {},
): AsyncGenerator<Sentence[]> {
  const files = (await stat(path)).isDirectory() ? await filesOf(path) : [path];
  const opened: [string, ArrowFile][] = [];
  for (const file of files) opened.push([file, await attempt(file, () => openArrow(file))]);
  const { columns, description } = opened[0]![1];
  const source: RowSource = {
    file: path,
    columns,
    description,
    async *rows(names) {
      for (const [file, arrow] of opened) {
        const rows = arrow.rows(names);
        for (;;) {
          const next = await attempt(file, () => rows.next());
          if (next.done) break;
          yield next.value;
        }
      }
    },
  };
  yield* rowBlocks(source, rowOptions(path, options, description), reading);
}

async function filesOf(directory: string): Promise<string[]> {
  const splits = await jsonOf(join(directory, SPLITS));
  if (splits !== null) {
    const names = Array.isArray(splits.splits) ? splits.splits.map(String) : [];
    throw formatError(
      directory,
      null,
      `expected one split, got a directory of ${listed(names) || 'several'}. Name that of one, such as ` +
        `${join(directory, names[0] ?? 'train')}.`,
      { splits: names },
    );
  }
  const state = await jsonOf(join(directory, STATE));
  const files = Array.isArray(state?._data_files) ? state._data_files : [];
  const names = files.map((entry) => (entry as { filename?: unknown } | null)?.filename);
  if (names.length > 0 && names.every((name) => typeof name === 'string' && !/[\\/]/.test(name))) {
    return names.map((name) => join(directory, name as string));
  }
  throw formatError(
    directory,
    null,
    `expected the names of its files in ${STATE}, got none. Save the dataset again.`,
  );
}

/** What a file of JSON holds, null where there is none. */
async function jsonOf(file: string): Promise<Record<string, unknown> | null> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return JSON.parse(text) as Record<string, unknown> | null;
  } catch (cause) {
    throw formatError(file, null, `expected JSON, got ${(cause as Error).message}. Save the dataset again.`);
  }
}

async function attempt<T>(file: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw formatError(
      file,
      null,
      `expected a file of Arrow with lists of words and tags, got ${(cause as Error).message}. Save the dataset again, or ` +
        'export it with to_parquet.',
    );
  }
}
