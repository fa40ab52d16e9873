import { writeFileSync } from 'node:fs';
import { messageBytes, ProtobufWriter } from '../../src/io/protobuf.js';
import type { RawTensor } from './safetensors-file.js';

/** How an exporter writes weights: as they are, or in eight bits by scales for a tensor or for a column. */
export type OnnxForm = 'fp32' | 'uint8' | 'int8 by column' | 'dequantized first' | 'gemm' | 'int8 by row';

interface Quantized {
  bytes: Uint8Array;
  scales: number[];
  zeros: number[];
  /** What the bytes stand for, in the order of the matrix that was given. */
  values: Float32Array;
}

const TYPES: Readonly<Record<string, number>> = { F32: 1, U8: 2, I8: 3, I32: 6, I64: 7 };

/** A model of operations that only names and lays out weights as exporters do; what it computes is nothing. */
export class OnnxFile {
  readonly #nodes: ProtobufWriter[] = [];
  readonly #initializers: ProtobufWriter[] = [];
  /** What every parameter comes to, by its name. */
  readonly expected = new Map<string, Float32Array>();
  #count = 100;

  constructor(tensors: readonly RawTensor[], form: OnnxForm) {
    const biases = new Set(tensors.map(({ name }) => name).filter((name) => name.endsWith('.bias')));
    for (const tensor of tensors) {
      const values = floatsOf(tensor);
      this.expected.set(tensor.name, values);
      const bias = tensor.name.replace(/weight$/, 'bias');
      if (tensor.shape.length !== 2) this.#tensor(tensor.name, 'F32', tensor.shape, tensor.bytes);
      else if (tensor.name.endsWith('.weight') && biases.has(bias)) this.#linear(tensor, bias, form);
      else this.#table(tensor, form);
    }
  }

  node(
    operation: string,
    inputs: string[],
    outputs: string[],
    attributes: Record<string, number> = {},
  ): void {
    const node = new ProtobufWriter();
    for (const input of inputs) node.text(1, input);
    for (const output of outputs) node.text(2, output);
    node.text(4, operation);
    for (const [name, value] of Object.entries(attributes))
      node.message(5, new ProtobufWriter().text(1, name).integer(3, value).integer(20, 2));
    this.#nodes.push(node);
  }

  bytes(): Uint8Array {
    const graph = new ProtobufWriter();
    for (const node of this.#nodes) graph.message(1, node);
    for (const initializer of this.#initializers) graph.message(5, initializer);
    return messageBytes(new ProtobufWriter().integer(1, 8).message(7, graph));
  }

  write(file: string): void {
    writeFileSync(file, this.bytes());
  }

  /** x W + b, where W is the transpose of what Hugging Face keeps. */
  #linear({ name, shape }: RawTensor, bias: string, form: OnnxForm): void {
    const [out, size] = shape as [number, number];
    const number = this.#count++;
    const matrix = `onnx::MatMul_${number}`;
    const [x, product, sum] = [`/x_${number}`, `/product_${number}`, `/sum_${number}`];
    const values = this.expected.get(name)!;
    const turned = transposed(values, out, size);
    if (form === 'gemm') {
      this.#floats(matrix, shape, values);
      this.node('Gemm', [x, matrix, bias], [sum], { transB: 1 });
      return;
    }
    if (form === 'fp32') {
      this.#floats(matrix, [size, out], turned);
      this.node('MatMul', [x, matrix], [product]);
    } else {
      const isSigned = form !== 'uint8';
      const columns = form === 'int8 by column' ? out : 1;
      const quantized = quantize(turned, size, out, columns, isSigned);
      this.expected.set(name, transposed(quantized.values, size, out));
      this.#quantized(matrix, [size, out], quantized, isSigned);
      const parts = ['quantized', 'scale', 'zero_point'].map((part) => `${matrix}_${part}`);
      if (form === 'dequantized first') {
        this.node('DequantizeLinear', parts, [`/w_${number}`]);
        this.node('MatMul', [x, `/w_${number}`], [product]);
      } else {
        const [integers, scales, cast] = [`/i_${number}`, `/s_${number}`, `/c_${number}`];
        this.node('MatMulInteger', [x, parts[0]!, '/x_zero', parts[2]!], [integers]);
        this.node('Cast', [integers], [cast], { to: 1 });
        this.node('Mul', ['/x_scale', parts[1]!], [scales]);
        this.node('Mul', [cast, scales], [product]);
      }
    }
    this.node('Add', [bias, product], [sum]);
  }

  #table({ name, shape }: RawTensor, form: OnnxForm): void {
    const rows = `/rows_${this.#count++}`;
    const values = this.expected.get(name)!;
    if (form === 'fp32' || form === 'gemm') {
      this.#floats(name, shape, values);
      this.node('Gather', [name, 'input_ids'], [rows]);
      return;
    }
    const isSigned = form !== 'uint8';
    const [count, size] = shape as [number, number];
    const byRow = form === 'int8 by row';
    const quantized = byRow
      ? quantize(transposed(values, count, size), size, count, count, true, true)
      : quantize(values, count, size, 1, isSigned);
    if (byRow) {
      quantized.values = transposed(quantized.values, size, count);
      quantized.bytes = new Uint8Array(transposed(new Int8Array(quantized.bytes.buffer), size, count).buffer);
    }
    this.expected.set(name, quantized.values);
    this.#quantized(name, shape, quantized, isSigned);
    this.node('Gather', [`${name}_quantized`, 'input_ids'], [`${rows}_q`]);
    if (byRow) {
      this.node('Cast', [`${rows}_q`], [`${rows}_c`], { to: 1 });
      this.node('Gather', [`${name}_scale`, 'input_ids'], [`${rows}_s`]);
      this.node('Mul', [`${rows}_c`, `${rows}_s`], [rows]);
    } else this.node('DequantizeLinear', [`${rows}_q`, `${name}_scale`, `${name}_zero_point`], [rows]);
  }

