// Runs in a thread of its own: what it reads may be damaged so that decoding never ends, which only ending the thread
// stops. It imports nothing of this package.
import { parentPort } from 'node:worker_threads';
import { type AsyncBuffer, asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

/** What the thread is asked for; answers come in the order of the requests. */
export type ParquetRequest =
  | { kind: 'layout'; source: ParquetSource }
  | { kind: 'rows'; columns: readonly [tokens: string, tags: string]; start: number; end: number };

/** A file, or its content. */
export type ParquetSource = string | ArrayBuffer;

/** What the file says of itself. */
export interface ParquetLayout {
  rows: number;
  /** Columns at the top of the schema. */
  columns: string[];
  /** Content of the key that the `datasets` library leaves its description under, or null. */
  description: string | null;
}

/** Words and tags of a row; null where there is no list. */
export type ParquetRow = [words: unknown[] | null, tags: unknown[] | null];

export type ParquetAnswer = { layout: ParquetLayout } | { rows: ParquetRow[] } | { error: string };

const DESCRIPTION_KEY = 'huggingface';
/** Rows that are decoded at once, of which each request takes a part. */
const BLOCK_ROWS = 10_000;
/** Largest page after decompression; writers make pages of a mebibyte or so. */
const MOST_PAGE_BYTES = 256 << 20;

type Metadata = Awaited<ReturnType<typeof parquetMetadataAsync>>;

let file: AsyncBuffer;
let metadata: Metadata;
let block: { key: string; start: number; rows: ParquetRow[] } | null = null;

const bounded = Object.fromEntries(
  Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, bytes: number) => {
      if (bytes <= MOST_PAGE_BYTES) return decompress(input, bytes);
      throw new Error(`a page of ${bytes} bytes, more than the limit of ${MOST_PAGE_BYTES}`);
    },
  ]),
);

async function answer(request: ParquetRequest): Promise<ParquetAnswer> {
  if (request.kind === 'layout') return { layout: await openFile(request.source) };
  const { columns, start, end } = request;
  const key = columns.join('\n');
  if (block === null || block.key !== key || start < block.start || start >= block.start + BLOCK_ROWS) {
    block = { key, start, rows: await decode(columns, start) };
  }
  return { rows: block.rows.slice(start - block.start, end - block.start) };
}

async function openFile(source: ParquetSource): Promise<ParquetLayout> {
  block = null;
  file = typeof source === 'string' ? await asyncBufferFromFile(source) : bufferOf(source);
  metadata = await parquetMetadataAsync(file);
  const description = metadata.key_value_metadata?.find(({ key }) => key === DESCRIPTION_KEY)?.value;
  const columns = topColumns(metadata.schema);
  return {
    rows: Number(metadata.num_rows),
    columns,
    description: typeof description === 'string' ? description : null,
  };
}

function bufferOf(bytes: ArrayBuffer): AsyncBuffer {
  return { byteLength: bytes.byteLength, slice: (start, end) => bytes.slice(start, end) };
}

async function decode(columns: readonly [string, string], start: number): Promise<ParquetRow[]> {
  const end = Math.min(Number(metadata.num_rows), start + BLOCK_ROWS);
  const wanted = {
    file,
    metadata,
    compressors: bounded,
    columns: [...columns],
    rowStart: start,
    rowEnd: end,
  };
  const records = await parquetReadObjects(wanted);
  return records.map((record) => [listOf(record[columns[0]]), listOf(record[columns[1]])]);
}

function listOf(value: unknown): unknown[] | null {
  if (Array.isArray(value)) return value;
  return ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value as Int32Array) : null;
}

/** Columns at the top of a schema, which lists a tree depth first. */
function topColumns(schema: Metadata['schema']): string[] {
  const columns: string[] = [];
  for (let i = 1; i < schema.length; ) {
    columns.push(schema[i]!.name);
    let pending = 1;
    while (pending > 0 && i < schema.length) pending += (schema[i++]!.num_children ?? 0) - 1;
  }
  return columns;
}

parentPort?.on('message', async (request: ParquetRequest) => {
  const message = await answer(request).catch((error: Error) => ({ error: String(error?.message ?? error) }));
  try {
    parentPort!.postMessage(message);
  } catch (error) {
    parentPort!.postMessage({ error: (error as Error).message });
  }
});

// The thread has loaded what it needs.
parentPort?.postMessage({ ready: true });
