import { bytesOf } from '../io/bytes-of.js';
import { inTurns, type Steps } from '../io/turns.js';
import type { GraphContext } from './encoder-graph.js';
import { ELEMENT_TYPES, type Graph } from './onnx-graph.js';
import { LARGEST, quantizeRows, rowScales } from './quantization.js';
import { readMatrix, type Weights } from './weights.js';

/** How a graph computes with the model's matrices, the large part of it; all else is float32 in either. */
export interface Arithmetic {
  /** x W^T + b of the linear map `name`; x of shape […, in], the result of shape […, out]. */
  linear(graph: Graph, x: string, name: string): string;
  /** Rows of the table `name` by their numbers. */
  rows(graph: Graph, name: string, numbers: string): string;
}

/** float32 throughout. */
export function floatArithmetic(weights: Weights): Arithmetic {
  return {
    linear(graph, x, name) {
      const product = graph.node('MatMul', [x, transposed(graph, weights, `${name}.weight`)]);
      return graph.node('Add', [product, tensor(graph, weights, `${name}.bias`)]);
    },
    rows: (graph, name, numbers) =>
      graph.node('Gather', [tensor(graph, weights, `${name}.weight`), numbers], { axis: 0 }),
  };
}

/** What goes into products, rounded to 8 bits. */
interface Rounded {
  /** uint8, in which {@link ZERO} stands for the centre. */
  values: string;
  /** Of each token: the middle of its numbers, and the step between two roundings. */
  centre: string;
  step: string;
}

/** What stands for 0 among numbers of 8 bits without a sign. */
const ZERO = 128;
/** Less than it no step is, so that nothing is divided by 0. */
const LEAST_STEP = 1e-30;

/**
 * Weights of 8 bits with one scale for each output of a map and each row of a table. What a product takes in is rounded
 * to 8 bits while it runs, each token over the range of its own numbers. `quantize_dynamic` of ONNX Runtime rounds
 * all tokens of a batch over one range, which outliers widen for all; so a token's scores would hang on its neighbours,
 * and be four times as far from those of float32.
 *
 * Both factors are of unsigned bits: processors without VNNI add pairs of products in 16 bits, which signed weights
 * of full range overflow.
 */
export function int8Arithmetic(weights: Weights, options: { tables: boolean }): Arithmetic {
  // One rounding for all products that take in the same: query, key and value.
  const known = new Map<string, Rounded>();
  return {
    linear(graph, x, name) {
      const rounded = known.get(x) ?? roundTokens(graph, x);
      known.set(x, rounded);
      const matrix = `${name}.weight`;
      const zero = graph.scalar('uint8', ZERO);
      const sums = graph.node('MatMulInteger', [
        rounded.values,
        transposedUint8(graph, weights, matrix),
        zero,
        zero,
      ]);
      const scales = graph.node('Mul', [rounded.step, scalesOf(graph, weights, matrix, [])]);
      const around = graph.node('Mul', [graph.node('Cast', [sums], { to: ELEMENT_TYPES.float }), scales]);
      const ofCentre = graph.node('Mul', [rounded.centre, rowSums(graph, weights, matrix)]);
      const product = graph.node('Add', [around, ofCentre]);
      return graph.node('Add', [product, tensor(graph, weights, `${name}.bias`)]);
    },
    rows(graph, name, numbers) {
      if (!options.tables) return floatArithmetic(weights).rows(graph, name, numbers);
      const table = `${name}.weight`;
      const values = graph.node('Gather', [tableInt8(graph, weights, table), numbers], { axis: 0 });
      const scales = graph.node('Gather', [scalesOf(graph, weights, table, [1]), numbers], { axis: 0 });
      return graph.node('Mul', [graph.node('Cast', [values], { to: ELEMENT_TYPES.float }), scales]);
    },
  };
}

