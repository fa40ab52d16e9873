import { PermafrostError } from '../errors/error.js';
import { isLfsPointer, LFS_POINTER, LFS_POINTER_BYTES } from '../io/git-lfs.js';
import { parseJson } from '../io/json.js';
import { ELEMENT_BYTES, type ReadBytes, type StoredTensor, withWeights } from './weights/stored-tensor.js';

/** The largest header that is read; the format's own libraries have the same limit. */
export const MAX_HEADER_BYTES = 100_000_000;

export interface SafetensorsContent {
  tensors: StoredTensor[];
  metadata: Record<string, string>;
}

/**
 * Reads the header of a safetensors file and checks that every tensor lies inside it, has as many bytes
 * as its shape needs and shares none with another.
 *
 * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT
 */
export async function readSafetensorsHeader(file: string): Promise<StoredTensor[]> {
  return (await readSafetensors(file)).tensors;
}

/** The same with the file's own notes, texts by name. */
export async function readSafetensors(file: string): Promise<SafetensorsContent> {
  return withWeights(file, (size, read) => readContent(file, size, read));
}

/**
 * The same for bytes from anywhere.
 *
 * @param file name of their source, for messages
 * @param size bytes that there are
 * @param read gives `length` bytes from `position` on
 */
export async function readContent(file: string, size: number, read: ReadBytes): Promise<SafetensorsContent> {
  if (isLfsPointer(await read(0, Math.min(size, LFS_POINTER_BYTES)))) {
    throw new PermafrostError('WEIGHTS_FORMAT', `${file} ${LFS_POINTER}.`, { file });
  }
  if (size < 8) throw damaged(file, `it has ${size} bytes, too few for a header`);
  const headerBytes = Number((await read(0, 8)).readBigUInt64LE());
  if (headerBytes > MAX_HEADER_BYTES) {
    throw damaged(file, `its header claims ${headerBytes} bytes, more than the limit of ${MAX_HEADER_BYTES}`);
  }
  if (8 + headerBytes > size) {
    throw damaged(
      file,
      `its header claims ${headerBytes} bytes, but the file has only ${size}; it was cut short`,
    );
  }
  const header = parseHeader(file, (await read(8, headerBytes)).toString('utf8'));
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = Object.entries(entries).map(([name, entry]) =>
    checkEntry(file, name, entry, 8 + headerBytes, size),
  );
  checkOverlap(file, tensors);
  return { tensors, metadata: metadata as Record<string, string> };
}

/** Header bytes of a file that holds the given tensors of one type in their order, padded to 8 bytes. */
export function safetensorsHeader(
  tensors: readonly { name: string; shape: number[]; count: number }[],
  dtype: 'F32' | 'F16' = 'F32',
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const entries: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  let offset = 0;
  for (const { name, shape, count } of tensors) {
    const end = offset + ELEMENT_BYTES[dtype]! * count;
    entries[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = JSON.stringify(entries);
  const json = Buffer.from(text.padEnd(Math.ceil(Buffer.byteLength(text) / 8) * 8, ' '), 'utf8');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json]);
}

function parseHeader(file: string, text: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = parseJson(text);
  } catch (cause) {
    throw damaged(file, `its header is not JSON (${(cause as Error).message})`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw damaged(file, 'its header is not a JSON object');
  }
  return header as Record<string, unknown>;
}

function checkEntry(
  file: string,
  name: string,
  entry: unknown,
  dataBegin: number,
  size: number,
): StoredTensor {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !shape.every(isCount)) {
    throw damaged(file, `tensor '${name}' has no valid dtype and shape`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw damaged(file, `tensor '${name}' has no valid data_offsets`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || dataBegin + end > size) {
    throw damaged(
      file,
      `tensor '${name}' lies at bytes ${begin} to ${end} of the data, but there are only ${size - dataBegin}; the file was cut short or its header is wrong`,
    );
  }
  const elementBytes = ELEMENT_BYTES[dtype];
  const expected =
    elementBytes === undefined ? undefined : shape.reduce((product, n) => product * n, elementBytes);
  if (expected !== undefined && expected !== end - begin) {
    throw damaged(
      file,
      `tensor '${name}' of type ${dtype} and shape [${shape}] needs ${expected} bytes, but holds ${end - begin}`,
    );
  }
  return { file, name, dtype, shape, begin: dataBegin + begin, end: dataBegin + end };
}

function checkOverlap(file: string, tensors: StoredTensor[]): void {
  const sorted = [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (let i = 1; i < sorted.length; i++) {
    const [before, after] = [sorted[i - 1]!, sorted[i]!];
    if (after.begin < before.end) throw damaged(file, `tensors '${before.name}' and '${after.name}' overlap`);
  }
}

function damaged(file: string, what: string): PermafrostError {
  return new PermafrostError(
    'WEIGHTS_FORMAT',
    `${file} is not a sound safetensors file: ${what}. Fetch or save it again.`,
    { file },
  );
}
