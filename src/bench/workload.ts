import { readFile } from 'node:fs/promises';
import { batchesOf } from '../batching/batches.js';
import { epochOrder } from '../batching/order.js';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { IGNORED_LABEL, type PackedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';
import { Random } from '../io/random.js';
import { MAX_LENGTH, PAD_ID } from './modes.js';

/** Lengths beyond this are no sentences. */
const LONGEST_LENGTH = 1_000_000;

export interface WorkloadOptions {
  /** Tokens of each sentence, special tokens included. */
  lengths: readonly number[];
  vocabSize: number;
  numLabels: number;
  /** Decides ids, labels and order. */
  seed: number;
}

/**
 * Reads the lengths of a dataset's sentences: a JSON array of token counts, special tokens included.
 *
 * @throws FILE_NOT_FOUND; DATA_FORMAT naming the entry that is no token count
 */
export async function readLengths(file: string): Promise<number[]> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new PermafrostError(
      'FILE_NOT_FOUND',
      `Cannot read ${file}: ${cause.message}. Expected a JSON array with the number of tokens of each sentence.`,
      { file },
      { cause },
    );
  });
  let lengths: unknown;
  try {
    lengths = JSON.parse(text);
  } catch (cause) {
    throw badLengths(file, `it is not JSON (${(cause as Error).message})`, cause);
  }
  if (!Array.isArray(lengths) || lengths.length === 0) throw badLengths(file, 'it holds no array of numbers');
  const wrong = lengths.findIndex(
    (length) => !Number.isInteger(length) || length < 1 || length > LONGEST_LENGTH,
  );
  if (wrong >= 0) throw badLengths(file, `entry ${wrong} is ${JSON.stringify(lengths[wrong])}`);
  return lengths as number[];
}

/**
 * Sentences of the given lengths, cut at {@link MAX_LENGTH}, with random ids and a random label for every token but
 * the first and the last.
 */
export function randomDataset({ lengths, vocabSize, numLabels, seed }: WorkloadOptions): EncodedDataset {
  const random = new Random(seed, 'bench/tokens');
  const offsets = new Int32Array(lengths.length + 1);
  for (const [example, length] of lengths.entries()) {
    offsets[example + 1] = offsets[example]! + Math.min(length, MAX_LENGTH);
  }
  const tokens = offsets[lengths.length]!;
  const labels = Int32Array.from({ length: tokens }, () => random.int(numLabels));
  for (let example = 0; example < lengths.length; example++) {
    const [first, last] = [offsets[example]!, offsets[example + 1]! - 1];
    // A sentence that is special tokens alone keeps one label: a batch without any has no loss.
    if (last - first < 2) continue;
    labels[first] = IGNORED_LABEL;
    labels[last] = IGNORED_LABEL;
  }
  return {
    size: lengths.length,
    inputIds: Int32Array.from({ length: tokens }, () => PAD_ID + 1 + random.int(vocabSize - 1)),
    labels,
    wordIds: Int32Array.from({ length: tokens }, (_, token) => token),
    offsets,
    wordCounts: new Int32Array(lengths.length),
    truncatedWords: new Int32Array(lengths.length),
  };
}

/**
 * Full batches without end: epoch after epoch, each in its own order.
 *
 * @throws INVALID_OPTION where the lengths do not fill one batch
 */
export function* endlessBatches(
  dataset: EncodedDataset,
  batchSize: number,
  seed: number,
): Generator<PackedBatch, never> {
  if (dataset.size < batchSize) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `\`lengths\`: expected at least ${batchSize} sentences, one batch, got ${dataset.size}. Choose a smaller \`batchSize\`.`,
      { option: 'lengths', got: dataset.size, expected: batchSize },
    );
  }
  for (let epoch = 0; ; epoch++) {
    for (const { batch, indices } of batchesOf(dataset, epochOrder(dataset.size, seed, epoch), batchSize)) {
      if (indices.length === batchSize) yield { ...batch, examples: indices };
    }
  }
}

function badLengths(file: string, reason: string, cause?: unknown): PermafrostError {
  return new PermafrostError(
    'DATA_FORMAT',
    `${file}: ${reason}. Expected a JSON array with the number of tokens of each sentence, such as [12, 31, 8].`,
    { file },
    { cause },
  );
}