/** x = centre + step · (values - {@link ZERO}), the values from 1 to 255, for each token along the last axis. */
function roundTokens(graph: Graph, x: string): Rounded {
  const number = (value: number) => graph.scalar('float', value);
  const high = graph.node('ReduceMax', [x], { axes: [-1] });
  const low = graph.node('ReduceMin', [x], { axes: [-1] });
  const centre = graph.node('Mul', [graph.node('Add', [high, low]), number(0.5)]);
  const range = graph.node('Sub', [high, low]);
  const step = graph.node('Max', [graph.node('Mul', [range, number(1 / (2 * LARGEST))]), number(LEAST_STEP)]);
  const steps = graph.node('Round', [graph.node('Div', [graph.node('Sub', [x, centre]), step])]);
  const shifted = graph.node('Add', [steps, number(ZERO)]);
  return { values: graph.node('Cast', [shifted], { to: ELEMENT_TYPES.uint8 }), centre, step };
}

export function layerNorm({ graph, config, weights }: GraphContext, x: string, name: string): string {
  const [scale, bias] = [tensor(graph, weights, `${name}.weight`), tensor(graph, weights, `${name}.bias`)];
  return graph.node('LayerNormalization', [x, scale, bias], {
    axis: -1,
    epsilon: { float: config.layerNormEps },
  });
}

/** A tensor as it is stored; one constant for all places that need it. */
export function tensor(graph: Graph, weights: Weights, name: string): string {
  return once(graph, name, () =>
    graph.initializer(name, 'float', weights.shapes.get(name)!, async function* () {
      for await (const rows of weights.rows(name)) yield bytesOf(rows);
    }),
  );
}

/** A matrix [out, in] as ONNX multiplies by it: [in, out]. */
function transposed(graph: Graph, weights: Weights, name: string): string {
  const [out, width] = weights.shapes.get(name) as [number, number];
  return once(graph, `${name}.T`, (own) =>
    graph.initializer(own, 'float', [width, out], async function* () {
      const matrix = await readMatrix(weights, name);
      yield bytesOf(await inTurns(transpose(matrix, out, new Float32Array(matrix.length))));
    }),
  );
}

function transposedUint8(graph: Graph, weights: Weights, name: string): string {
  const [out, width] = weights.shapes.get(name) as [number, number];
  return once(graph, `${name}.T_quantized`, (own) =>
    graph.initializer(own, 'uint8', [width, out], async function* () {
      const values = quantizeRows(await readMatrix(weights, name), width);
      yield await inTurns(transpose(values, out, new Uint8Array(values.length), ZERO));
    }),
  );
}

/** Sums of a matrix' rounded rows: what each output is where all that comes in is 1. */
function rowSums(graph: Graph, weights: Weights, name: string): string {
  const [rows, width] = weights.shapes.get(name) as [number, number];
  return once(graph, `${name}_sum`, (own) =>
    graph.initializer(own, 'float', [rows], async function* () {
      for await (const piece of weights.rows(name)) {
        const values = quantizeRows(piece, width);
        const sumOf = (row: number) =>
          values.subarray(row * width, (row + 1) * width).reduce((sum, value) => sum + value, 0);
        yield bytesOf(rowScales(piece, width).map((scale, row) => scale * sumOf(row)));
      }
    }),
  );
}

function tableInt8(graph: Graph, weights: Weights, name: string): string {
  const [rows, width] = weights.shapes.get(name) as [number, number];
  return once(graph, `${name}_quantized`, (own) =>
    graph.initializer(own, 'int8', [rows, width], async function* () {
      for await (const piece of weights.rows(name)) yield bytesOf(quantizeRows(piece, width));
    }),
  );
}

/** @param others sizes behind the rows', for scales that multiply rows */
function scalesOf(graph: Graph, weights: Weights, name: string, others: number[]): string {
  const [rows, width] = weights.shapes.get(name) as [number, number];
  return once(graph, `${name}_scale`, (own) =>
    graph.initializer(own, 'float', [rows, ...others], async function* () {
      for await (const piece of weights.rows(name)) yield bytesOf(rowScales(piece, width));
    }),
  );
}

/** The initializer of that name, made where it is not there yet. */
function once(graph: Graph, name: string, make: (name: string) => string): string {
  return graph.initializers.some((known) => known.name === name) ? name : make(name);
}

/** The columns of a matrix as rows, with a number added to each element. */
function* transpose<Elements extends Float32Array | Uint8Array>(
  matrix: ArrayLike<number>,
  rows: number,
  into: Elements,
  added = 0,
): Steps<Elements> {
  const columns = matrix.length / rows;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      into[column * rows + row] = matrix[row * columns + column]! + added;
    }
    yield;
  }
  return into;
}
