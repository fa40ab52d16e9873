// Models, batches and timing that the checks and the benchmarks share.
import { encoderConfigOf } from '../../dist/experiment/shape.js';
import { Random } from '../../dist/io/random.js';
import { TokenClassifier } from '../../dist/model/token-classifier.js';

const LABELS = ['O', 'B-PER', 'I-PER', 'B-ORG', 'I-ORG', 'B-LOC', 'I-LOC', 'B-MISC', 'I-MISC'];
const VOCABULARY = { base: 30_522, small: 1_000, tiny: 200 };

export const SHAPES = {
  base: { hiddenSize: 768, numLayers: 12, numHeads: 12, intermediateSize: 3072, maxPositions: 512 },
  small: { hiddenSize: 128, numLayers: 4, numHeads: 2, intermediateSize: 512, maxPositions: 512 },
  tiny: { hiddenSize: 32, numLayers: 3, numHeads: 2, intermediateSize: 64, maxPositions: 512 },
};

/** Runs the body with a model of random weights and frees it, whatever happens. */
export async function withModel({ shape, dropout = 0.1, ...options }, body) {
  const config = {
    ...encoderConfigOf(SHAPES[shape], VOCABULARY[shape], 0, LABELS),
    hiddenDropout: dropout,
    attentionDropout: dropout,
    classifierDropout: dropout,
  };
  const model = await TokenClassifier.create(config, { seed: 1, ...options });
  try {
    return await body(model);
  } finally {
    await model.dispose();
  }
}

/** Random sentences of the given lengths as an encoded dataset. */
export function randomSentences(lengths, vocabSize, seed = 1) {
  const random = new Random(seed, 'gpu-check');
  const offsets = Int32Array.from([0, ...lengths]);
  for (let i = 1; i < offsets.length; i++) offsets[i] += offsets[i - 1];
  const total = offsets.at(-1);
  const inputIds = Int32Array.from({ length: total }, () => 1 + (random.uint32() % (vocabSize - 1)));
  const labels = Int32Array.from({ length: total }, (_, t) =>
    t % 7 === 0 ? -100 : random.uint32() % LABELS.length,
  );
  return { size: lengths.length, offsets, inputIds, labels };
}

/** The sentences `from` to `from + count`, around the end to the beginning, as one packed batch. */
export function batchAt({ size, offsets, inputIds, labels }, from, count) {
  const examples = Int32Array.from({ length: count }, (_, i) => (from + i) % size);
  const cuSeqlens = new Int32Array(count + 1);
  examples.forEach((example, i) => {
    cuSeqlens[i + 1] = cuSeqlens[i] + offsets[example + 1] - offsets[example];
  });
  const batch = {
    inputIds: new Int32Array(cuSeqlens[count]),
    labels: new Int32Array(cuSeqlens[count]),
    cuSeqlens,
    examples,
  };
  examples.forEach((example, i) => {
    const [begin, end] = [offsets[example], offsets[example + 1]];
    batch.inputIds.set(inputIds.subarray(begin, end), cuSeqlens[i]);
    batch.labels.set(labels.subarray(begin, end), cuSeqlens[i]);
  });
  return batch;
}

/** What a trainer may be told of batches to come. */
export const shapesOf = (batches) =>
  batches.map(({ cuSeqlens }) => ({
    tokens: cuSeqlens.at(-1),
    sequences: cuSeqlens.length - 1,
    longest: Math.max(...cuSeqlens.slice(1).map((border, i) => border - cuSeqlens[i])),
    weighted: false,
  }));

/** Trains on each batch of an iterable with as many steps under way as the trainer likes; gives the results. */
export async function trainOn(trainer, batches, options = {}) {
  const results = [];
  const running = [];
  for (const batch of batches) {
    const step = trainer.step(batch, options);
    step.catch(() => {});
    running.push(step);
    if (running.length >= trainer.stepsInFlight) results.push(await running.shift());
  }
  for (const step of running) results.push(await step);
  return results;
}

export const lossesOf = (results) => results.map(({ loss }) => loss);

/** Largest difference of two arrays, as a share of the largest element of the first. */
export function relativeDifference(one, other) {
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < one.length; i++) {
    if (!Number.isFinite(other[i])) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, Math.abs(one[i] - other[i]));
    largest = Math.max(largest, Math.abs(one[i]));
  }
  return difference / largest;
}

export const vocabularyOf = (shape) => VOCABULARY[shape];
