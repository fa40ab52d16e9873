import type { EncoderConfigInput } from '../../src/entries/training.js';
import { type CreateOptions, type RaggedBatch, TokenClassifier } from '../../src/index.js';

/** A model small enough that a test can make many, without dropout so that its steps are plain arithmetic. */
export const TINY: EncoderConfigInput = {
  vocabSize: 50,
  hiddenSize: 16,
  numLayers: 4,
  numHeads: 2,
  intermediateSize: 32,
  maxPositions: 24,
  hiddenDropout: 0,
  attentionDropout: 0,
  classifierDropout: 0,
  labels: ['O', 'B-X', 'I-X'],
};

/** Two labelled sequences for {@link TINY}. */
export const BATCH: RaggedBatch = {
  inputIds: [
    [2, 7, 8, 9, 3],
    [2, 11, 12, 3],
  ],
  labels: [
    [-100, 0, 1, 2, -100],
    [-100, 1, 0, -100],
  ],
};

/** Runs a test body with the model of a directory and disposes it afterwards, whatever happens. */
export async function withLoaded<T>(
  directory: string,
  body: (model: TokenClassifier) => Promise<T> | T,
): Promise<T> {
  const model = await TokenClassifier.load(directory, { threads: 1 });
  try {
    return await body(model);
  } finally {
    await model.dispose();
  }
}

/** Runs a test body with a fresh model and disposes it afterwards, whatever happens. */
export async function withModel<T>(
  body: (model: TokenClassifier) => Promise<T>,
  config: Partial<EncoderConfigInput> = {},
  options: CreateOptions = {},
): Promise<T> {
  const model = await TokenClassifier.create({ ...TINY, ...config }, { threads: 1, ...options });
  try {
    return await body(model);
  } finally {
    await model.dispose();
  }
}

/** A copy of every parameter. */
export async function weightsOf(model: TokenClassifier): Promise<Map<string, Float32Array>> {
  const weights = new Map<string, Float32Array>();
  for (const { name } of model.parameters()) weights.set(name, await model.readParameter(name));
  return weights;
}

/** Bytes of an array, for comparisons that NaN and -0 cannot fool. */
export function bytesOf(data: Float32Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
}

/** Names of the parameters whose bytes differ. */
export function changedNames(
  before: ReadonlyMap<string, Float32Array>,
  after: ReadonlyMap<string, Float32Array>,
): string[] {
  return [...before]
    .filter(([name, data]) => bytesOf(data) !== bytesOf(after.get(name)!))
    .map(([name]) => name);
}

/** A batch that keeps a small engine busy for some tenths of a second in `predict`. */
export function longBatch(sequences: number, length: number, vocabSize: number): RaggedBatch {
  return {
    inputIds: Array.from({ length: sequences }, (_, s) =>
      Array.from({ length }, (_, t) => (s * 31 + t * 7) % vocabSize),
    ),
  };
}
