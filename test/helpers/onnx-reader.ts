import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Field, fieldsOf, floatOf, integersOf, textOf } from '../../src/io/protobuf.js';

/** A tensor of any type; float64 holds them all. */
export interface OnnxTensor {
  shape: number[];
  data: Float64Array;
}

export interface OnnxNode {
  op: string;
  inputs: string[];
  outputs: string[];
  attributes: Record<string, number | number[]>;
}

export interface OnnxModel {
  opset: number;
  inputs: { name: string; shape: (number | string)[] }[];
  outputs: { name: string; shape: (number | string)[] }[];
  nodes: OnnxNode[];
  constants: Map<string, OnnxTensor>;
}

// Numbers of fields as onnx.proto has them, independently of the code under test.

/** Reads an ONNX file with what lies beside it. */
export function readOnnx(file: string): OnnxModel {
  const model = groups(readFileSync(file));
  const graph = groups(one(model, 7).bytes);
  const constants = all(graph, 5).map(({ bytes }) => tensorOf(bytes, dirname(file)));
  return {
    opset: one(groups(one(model, 8).bytes), 2).value,
    inputs: all(graph, 11).map(({ bytes }) => valueInfo(bytes)),
    outputs: all(graph, 12).map(({ bytes }) => valueInfo(bytes)),
    nodes: all(graph, 1).map(({ bytes }) => nodeOf(bytes)),
    constants: new Map(constants),
  };
}

type Groups = Map<number, Field[]>;

function groups(bytes: Uint8Array): Groups {
  const result: Groups = new Map();
  for (const field of fieldsOf(bytes)) {
    result.set(field.number, [...(result.get(field.number) ?? []), field]);
  }
  return result;
}

const all = (message: Groups, number: number) => message.get(number) ?? [];

function one(message: Groups, number: number): Field {
  const found = all(message, number);
  if (found.length !== 1) throw new Error(`expected one field ${number}, found ${found.length}`);
  return found[0]!;
}

function nodeOf(bytes: Uint8Array): OnnxNode {
  const node = groups(bytes);
  const attributes = all(node, 5).map((field) => {
    const attribute = groups(field.bytes);
    const type = one(attribute, 20).value;
    const value =
      type === 1
        ? floatOf(one(attribute, 2))
        : type === 2
          ? one(attribute, 3).value
          : all(attribute, 8).flatMap(integersOf);
    return [textOf(one(attribute, 1)), value] as const;
  });
  return {
    op: textOf(one(node, 4)),
    inputs: all(node, 1).map(textOf),
    outputs: all(node, 2).map(textOf),
    attributes: Object.fromEntries(attributes),
  };
}

function valueInfo(bytes: Uint8Array): { name: string; shape: (number | string)[] } {
  const value = groups(bytes);
  const type = groups(one(groups(one(value, 2).bytes), 1).bytes);
  const shape = all(groups(one(type, 2).bytes), 1).map((field) => {
    const dimension = groups(field.bytes);
    return dimension.has(2) ? textOf(one(dimension, 2)) : one(dimension, 1).value;
  });
  return { name: textOf(one(value, 1)), shape };
}

function tensorOf(bytes: Uint8Array, directory: string): [string, OnnxTensor] {
  const tensor = groups(bytes);
  const raw = tensor.has(13) ? outside(tensor, directory) : one(tensor, 9).bytes;
  const shape = all(tensor, 1).flatMap(integersOf);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const [size, read] = READERS[one(tensor, 2).value]!;
  const count = shape.reduce((product, length) => product * length, 1);
  if (count * size !== raw.byteLength) throw new Error(`${raw.byteLength} bytes for the shape ${shape}`);
  const data = Float64Array.from({ length: count }, (_, i) => read(view, i * size));
  return [textOf(one(tensor, 8)), { shape, data }];
}

const READERS: Record<number, [bytes: number, read: (view: DataView, at: number) => number]> = {
  1: [4, (view, at) => view.getFloat32(at, true)],
  2: [1, (view, at) => view.getUint8(at)],
  3: [1, (view, at) => view.getInt8(at)],
  6: [4, (view, at) => view.getInt32(at, true)],
  7: [8, (view, at) => Number(view.getBigInt64(at, true))],
};

function outside(tensor: Groups, directory: string): Uint8Array {
  const entries = all(tensor, 13).map(({ bytes }) => {
    const entry = groups(bytes);
    return [textOf(one(entry, 1)), textOf(one(entry, 2))];
  });
  const { location, offset, length } = Object.fromEntries(entries);
  return readFileSync(join(directory, location)).subarray(Number(offset), Number(offset) + Number(length));
}
