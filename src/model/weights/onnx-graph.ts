import { dirname, join } from 'node:path';
import { PermafrostError } from '../../errors/error.js';
import { isLfsPointer, LFS_POINTER, LFS_POINTER_BYTES } from '../../io/git-lfs.js';
import {
  type Field,
  type FieldRange,
  fieldRanges,
  fieldsOf,
  floatOf,
  integersOf,
  WIRE,
} from '../../io/protobuf.js';
import { ELEMENT_BYTES, type ReadBytes, withWeights } from './stored-tensor.js';

// Numbers of the fields in onnx.proto, of the messages that are read.
const MODEL = { graph: 7 } as const;
const GRAPH = { node: 1, initializer: 5 } as const;
const NODE = { input: 1, output: 2, operation: 4, attribute: 5 } as const;
const ATTRIBUTE = { name: 1, float: 2, integer: 3, tensor: 5, integers: 8 } as const;
const TENSOR = {
  dims: 1,
  type: 2,
  floats: 4,
  int32s: 5,
  name: 8,
  raw: 9,
  external: 13,
  location: 14,
} as const;
const ENTRY = { key: 1, value: 2 } as const;

/** Types of elements by their numbers in onnx.proto. */
const TYPES: Readonly<Record<number, string>> = {
  1: 'F32',
  2: 'U8',
  3: 'I8',
  5: 'I16',
  6: 'I32',
  7: 'I64',
  9: 'BOOL',
  10: 'F16',
  11: 'F64',
  16: 'BF16',
};

/** Bytes of the longest name, and of the largest tensor whose numbers are read at once. */
const MAX_NAME_BYTES = 2 ** 16;
const MAX_SMALL_BYTES = 2 ** 24;
/** What is read ahead of a file of many small messages. */
const READ_AHEAD = 2 ** 18;

/** A tensor of numbers that the file holds. */
export interface OnnxTensor {
  name: string;
  /** As safetensors names it; another word for what is no number. */
  dtype: string;
  shape: number[];
  /** Where its elements lie, row by row; null where they are written one by one. */
  place: { file: string; begin: number; end: number } | null;
  /** Its elements, for tensors that are small. */
  numbers(): Promise<number[]>;
}

export interface OnnxNode {
  operation: string;
  inputs: string[];
  outputs: string[];
  /** Attributes that are numbers. */
  attributes: ReadonlyMap<string, number[]>;
}

export interface OnnxGraph {
  nodes: OnnxNode[];
  /** Initializers and constants by name. */
  tensors: Map<string, OnnxTensor>;
}

/**
 * Reads what an ONNX file says of its weights: the operations, and where the tensors lie.
 *
 * @throws WEIGHTS_FORMAT
 */
export async function readOnnxGraph(file: string, size: number, read: ReadBytes): Promise<OnnxGraph> {
  if (isLfsPointer(await read(0, Math.min(size, LFS_POINTER_BYTES))))
    throw new PermafrostError('WEIGHTS_FORMAT', `${file} ${LFS_POINTER}.`, { file });
  try {
    return await new GraphReader(file, ahead(read, size)).model(size);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw damagedOnnx(file, error.message);
  }
}

export function damagedOnnx(file: string, what: string): PermafrostError {
  return new PermafrostError(
    'WEIGHTS_FORMAT',
    `${file} is not a sound ONNX file: ${what}. Fetch or export it again.`,
    { file },
  );
}

class GraphReader {
  readonly #file: string;
  readonly #read: ReadBytes;
  readonly #graph: OnnxGraph = { nodes: [], tensors: new Map() };

  constructor(file: string, read: ReadBytes) {
    this.#file = file;
    this.#read = read;
  }

