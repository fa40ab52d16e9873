import type { OnnxModel, OnnxNode, OnnxTensor } from './onnx-reader.js';

/** Computes a graph in float64 by the definitions of its operators, those that the project's graphs are made of. */
export function runOnnx(model: OnnxModel, feeds: Record<string, OnnxTensor>): OnnxTensor {
  const values = new Map(model.constants);
  for (const { name } of model.inputs) {
    if (feeds[name] === undefined) throw new Error(`no input ${name}`);
    values.set(name, feeds[name]);
  }
  for (const node of model.nodes) {
    const inputs = node.inputs.map((name) => {
      const value = values.get(name);
      if (value === undefined) throw new Error(`${node.op} takes ${name} before it is computed`);
      return value;
    });
    const compute = OPERATORS[node.op];
    if (compute === undefined) throw new Error(`no operator ${node.op}`);
    const results = [compute(inputs, node)].flat();
    for (const [index, name] of node.outputs.entries()) values.set(name, results[index]!);
  }
  return values.get(model.outputs[0]!.name)!;
}

/** A tensor of rows of one length. */
export function matrixOf(rows: readonly (readonly number[])[]): OnnxTensor {
  return { shape: [rows.length, rows[0]!.length], data: Float64Array.from(rows.flat()) };
}

type Operator = (inputs: OnnxTensor[], node: OnnxNode) => OnnxTensor | OnnxTensor[];

const sizeOf = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);
const list = (values: readonly number[]): OnnxTensor => ({
  shape: [values.length],
  data: Float64Array.from(values),
});

/** Strides of a shape, 0 along what is repeated to reach `wanted`. */
function stridesTo(shape: readonly number[], wanted: readonly number[]): number[] {
  const padded = [...Array<number>(wanted.length - shape.length).fill(1), ...shape];
  return padded.map((length, axis) => {
    if (length !== 1 && length !== wanted[axis]) throw new Error(`${shape} does not spread to ${wanted}`);
    return length === 1 ? 0 : sizeOf(padded.slice(axis + 1));
  });
}

function spreadShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) =>
    Math.max(...shapes.map((shape) => shape[axis - rank + shape.length] ?? 1)),
  );
}

/** The element that stands at a place of a larger shape. */
function reader({ shape, data }: OnnxTensor, wanted: readonly number[]): (at: number[], i: number) => number {
  const strides = stridesTo(shape, wanted);
  const repeats = shape.every((length, axis) => length === wanted[axis - shape.length + wanted.length]);
  return repeats ? (_, i) => data[i % data.length]! : (at) => data[offset(at, strides)]!;
}

/** A tensor of that shape, each element from its coordinates and its place. */
function build(shape: readonly number[], element: (at: number[], i: number) => number): OnnxTensor {
  const at = shape.map(() => 0);
  const data = new Float64Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    data[i] = element(at, i);
    for (let axis = shape.length - 1; axis >= 0 && ++at[axis]! === shape[axis]; axis--) at[axis] = 0;
  }
  return { shape: [...shape], data };
}

const offset = (at: readonly number[], strides: readonly number[]) =>
  strides.reduce((sum, stride, axis) => sum + stride * at[axis]!, 0);

const elementwise =
  (compute: (...values: number[]) => number): Operator =>
  (inputs) => {
    const shape = spreadShape(inputs.map((input) => input.shape));
    const read = inputs.map((input) => reader(input, shape));
    return build(shape, (at, i) => compute(...read.map((each) => each(at, i))));
  };

const axisOf = (axis: number, { shape }: OnnxTensor) => (axis < 0 ? axis + shape.length : axis);

