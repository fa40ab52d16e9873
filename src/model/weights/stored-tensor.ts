import { type FileHandle, open } from 'node:fs/promises';
import { PermafrostError } from '../../errors/error.js';
import { inTurns, type Steps } from '../../io/turns.js';

/** Bytes of an element by the type's name in safetensors. */
export const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** One tensor of a weights file of any form: where its bytes lie and what they mean. */
export interface StoredTensor {
  file: string;
  name: string;
  /** As safetensors names it: `F32`, `F16`, `BF16`, … */
  dtype: string;
  shape: number[];
  /** Offset of the first byte in the file. */
  begin: number;
  /** Offset behind the last byte. */
  end: number;
  /** Makes elements of `dtype`, row by row, of the bytes there, where they are not that already. */
  arrange?(bytes: Uint8Array): Steps<Uint8Array>;
}

/** Gives `length` bytes of a file from `position` on. */
export type ReadBytes = (position: number, length: number) => Promise<Buffer>;

/** Reads the bytes of tensors one after another, keeping one file open at a time. */
export async function* readTensors(
  tensors: readonly StoredTensor[],
): AsyncGenerator<[StoredTensor, Uint8Array]> {
  for (const file of new Set(tensors.map((tensor) => tensor.file))) {
    const handle = await openWeights(file);
    try {
      for (const tensor of tensors) {
        if (tensor.file !== file) continue;
        const bytes = await readExactly(handle, file, tensor.begin, tensor.end - tensor.begin);
        yield [tensor, tensor.arrange ? await inTurns(tensor.arrange(bytes)) : bytes];
      }
    } finally {
      await handle.close();
    }
  }
}

/** Opens a file of weights for as long as `body` reads. @throws FILE_NOT_FOUND */
export async function withWeights<Result>(
  file: string,
  body: (size: number, read: ReadBytes) => Promise<Result>,
): Promise<Result> {
  const handle = await openWeights(file);
  try {
    const { size } = await handle.stat();
    return await body(size, (position, length) => readExactly(handle, file, position, length));
  } finally {
    await handle.close();
  }
}

/**
 * The elements of a view in the order of its indices.
 *
 * @param bytes from the view's first element on
 * @param strides between neighbours along each dimension, in elements
 */
export function* contiguous(
  bytes: Uint8Array,
  elementBytes: 2 | 4,
  shape: readonly number[],
  strides: readonly number[],
): Steps<Uint8Array> {
  const count = shape.reduce((product, size) => product * size, 1);
  const result = Buffer.allocUnsafeSlow(count * elementBytes);
  const [from, to] = [elementsOf(bytes, elementBytes), elementsOf(result, elementBytes)];
  const rowSize = shape.at(-1) ?? 1;
  const step = strides.at(-1) ?? 1;
  const index = new Array<number>(shape.length).fill(0);
  for (let at = 0, row = 0; at < count; at += rowSize) {
    for (let i = 0; i < rowSize; i++) to[at + i] = from[row + i * step]!;
    for (let axis = shape.length - 2; axis >= 0; axis--) {
      row += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      row -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
    yield;
  }
  return result;
}

function elementsOf({ buffer, byteOffset, length }: Uint8Array, elementBytes: 2 | 4) {
  return elementBytes === 2
    ? new Uint16Array(buffer, byteOffset, length / 2)
    : new Uint32Array(buffer, byteOffset, length / 4);
}

async function openWeights(file: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch (cause) {
    throw new PermafrostError(
      'FILE_NOT_FOUND',
      `Cannot open the weights file ${file}: ${(cause as Error).message}. Fetch or save the model again.`,
      { file },
      { cause },
    );
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new PermafrostError('FILE_NOT_FOUND', `${file} is not a file. Expected a file of weights there.`, {
    file,
  });
}

async function readExactly(
  handle: FileHandle,
  file: string,
  position: number,
  length: number,
): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw cutShort(file, position + done);
    done += bytesRead;
  }
  return buffer;
}

function cutShort(file: string, at: number): PermafrostError {
  return new PermafrostError(
    'WEIGHTS_FORMAT',
    `${file} ends at byte ${at}, before its tensors do. Fetch or save it again.`,
    { file },
  );
}
