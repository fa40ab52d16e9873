import { type PickleGlobal, type PickleReader, type PickleValue, RefusedPickle } from './pickle.js';

/** Storage of the numbers that one or more tensors view. */
export interface TorchStorage {
  /** Name of the record that holds it. */
  key: string;
  dtype: string;
  /** Elements. */
  count: number;
}

/** A tensor as torch.save describes it: a view of a storage. Sizes, strides and offset count elements. */
export interface TorchTensor {
  storage: TorchStorage;
  offset: number;
  shape: number[];
  strides: number[];
}

/** No tensor of a model comes near it. */
const MOST_DIMENSIONS = 16;

/** Types of elements by the names of their storages. */
const STORAGES: Readonly<Record<string, string>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

class StorageType {
  constructor(readonly dtype: string) {}
}
class Storage implements TorchStorage {
  constructor(
    readonly key: string,
    readonly dtype: string,
    readonly count: number,
  ) {}
}
class Tensor implements TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

const GLOBALS = new Map<string, PickleGlobal>([
  ['collections.OrderedDict', { kind: 'function', call: orderedDict }],
  ['torch._utils._rebuild_tensor', { kind: 'function', call: tensorOf }],
  ['torch._utils._rebuild_tensor_v2', { kind: 'function', call: tensorOf }],
  ['torch._utils._rebuild_parameter', { kind: 'function', call: parameterOf }],
  ...Object.entries(STORAGES).flatMap(([name, dtype]): [string, PickleGlobal][] => {
    const type: PickleGlobal = { kind: 'constant', value: new StorageType(dtype) };
    return [
      [`torch.${name}`, type],
      [`torch.cuda.${name}`, type],
    ];
  }),
]);

/** All that a dictionary of tensors names. */
export const TORCH_READER: PickleReader = { globals: GLOBALS, persistent: storageOf };

/** Keys under which training programs keep a model's tensors, among other things. */
const WRAPPERS = ['state_dict', 'model_state_dict', 'model'];

/**
 * The tensors of a saved dictionary by name, in its order.
 *
 * @throws SyntaxError where it holds none
 */
export function stateDict(saved: PickleValue): [name: string, tensor: TorchTensor][] {
  const dictionaries = [saved, ...WRAPPERS.map((key) => (saved instanceof Map ? saved.get(key) : null))];
  for (const dictionary of dictionaries) {
    if (!(dictionary instanceof Map)) continue;
    const tensors = [...dictionary].filter(
      (entry): entry is [string, Tensor] => typeof entry[0] === 'string' && entry[1] instanceof Tensor,
    );
    if (tensors.length > 0) return tensors;
  }
  throw new SyntaxError('it holds no dictionary of tensors by name');
}

function orderedDict(args: readonly PickleValue[]): PickleValue {
  if (args.length > 0) throw new RefusedPickle('an OrderedDict made of a list');
  return new Map();
}

function parameterOf([tensor]: readonly PickleValue[]): PickleValue {
  if (!(tensor instanceof Tensor)) throw new SyntaxError('a parameter is made of no tensor');
  return tensor;
}

function tensorOf([storage, offset, shape, strides]: readonly PickleValue[]): PickleValue {
  const isCounts = (value: PickleValue | undefined): value is number[] =>
    Array.isArray(value) && value.length <= MOST_DIMENSIONS && value.every(isCount);
  if (!(storage instanceof Storage) || !isCount(offset) || !isCounts(shape) || !isCounts(strides))
    throw new SyntaxError('a tensor has no valid storage, offset, sizes and strides');
  if (shape.length !== strides.length) throw new SyntaxError('a tensor has other strides than sizes');
  const last = shape.reduce((at, size, axis) => at + (size - 1) * strides[axis]!, offset);
  if (!shape.includes(0) && last >= storage.count) {
    throw new SyntaxError(
      `a tensor of shape [${shape}] ends at element ${last}, beyond its storage of ${storage.count}`,
    );
  }
  return new Tensor(storage, offset, [...shape], [...strides]);
}

/** `('storage', type, key, location, count)`, and in old files a view of another storage. */
function storageOf(id: PickleValue): PickleValue {
  const [kind, type, key, , count, view = null] = Array.isArray(id) ? (id as PickleValue[]) : [];
  if (kind !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isCount(count))
    throw new SyntaxError('an object outside of the pickle is no storage of numbers');
  if (view !== null) throw new RefusedPickle('a storage that views another one');
  return new Storage(key, type.dtype, count);
}

function isCount(value: PickleValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
