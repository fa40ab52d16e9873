import type { GraphContext } from './encoder-graph.js';
import { bytesOf, type Graph } from './onnx-graph.js';
import { quantizeRows, rowScales } from './quantization.js';
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

/**
 * Weights of 8 bits with one scale for each output of a map and each row of a table. What a product takes in is rounded
 * to 8 bits as a whole when it is computed, as `quantize_dynamic` of ONNX Runtime has it.
 */
export function int8Arithmetic(weights: Weights, options: { tables: boolean }): Arithmetic {
  // One rounding for all products that take in the same: query, key and value.
  const rounded = new Map<string, string[]>();
  return {
    linear(graph, x, name) {
      if (!rounded.has(x)) rounded.set(x, graph.nodeOf(3, 'DynamicQuantizeLinear', [x]));
      const [values, scale, zeroPoint] = rounded.get(x) as [string, string, string];
      const matrix = `${name}.weight`;
      const sums = graph.node('MatMulInteger', [values, transposedInt8(graph, weights, matrix), zeroPoint]);
      const scales = graph.node('Mul', [scale, scalesOf(graph, weights, matrix, [])]);
      const product = graph.node('Mul', [graph.node('Cast', [sums], { to: 1 }), scales]);
      return graph.node('Add', [product, tensor(graph, weights, `${name}.bias`)]);
    },
    rows(graph, name, numbers) {
      if (!options.tables) return floatArithmetic(weights).rows(graph, name, numbers);
      const table = `${name}.weight`;
      const values = graph.node('Gather', [tableInt8(graph, weights, table), numbers], { axis: 0 });
      const scales = graph.node('Gather', [scalesOf(graph, weights, table, [1]), numbers], { axis: 0 });
      return graph.node('Mul', [graph.node('Cast', [values], { to: 1 }), scales]);
    },
  };
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
      yield bytesOf(transpose(matrix, out, width, new Float32Array(matrix.length)));
    }),
  );
}

function transposedInt8(graph: Graph, weights: Weights, name: string): string {
  const [out, width] = weights.shapes.get(name) as [number, number];
  return once(graph, `${name}.T_quantized`, (own) =>
    graph.initializer(own, 'int8', [width, out], async function* () {
      const values = quantizeRows(await readMatrix(weights, name), width);
      yield bytesOf(transpose(values, out, width, new Int8Array(values.length)));
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

function transpose<Elements extends Float32Array | Int8Array>(
  matrix: Elements,
  rows: number,
  columns: number,
  into: Elements,
): Elements {
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      into[column * rows + row] = matrix[row * columns + column]!;
  }
  return into;
}
