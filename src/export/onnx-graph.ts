import { bytesOf } from '../io/bytes-of.js';
/** Types of elements, by ONNX's names and numbers (TensorProto.DataType). */
export const ELEMENT_TYPES = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = {
  float: 4,
  uint8: 1,
  int8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
};

const ARRAYS = {
  float: (values: readonly number[]) => Float32Array.from(values),
  int64: (values: readonly number[]) => BigInt64Array.from(values, (value) => BigInt(value)),
  uint8: (values: readonly number[]) => Uint8Array.from(values),
};

/** Whole numbers, or a float as such: 1 could be either. */
export type Attribute = number | readonly number[] | { float: number };

export interface GraphNode {
  op: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: Readonly<Record<string, Attribute>>;
}

/** A constant of the graph. */
export interface Initializer {
  name: string;
  type: ElementType;
  shape: readonly number[];
  byteLength: number;
  /** Its elements, row by row, little-endian; each call reads them anew. */
  pieces(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** What goes in or comes out; a size without a number has a name and is any. */
export interface GraphValue {
  name: string;
  type: ElementType;
  shape: readonly (number | string)[];
}

/** An ONNX graph as it is put together, node after node, each behind those that it takes from. */
export class Graph {
  readonly nodes: GraphNode[] = [];
  readonly initializers: Initializer[] = [];
  readonly inputs: GraphValue[] = [];
  readonly outputs: GraphValue[] = [];
  /** Stands before the names of what is added, for who reads the graph. */
  scope = '';
  readonly #constants = new Map<string, string>();

  input(name: string, type: ElementType, shape: GraphValue['shape']): string {
    this.inputs.push({ name, type, shape });
    return name;
  }

  output(name: string, type: ElementType, shape: GraphValue['shape']): void {
    this.outputs.push({ name, type, shape });
  }

  /** Adds an operator and names its only output. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: GraphNode['attributes'] = {},
    name = this.#valueName(op),
  ): string {
    this.nodes.push({ op, inputs, outputs: [name], attributes });
    return name;
  }

  /** The same for an operator of several outputs. */
  nodeOf(count: number, op: string, inputs: readonly string[]): string[] {
    const name = this.#valueName(op);
    const outputs = Array.from({ length: count }, (_, index) => `${name}.${index}`);
    this.nodes.push({ op, inputs, outputs, attributes: {} });
    return outputs;
  }

  /** A constant whose elements come when the graph is written. */
  initializer(
    name: string,
    type: ElementType,
    shape: readonly number[],
    pieces: Initializer['pieces'],
  ): string {
    const byteLength = shape.reduce((product, size) => product * size, ELEMENT_BYTES[type]);
    this.initializers.push({ name, type, shape, byteLength, pieces });
    return name;
  }

  /** A number; one constant for all places that need it. */
  scalar(type: 'float' | 'int64' | 'uint8', value: number): string {
    return this.#constant(type, [], [value]);
  }

  /** A list of whole numbers, such as axes or sizes. */
  list(...values: number[]): string {
    return this.#constant('int64', [values.length], values);
  }

  #constant(type: 'float' | 'int64' | 'uint8', shape: readonly number[], values: readonly number[]): string {
    const key = `${type} ${shape.length} ${values.join()}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const bytes = bytesOf(ARRAYS[type](values));
    const name = this.initializer(`constant_${this.#constants.size}`, type, shape, () => [bytes]);
    this.#constants.set(key, name);
    return name;
  }

  #valueName(op: string): string {
    return `${this.scope}${op}_${this.nodes.length}`;
  }
}
