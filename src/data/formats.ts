import { extname } from 'node:path';
import { conllBlocks } from './read-conll.js';
import { jsonlBlocks } from './read-jsonl.js';
import type { CheckedReadOptions } from './reader-options.js';
import type { Reading } from './reading.js';
import type { Sentence } from './sentence.js';

/** A form of annotated sentences. */
export interface Format {
  blocks(file: string, options: CheckedReadOptions, reading: Reading): AsyncIterable<readonly Sentence[]>;
}

const JSON_ENDINGS = ['.jsonl', '.ndjson', '.json'];

/** The form that a file has. */
export async function formatOf(file: string, _options: CheckedReadOptions): Promise<Format> {
  return JSON_ENDINGS.includes(extname(file).toLowerCase())
    ? { blocks: jsonlBlocks }
    : { blocks: conllBlocks };
}