  async model(size: number): Promise<OnnxGraph> {
    for await (const field of fieldRanges(this.#read, 0, size)) {
      if (field.number === MODEL.graph && field.wire === WIRE.bytes) await this.#readGraph(field);
    }
    if (this.#graph.nodes.length === 0) throw new SyntaxError('it has no operations');
    return this.#graph;
  }

  async #readGraph(graph: FieldRange): Promise<void> {
    for await (const field of this.#fields(graph)) {
      if (field.number === GRAPH.node) await this.#readNode(field);
      if (field.number === GRAPH.initializer) this.#keep(await this.#tensor(field));
    }
  }

  async #readNode(message: FieldRange): Promise<void> {
    const node = { operation: '', inputs: [] as string[], outputs: [] as string[], attributes: new Map() };
    const constants: OnnxTensor[] = [];
    for await (const field of this.#fields(message)) {
      if (field.number === NODE.input) node.inputs.push(await this.#text(field));
      if (field.number === NODE.output) node.outputs.push(await this.#text(field));
      if (field.number === NODE.operation) node.operation = await this.#text(field);
      if (field.number !== NODE.attribute) continue;
      let name = '';
      const numbers: number[] = [];
      for await (const part of this.#fields(field)) {
        if (part.number === ATTRIBUTE.name) name = await this.#text(part);
        if (part.number === ATTRIBUTE.integer || part.number === ATTRIBUTE.integers)
          for (const one of integersOf(await this.#small(part))) numbers.push(one);
        if (part.number === ATTRIBUTE.float) numbers.push(floatOf(await this.#small(part)));
        if (part.number === ATTRIBUTE.tensor) constants.push(await this.#tensor(part));
      }
      node.attributes.set(name, numbers);
    }
    this.#graph.nodes.push(node);
    const [output] = node.outputs;
    if (node.operation !== 'Constant' || output === undefined) return;
    for (const constant of constants) this.#keep({ ...constant, name: output });
  }

  async #tensor(message: FieldRange): Promise<OnnxTensor> {
    const tensor = { name: '', dtype: '', shape: [] as number[] };
    let place: OnnxTensor['place'] = null;
    const entries = new Map<string, string>();
    const own = (field: FieldRange) => ({ file: this.#file, begin: field.begin, end: field.end });
    for await (const field of this.#fields(message)) {
      if (field.number === TENSOR.name) tensor.name = await this.#text(field);
      if (field.number === TENSOR.type) tensor.dtype = TYPES[field.value] ?? `of number ${field.value}`;
      if (field.number === TENSOR.dims)
        for (const size of integersOf(await this.#small(field))) tensor.shape.push(size);
      if (field.number === TENSOR.raw) place = own(field);
      // Floats that are packed lie there as raw ones do.
      if (field.number === TENSOR.floats && field.wire === WIRE.bytes) place = own(field);
      if (field.number === TENSOR.external) {
        const pair = [...fieldsOf((await this.#small(field)).bytes)];
        const textOf = (number: number) =>
          Buffer.from(pair.find((part) => part.number === number)?.bytes ?? []).toString('utf8');
        entries.set(textOf(ENTRY.key), textOf(ENTRY.value));
      }
    }
    return this.#checked(tensor, entries.size > 0 ? this.#elsewhere(tensor, entries) : place, message);
  }

  #checked(
    tensor: Pick<OnnxTensor, 'name' | 'dtype' | 'shape'>,
    place: OnnxTensor['place'],
    message: FieldRange,
  ): OnnxTensor {
    const { name, dtype, shape } = tensor;
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0))
      throw new SyntaxError(`tensor '${name}' has no valid shape`);
    const expected = bytesOf(tensor);
    if (place !== null && expected !== null && place.end - place.begin !== expected) {
      throw new SyntaxError(
        `tensor '${name}' of type ${dtype} and shape [${shape}] needs ${expected} bytes, but holds ${place.end - place.begin}`,
      );
    }
    const numbers = async () => {
      if (place === null) return integersIn(await this.#small(message));
      const { file, begin, end } = place;
      if (end - begin > MAX_SMALL_BYTES) throw new SyntaxError(`tensor '${name}' has ${end - begin} bytes`);
      const bytes =
        file === this.#file
          ? await this.#read(begin, end - begin)
          : await withWeights(file, (_, read) => read(begin, end - begin));
      return numbersIn(bytes, tensor);
    };
    return { ...tensor, place, numbers };
  }

  /** Weights beside the file, which is how those beyond two gigabytes are kept. */
  #elsewhere(
    tensor: Pick<OnnxTensor, 'name' | 'dtype' | 'shape'>,
    entries: ReadonlyMap<string, string>,
  ): OnnxTensor['place'] {
    const location = entries.get('location') ?? '';
    const begin = Number(entries.get('offset') ?? 0);
    const length = Number(entries.get('length') ?? bytesOf(tensor) ?? 0);
    // The file lies beside this one; a path to somewhere else is not followed.
    if (location === '' || /[/\\]|^\.\.?$/.test(location) || ![begin, length].every(isCount))
      throw new SyntaxError(`tensor '${tensor.name}' has no valid place outside of the file`);
    return { file: join(dirname(this.#file), location), begin, end: begin + length };
  }

  #keep(tensor: OnnxTensor): void {
    if (tensor.name !== '') this.#graph.tensors.set(tensor.name, tensor);
  }

  #fields(message: FieldRange): AsyncGenerator<FieldRange> {
    return fieldRanges(this.#read, message.begin, message.end);
  }

  async #text(field: FieldRange): Promise<string> {
    if (field.end - field.begin > MAX_NAME_BYTES)
      throw new SyntaxError(`a name at byte ${field.begin} has ${field.end - field.begin} bytes`);
    return (await this.#read(field.begin, field.end - field.begin)).toString('utf8');
  }

  async #small(field: FieldRange): Promise<Field> {
    if (field.end - field.begin > MAX_SMALL_BYTES)
      throw new SyntaxError(`numbers at byte ${field.begin} have ${field.end - field.begin} bytes`);
    return { ...field, bytes: await this.#read(field.begin, field.end - field.begin) };
  }
}

/** Bytes that a tensor's elements need; null for types whose width is unknown. */
function bytesOf({ dtype, shape }: Pick<OnnxTensor, 'dtype' | 'shape'>): number | null {
  const width = ELEMENT_BYTES[dtype];
  return width === undefined ? null : shape.reduce((product, size) => product * size, width);
}

/** Numbers that are written one by one. */
function integersIn(message: Field): number[] {
  return [...fieldsOf(message.bytes)].filter(({ number }) => number === TENSOR.int32s).flatMap(integersOf);
}

function numbersIn(bytes: Buffer, { name, dtype }: Pick<OnnxTensor, 'name' | 'dtype'>): number[] {
  const get = {
    F32: (at: number) => bytes.readFloatLE(at),
    I32: (at: number) => bytes.readInt32LE(at),
    I8: (at: number) => bytes.readInt8(at),
    U8: (at: number) => bytes.readUInt8(at),
  }[dtype];
  if (get === undefined) throw new SyntaxError(`tensor '${name}' is of type ${dtype}`);
  const width = ELEMENT_BYTES[dtype]!;
  return Array.from({ length: bytes.length / width }, (_, i) => get(i * width));
}

/** Reads of small pieces that lie close together, by fewer of the file. */
function ahead(read: ReadBytes, size: number): ReadBytes {
  let start = 0;
  let window: Buffer = Buffer.alloc(0);
  return async (position, length) => {
    if (length > READ_AHEAD) return read(position, length);
    if (position < start || position + length > start + window.length) {
      window = await read(position, Math.min(READ_AHEAD, size - position));
      start = position;
    }
    return window.subarray(position - start, position - start + length);
  };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
