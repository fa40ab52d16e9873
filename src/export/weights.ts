import type { EncoderConfig } from '../contract/encoder-config.js';
import { architectureOf } from '../model/architectures.js';
import { planLoading } from '../model/checkpoint.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import { untrainedHead } from '../model/trained-model.js';
import { listCheckpoint } from '../model/weights/list-checkpoint.js';
import { readTensors, type StoredTensor } from '../model/weights/stored-tensor.js';
import { toFloat32 } from './float32.js';

/** Bytes of weights that are in memory at a time, where a tensor need not be there as a whole. */
const PIECE_BYTES = 2 ** 22;

/** Where the weights of a model come from, one tensor after another. */
export interface Weights {
  /** Shapes by Hugging Face name. */
  shapes: ReadonlyMap<string, number[]>;
  /** Tensors of the model that a graph has no place for, such as a chain's. */
  left: string[];
  /** The elements of a tensor row by row, in pieces of whole rows. */
  rows(name: string): AsyncIterable<Float32Array>;
}

/**
 * The weights of a model directory, which are read when they are asked for.
 *
 * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT, WEIGHTS_MISMATCH
 */
export async function directoryWeights(
  directory: string,
  config: EncoderConfig,
  shapes: ReadonlyMap<string, number[]>,
): Promise<Weights> {
  const parameters = [...shapes].map(([name, shape]) => ({ name, shape, count: product(shape) }));
  const architecture = architectureOf(config.modelType, 'config');
  const plan = planLoading(await listCheckpoint(directory), parameters, architecture);
  // A checkpoint that lacks more than its head is refused above.
  if (plan.fresh.length > 0) throw untrainedHead(directory, plan.fresh);
  const tensors = new Map(plan.tensors.map((tensor) => [tensor.name, tensor]));
  return { shapes, left: plan.unused, rows: (name) => rowsOf(tensors.get(name)!) };
}

/** The weights of a model in memory. */
export function modelWeights(model: TokenClassifier, shapes: ReadonlyMap<string, number[]>): Weights {
  const left = model.parameters().map(({ name }) => name);
  return {
    shapes,
    left: left.filter((name) => !shapes.has(name)),
    async *rows(name) {
      yield await model.readParameter(name);
    },
  };
}

/** A tensor as a whole. */
export async function readMatrix(weights: Weights, name: string): Promise<Float32Array> {
  const matrix = new Float32Array(product(weights.shapes.get(name)!));
  let filled = 0;
  for await (const piece of weights.rows(name)) {
    matrix.set(piece, filled);
    filled += piece.length;
  }
  return matrix;
}

async function* rowsOf(tensor: StoredTensor): AsyncGenerator<Float32Array> {
  if (tensor.arrange !== undefined) {
    for await (const [, bytes] of readTensors([tensor])) yield toFloat32(tensor.dtype, bytes);
    return;
  }
  const rowBytes = (tensor.end - tensor.begin) / tensor.shape[0]!;
  const step = rowBytes * Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  for (let begin = tensor.begin; begin < tensor.end; begin += step) {
    const piece = { ...tensor, begin, end: Math.min(begin + step, tensor.end) };
    for await (const [, bytes] of readTensors([piece])) yield toFloat32(tensor.dtype, bytes);
  }
}

function product(shape: readonly number[]): number {
  return shape.reduce((total, size) => total * size, 1);
}
