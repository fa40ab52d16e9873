import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';

/** Operations of a pickle, written independently of the code under test. */
export const op = {
  proto: '\x80\x02',
  mark: '(',
  stop: '.',
  tuple: 't',
  tuple1: '\x85',
  dict: '}',
  setItem: 's',
  persistent: 'Q',
  reduce: 'R',
  build: 'b',
  false: '\x89',
  none: 'N',
  global: (module: string, name: string) => `c${module}\n${name}\n`,
  text: (text: string) => `X${u32(text.length)}${text}`,
  int: (value: number) => `J${u32(value)}`,
  put: (index: number) => `r${u32(index)}`,
  get: (index: number) => `j${u32(index)}`,
  counts: (values: readonly number[]) => `(${values.map(op.int).join('')}t`,
};

/** A tensor of a storage. */
export function tensorPickle({
  type = 'FloatStorage',
  key = '0',
  count = 4,
  offset = 0,
  shape = [2, 2],
  strides = [2, 1],
}: {
  type?: string;
  key?: string;
  count?: number;
  offset?: number;
  shape?: readonly number[];
  strides?: readonly number[];
}): string {
  const storage = `(${op.text('storage')}${op.global('torch', type)}${op.text(key)}${op.text('cpu')}${op.int(count)}tQ`;
  const rest = `${op.int(offset)}${op.counts(shape)}${op.counts(strides)}${op.false}${op.none}`;
  return `${op.global('torch._utils', '_rebuild_tensor_v2')}(${storage}${rest}tR`;
}

/** A dictionary with one entry a name. */
export function dictPickle(entries: Readonly<Record<string, string>>): string {
  const items = Object.entries(entries).map(([name, value]) => op.text(name) + value + op.setItem);
  return `${op.proto}}${items.join('')}.`;
}

/** The archive that torch.save makes of a pickle and storages. */
export async function writeTorchArchive(
  file: string,
  pickle: string,
  storages: Readonly<Record<string, Uint8Array>> = {},
  { compress = false, byteorder = 'little' } = {},
): Promise<void> {
  const zip = new ZipFile();
  zip.addBuffer(Buffer.from(pickle, 'latin1'), 'archive/data.pkl', { compress });
  zip.addBuffer(Buffer.from(byteorder), 'archive/byteorder', { compress });
  for (const [key, bytes] of Object.entries(storages))
    zip.addBuffer(Buffer.from(bytes), `archive/data/${key}`, { compress });
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(file));
}

function u32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes.toString('latin1');
}
