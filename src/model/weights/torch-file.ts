import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { PermafrostError } from '../../errors/error.js';
import { isLfsPointer, LFS_POINTER, LFS_POINTER_BYTES } from '../../io/git-lfs.js';
import { type PickleValue, RefusedPickle, readPickle } from './pickle.js';
import {
  contiguous,
  ELEMENT_BYTES,
  type ReadBytes,
  type StoredTensor,
  withWeights,
} from './stored-tensor.js';
import { stateDict, TORCH_READER, type TorchStorage, type TorchTensor } from './torch-tensors.js';

/** The largest pickle that is read; that of a model has about a hundred bytes a tensor. */
const MAX_PICKLE_BYTES = 32 * 2 ** 20;
/** First value of files that torch.save wrote before version 1.6. */
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;
/** How many times its own bytes the stretch that a view covers may have, besides a small one. */
const MOST_SPREAD = 16;
const SMALL_SPREAD = 2 ** 20;

/** Where each storage's bytes begin in the file. */
type Places = ReadonlyMap<string, number>;

/**
 * Lists the tensors of a file that torch.save wrote, such as `pytorch_model.bin`. Nothing in it is run: what is more than
 * a dictionary of tensors is refused by name.
 *
 * @throws FILE_NOT_FOUND; WEIGHTS_FORMAT
 */
export async function readTorchFile(file: string): Promise<StoredTensor[]> {
  try {
    return await withWeights(file, async (size, read) => {
      const head = await read(0, Math.min(size, LFS_POINTER_BYTES));
      if (isLfsPointer(head))
        throw new PermafrostError('WEIGHTS_FORMAT', `${file} ${LFS_POINTER}.`, { file });
      if (head.toString('latin1', 0, 2) === 'PK') return await readArchive(file, size, read);
      if (head[0] === 0x80) return await readLegacy(file, size, read);
      throw new SyntaxError('it begins neither as a zip archive nor as a pickle');
    });
  } catch (error) {
    throw explained(error, file);
  }
}

