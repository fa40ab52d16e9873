import { formatError } from './format-error.js';
import { eachOf } from './normalize.js';
import { ParquetDecoder } from './parquet-decoder.js';
import type { ParquetLayout } from './parquet-worker.js';
import type { CheckedReadOptions } from './reader-options.js';
import type { Reading } from './reading.js';
import { type RowOptions, type RowSource, rowBlocks, rowOptions } from './row-sentences.js';
import type { Sentence } from './sentence.js';

/** Rows that come from the decoder's thread at once. */
const ROWS = 500;

/** What decodes a file; see {@link ParquetDecoder}. */
export type Decoder = Pick<ParquetDecoder, 'open' | 'rows' | 'close'>;

/** A parquet file whose metadata have been read. */
export interface ParquetFile {
  /** Names of the columns. */
  columns: readonly string[];
  /** What the file says of its columns, or null. */
  description: string | null;
  sentences(options: RowOptions): AsyncIterable<Sentence>;
}

/**
 * Opens a parquet file with one sentence a row: a list of words and a list of tags, the tags as texts or as numbers of
 * classes. Tags without B and I are taken as types of which neighbours of one type are one entity. Gives IOB2.
 *
 * @throws DATA_FORMAT for a file that is not parquet; while iterating for columns that cannot be told (the message lists
 * them) and for rows that are no annotated sentence.
 */
export async function openParquet(
  file: string,
  decoder: Decoder = new ParquetDecoder(),
): Promise<ParquetFile> {
  const source = await openSource(file, decoder);
  return { ...source, sentences: (options) => eachOf(rowBlocks(source, options)) };
}

/** The sentences of a parquet file in blocks, the names of its classes from its own description. */
export async function* parquetBlocks(
  file: string,
  options: CheckedReadOptions,
  reading: Reading = {},
): AsyncGenerator<Sentence[]> {
  const source = await openSource(file, new ParquetDecoder());
  yield* rowBlocks(source, rowOptions(file, options, source.description), reading);
}

async function openSource(file: string, decoder: Decoder): Promise<RowSource> {
  const { rows, columns, description } = await openWith(decoder, file);
  return {
    file,
    columns,
    description,
    async *rows(names) {
      for (let start = 0; start < rows; start += ROWS) {
        const end = Math.min(rows, start + ROWS);
        const records = await decoder.rows(names, start, end).catch((cause: Error) => {
          throw unreadableRows(file, start, cause.message);
        });
        yield records;
        if (records.length < end - start) {
          throw unreadableRows(file, start + records.length, `they end there, and there should be ${rows}`);
        }
      }
    },
  };
}

async function openWith(decoder: Decoder, file: string): Promise<ParquetLayout> {
  const layout = await decoder.open(file).catch((cause: Error) => {
    throw formatError(file, null, `expected a parquet file, got ${cause.message}. Fetch it again.`);
  });
  if (Number.isSafeInteger(layout.rows) && layout.rows >= 0) return layout;
  throw formatError(file, null, `expected a parquet file, got one of ${layout.rows} rows. Fetch it again.`);
}

function unreadableRows(file: string, start: number, why: string): Error {
  return formatError(file, null, `the rows from ${start} cannot be read: ${why}. Fetch it again.`);
}