  #quantized(name: string, shape: number[], { bytes, scales, zeros }: Quantized, isSigned: boolean): void {
    const type = isSigned ? 'I8' : 'U8';
    this.#tensor(`${name}_quantized`, type, shape, bytes);
    const dims = scales.length === 1 ? [] : [scales.length];
    this.#initializers.push(
      tensorHead(`${name}_scale`, 'F32', dims).bytes(4, new Uint8Array(Float32Array.from(scales).buffer)),
      tensorHead(`${name}_zero_point`, type, dims).integers(5, zeros),
    );
  }

  #floats(name: string, shape: number[], values: Float32Array): void {
    this.#tensor(name, 'F32', shape, new Uint8Array(values.slice().buffer));
  }

  #tensor(name: string, type: string, shape: number[], bytes: Uint8Array): void {
    this.#initializers.push(tensorHead(name, type, shape).bytes(9, bytes));
  }
}

function tensorHead(name: string, type: string, shape: number[]): ProtobufWriter {
  return new ProtobufWriter().integers(1, shape).integer(2, TYPES[type]!).text(8, name);
}

/** Rounds a matrix to eight bits; `columns` scales, one for all or one a column. */
function quantize(
  values: Float32Array,
  rows: number,
  size: number,
  columns: number,
  isSigned: boolean,
  isSymmetric = false,
): Quantized {
  const scales: number[] = [];
  const zeros: number[] = [];
  for (let c = 0; c < columns; c++) {
    const most = values.reduce(
      (m, x, i) => (columns === 1 || i % size === c ? Math.max(m, Math.abs(x)) : m),
      1e-3,
    );
    scales.push(Math.fround(most / 100));
    zeros.push(isSymmetric ? 0 : (isSigned ? 0 : 128) + (c % 5) - 2);
  }
  const bytes = new Uint8Array(rows * size);
  const signed = new Int8Array(bytes.buffer);
  const result = new Float32Array(rows * size);
  for (let i = 0; i < result.length; i++) {
    const c = columns === 1 ? 0 : i % size;
    const zero = zeros[c]!;
    const stored = Math.round(values[i]! / scales[c]!) + zero;
    if (isSigned) signed[i] = stored;
    else bytes[i] = stored;
    result[i] = (stored - zero) * scales[c]!;
  }
  return { bytes, scales, zeros, values: result };
}

function transposed<T extends Float32Array | Int8Array>(values: T, rows: number, columns: number): T {
  const result = values.slice() as T;
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) result[c * rows + r] = values[r * columns + c]!;
  return result;
}

function floatsOf({ bytes }: RawTensor): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}