/** A zip archive: `data.pkl` describes the tensors, `data/0`, `data/1`, … are their storages as they lie in memory. */
async function readArchive(file: string, size: number, read: ReadBytes): Promise<StoredTensor[]> {
  const zip = await yauzl.openPromise(file, { autoClose: false });
  try {
    const entries = new Map<string, Entry>();
    for await (const entry of zip.eachEntry()) entries.set(entry.fileName, entry);
    const pickle = [...entries.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
    if (pickle === undefined) throw new SyntaxError('the archive has no data.pkl');
    const root = pickle.slice(0, -'data.pkl'.length);
    const record = async (name: string) => {
      const entry = entries.get(root + name);
      if (entry === undefined) throw new SyntaxError(`the archive has no ${name}`);
      return { begin: await placeOf(zip, entry, size), bytes: entry.uncompressedSize };
    };
    const { begin, bytes } = await record('data.pkl');
    if (bytes > MAX_PICKLE_BYTES)
      throw new SyntaxError(`its data.pkl claims ${bytes} bytes, more than the limit of ${MAX_PICKLE_BYTES}`);
    if (entries.has(`${root}byteorder`)) {
      const order = await record('byteorder');
      const text = (await read(order.begin, Math.min(order.bytes, 16))).toString('latin1');
      if (text !== 'little')
        throw new SyntaxError(`its bytes are in the order ${JSON.stringify(text)}, not little`);
    }
    const tensors = stateDict(readPickle(await read(begin, bytes), 0, TORCH_READER).value);
    const places = new Map<string, number>();
    for (const [, { storage }] of tensors) {
      const { key } = storage;
      if (places.has(key)) continue;
      const place = await record(`data/${key}`);
      if (place.bytes !== bytesOf(storage)) throw wrongSize(storage, place.bytes);
      places.set(key, place.begin);
    }
    return tensors.map((tensor) => stored(file, tensor, places));
  } finally {
    zip.close();
  }
}

/** Offset of an entry's bytes, which are in the file as they are. */
async function placeOf(zip: ZipFile, entry: Entry, size: number): Promise<number> {
  const { fileName: name, compressionMethod, compressedSize, uncompressedSize } = entry;
  if (compressionMethod !== 0 || entry.isEncrypted() || compressedSize !== uncompressedSize)
    throw new SyntaxError(`${name} is compressed, which torch.save does not do`);
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  if (fileDataStart + uncompressedSize <= size) return fileDataStart;
  throw new SyntaxError(`${name} ends beyond the file of ${size} bytes; it was cut short`);
}

/**
 * Five pickles in a row (magic number, version, machine, tensors, order of the storages), then each storage behind its
 * number of elements.
 */
async function readLegacy(file: string, size: number, read: ReadBytes): Promise<StoredTensor[]> {
  const head = await read(0, Math.min(size, MAX_PICKLE_BYTES));
  let at = 0;
  const next = (): PickleValue => {
    const { value, end } = readPickle(head, at, TORCH_READER);
    at = end;
    return value;
  };
  if (next() !== LEGACY_MAGIC) throw new SyntaxError('it is a pickle, but none that torch.save wrote');
  const version = next();
  if (version !== LEGACY_PROTOCOL) throw new SyntaxError(`its version is ${version}, not ${LEGACY_PROTOCOL}`);
  const machine = next();
  if (machine instanceof Map && machine.get('little_endian') === false)
    throw new SyntaxError('its bytes are in the order of another machine');
  const tensors = stateDict(next());
  const order = next();
  const storages = new Map(tensors.map(([, { storage }]) => [storage.key, storage]));
  const places = new Map<string, number>();
  for (const key of Array.isArray(order) ? (order as PickleValue[]) : []) {
    const storage = storages.get(key as string);
    if (storage === undefined) throw new SyntaxError(`no tensor views its storage ${JSON.stringify(key)}`);
    if (at + 8 > size) throw new SyntaxError(`it ends before its storage ${storage.key}; it was cut short`);
    const count = Number((await read(at, 8)).readBigInt64LE());
    if (count !== storage.count) throw wrongSize(storage, count * ELEMENT_BYTES[storage.dtype]!);
    places.set(storage.key, at + 8);
    at += 8 + bytesOf(storage);
    if (at > size) throw new SyntaxError(`it ends within its storage ${storage.key}; it was cut short`);
  }
  return tensors.map((tensor) => stored(file, tensor, places));
}

function stored(file: string, [name, tensor]: [string, TorchTensor], places: Places): StoredTensor {
  const { storage, offset, shape, strides } = tensor;
  const elementBytes = ELEMENT_BYTES[storage.dtype]!;
  const place = places.get(storage.key);
  if (place === undefined) throw new SyntaxError(`the storage of tensor '${name}' is not in the file`);
  const begin = place + offset * elementBytes;
  const count = shape.reduce((product, size) => product * size, 1);
  const common = { file, name, dtype: storage.dtype, shape, begin };
  if (count === 0 || isContiguous(shape, strides)) return { ...common, end: begin + count * elementBytes };
  const covered = 1 + shape.reduce((last, size, axis) => last + (size - 1) * strides[axis]!, 0);
  const bytes = covered * elementBytes;
  if (bytes > Math.max(SMALL_SPREAD, MOST_SPREAD * count * elementBytes)) {
    throw new SyntaxError(
      `tensor '${name}' of shape [${shape}] is spread over ${bytes} bytes by its strides [${strides}]. ` +
        'Save contiguous tensors',
    );
  }
  // Elements of other widths are those of no parameter, which is said where one is asked for.
  if (elementBytes !== 2 && elementBytes !== 4) return { ...common, end: begin + bytes };
  return { ...common, end: begin + bytes, arrange: (data) => contiguous(data, elementBytes, shape, strides) };
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

function bytesOf({ dtype, count }: TorchStorage): number {
  return count * ELEMENT_BYTES[dtype]!;
}

function wrongSize(storage: TorchStorage, got: number): SyntaxError {
  return new SyntaxError(
    `its storage ${storage.key} has ${got} bytes, but is described with ${bytesOf(storage)} (${storage.count} of ${storage.dtype})`,
  );
}

function explained(error: unknown, file: string): unknown {
  if (error instanceof PermafrostError) return error;
  const { message } = error as Error;
  if (error instanceof RefusedPickle) {
    return new PermafrostError(
      'WEIGHTS_FORMAT',
      `${file} asks for ${message}, which is no part of a dictionary of tensors. Nothing of it was run. Expected what ` +
        'torch.save(model.state_dict()) writes: save the model as safetensors, where you trust it.',
      { file, refused: message },
    );
  }
  return new PermafrostError(
    'WEIGHTS_FORMAT',
    `${file} is no sound file of torch.save: ${message}. Fetch or save it again.`,
    { file },
    { cause: error },
  );
}