function matMul([a, b]: OnnxTensor[]): OnnxTensor {
  const outer = spreadShape([a!.shape.slice(0, -2), b!.shape.slice(0, -2)]);
  const [rows, inner] = a!.shape.slice(-2) as [number, number];
  const [height, columns] = b!.shape.slice(-2) as [number, number];
  if (inner !== height) throw new Error(`MatMul of ${a!.shape} and ${b!.shape}`);
  // Where the matrices of each product begin.
  const bases = ({ shape }: OnnxTensor) => {
    const strides = stridesTo(shape.slice(0, -2), outer).map((stride) => stride * sizeOf(shape.slice(-2)));
    return build(outer, (at) => offset(at, strides)).data;
  };
  const [left, right] = [bases(a!), bases(b!)];
  const data = new Float64Array(left.length * rows * columns);
  for (let i = 0, to = 0; i < left.length; i++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, to++) {
        const [from, by] = [left[i]! + row * inner, right[i]! + column];
        for (let k = 0; k < inner; k++) data[to]! += a!.data[from + k]! * b!.data[by + k * columns]!;
      }
    }
  }
  return { shape: [...outer, rows, columns], data };
}

/** Rows along the last axis, each replaced. */
function byRow(x: OnnxTensor, compute: (row: Float64Array) => Float64Array): OnnxTensor {
  const width = x.shape.at(-1)!;
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i += width) data.set(compute(x.data.subarray(i, i + width)), i);
  return { shape: x.shape, data };
}

function reshape([x, wanted]: OnnxTensor[]): OnnxTensor {
  const shape = [...wanted!.data].map((length, axis) => (length === 0 ? x!.shape[axis]! : length));
  const rest = shape.indexOf(-1);
  if (rest >= 0) shape[rest] = x!.data.length / -sizeOf(shape);
  return { shape, data: x!.data };
}

/** Abramowitz and Stegun 7.1.5 where it converges fast, else 1: to 1e-15. */
function erf(x: number): number {
  if (Math.abs(x) > 5.8) return Math.sign(x);
  let [sum, term] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const OPERATORS: Record<string, Operator> = {
  Add: elementwise((a, b) => a! + b!),
  Sub: elementwise((a, b) => a! - b!),
  Mul: elementwise((a, b) => a! * b!),
  Div: elementwise((a, b) => a! / b!),
  Round: elementwise((a) => halfToEven(a!)),
  Min: elementwise((a, b) => Math.min(a!, b!)),
  Max: elementwise((a, b) => Math.max(a!, b!)),
  Equal: elementwise((a, b) => Number(a === b)),
  Not: elementwise((a) => Number(a === 0)),
  Where: elementwise((isSo, a, b) => (isSo ? a! : b!)),
  Erf: elementwise((a) => erf(a!)),
  Tanh: elementwise((a) => Math.tanh(a!)),
  Relu: elementwise((a) => Math.max(a!, 0)),
  Identity: ([x]) => x!,
  Cast([x], { attributes }) {
    // A byte holds no others, and float64 all of the other types.
    if (attributes.to === 2 && x!.data.some((value) => value < 0 || value > 255 || value % 1 !== 0)) {
      throw new Error('no whole numbers of 8 bits');
    }
    return attributes.to === 9 ? { shape: x!.shape, data: x!.data.map((value) => Number(value !== 0)) } : x!;
  },
  MatMul: matMul,
  Reshape: reshape,
  Transpose([x], { attributes }) {
    const perm = attributes.perm as number[];
    const strides = stridesTo(x!.shape, x!.shape);
    return build(
      perm.map((axis) => x!.shape[axis]!),
      (at) => x!.data[perm.reduce((sum, axis, i) => sum + strides[axis]! * at[i]!, 0)]!,
    );
  },
  Softmax: ([x]) =>
    byRow(x!, (row) => {
      const largest = Math.max(...row);
      const powers = row.map((value) => Math.exp(value - largest));
      const sum = powers.reduce((total, value) => total + value, 0);
      return powers.map((value) => value / sum);
    }),
  LayerNormalization([x, scale, bias], { attributes }) {
    return byRow(x!, (row) => {
      const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
      const root = Math.sqrt(variance + (attributes.epsilon as number));
      return row.map((value, i) => ((value - mean) / root) * scale!.data[i]! + bias!.data[i]!);
    });
  },
  Shape: ([x], { attributes: { start = 0, end } }) =>
    list(x!.shape.slice(start as number, end as number | undefined)),
  Slice([x, starts, ends, axes = list([0])]) {
    if (starts!.data.length !== 1 || axes.data[0] !== 0) throw new Error('only along the first axis');
    const [begin, end] = [starts!.data[0]!, Math.min(ends!.data[0]!, x!.shape[0]!)];
    const width = sizeOf(x!.shape.slice(1));
    return { shape: [end - begin, ...x!.shape.slice(1)], data: x!.data.slice(begin * width, end * width) };
  },
  Squeeze: ([x]) => ({ shape: x!.shape.filter((length) => length !== 1), data: x!.data }),
  Unsqueeze([x, axes]) {
    const shape = [...x!.shape];
    for (const axis of axes!.data) shape.splice(axis, 0, 1);
    return { shape, data: x!.data };
  },
  Concat: (inputs) => list(inputs.flatMap(({ data }) => [...data])),
  Expand([x, wanted]) {
    const shape = spreadShape([x!.shape, [...wanted!.data]]);
    const strides = stridesTo(x!.shape, shape);
    return build(shape, (at) => x!.data[offset(at, strides)]!);
  },
  Range([start, limit, delta]) {
    const count = Math.max(0, Math.ceil((limit!.data[0]! - start!.data[0]!) / delta!.data[0]!));
    return list(Array.from({ length: count }, (_, i) => start!.data[0]! + i * delta!.data[0]!));
  },
  CumSum([x, axis]) {
    if (axisOf(axis!.data[0]!, x!) !== x!.shape.length - 1) throw new Error('only along the last axis');
    return byRow(x!, (row) => {
      let sum = 0;
      return row.map((value) => (sum += value));
    });
  },
  Gather([table, numbers]) {
    const width = sizeOf(table!.shape.slice(1));
    const data = new Float64Array(numbers!.data.length * width);
    for (const [i, number] of numbers!.data.entries()) {
      if (number < 0 || number >= table!.shape[0]!) throw new Error(`row ${number} of ${table!.shape[0]}`);
      data.set(table!.data.subarray(number * width, (number + 1) * width), i * width);
    }
    return { shape: [...numbers!.shape, ...table!.shape.slice(1)], data };
  },
  GatherElements([x, numbers], { attributes }) {
    const axis = axisOf(attributes.axis as number, x!);
    const strides = stridesTo(x!.shape, x!.shape);
    const own = stridesTo(numbers!.shape, numbers!.shape);
    return build(numbers!.shape, (at) => {
      const from = [...at];
      from[axis] = numbers!.data[offset(at, own)]!;
      return x!.data[offset(from, strides)]!;
    });
  },
  ReduceMax: ([x], node) => reduceLast(x!, node, Math.max),
  ReduceMin: ([x], node) => reduceLast(x!, node, Math.min),
  MatMulInteger([a, b, zeroOfA, zeroOfB]) {
    const shifted = ({ shape, data }: OnnxTensor, zero: OnnxTensor) => ({
      shape,
      data: data.map((value) => value - zero.data[0]!),
    });
    return matMul([shifted(a!, zeroOfA!), shifted(b!, zeroOfB!)]);
  },
};

/** Along the last axis, which stays with a length of 1. */
function reduceLast(
  x: OnnxTensor,
  { attributes }: OnnxNode,
  choose: (...row: number[]) => number,
): OnnxTensor {
  if (`${attributes.axes}` !== '-1') throw new Error('only along the last axis');
  const width = x.shape.at(-1)!;
  const data = Float64Array.from({ length: x.data.length / width }, (_, i) =>
    choose(...x.data.subarray(i * width, (i + 1) * width)),
  );
  return { shape: [...x.shape.slice(0, -1), 1], data };
}

function halfToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
