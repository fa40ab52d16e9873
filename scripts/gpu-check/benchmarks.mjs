// What is measured on a card. Each benchmark gives one row of the table.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bottomUp, full } from '../../dist/freezing/strategy.js';
import { PrefixStore } from '../../dist/model/prefix-store.js';
import { lastJson, runProgram } from './run-program.mjs';
import { batchAt, randomSentences, SHAPES, shapesOf, trainOn, vocabularyOf, withModel } from './workload.mjs';

const LEARNING_RATE = 3e-5;
// Steps before the clock starts.
const WARM_UP = 30;
const FRESH = join(dirname(fileURLToPath(import.meta.url)), 'fresh.mjs');

/** Trains batch after batch for about `seconds`, and gives tokens and steps a second. */
async function paced(trainer, dataset, batchSize, seconds, warmUp, options = {}) {
  let from = 0;
  const some = (count) =>
    Array.from({ length: count }, () => {
      const batch = batchAt(dataset, from, batchSize);
      from = (from + batchSize) % dataset.size;
      return batch;
    });
  const first = some(Math.min(200, Math.ceil(dataset.size / batchSize)));
  await trainer.expect(shapesOf(first));
  await trainOn(trainer, first.slice(0, warmUp), options);
  let [steps, tokens] = [0, 0];
  const start = performance.now();
  let elapsed = 0;
  while (elapsed < seconds) {
    // Packed ahead in small groups; each ends with its results read, as an epoch's end has it.
    const group = some(Math.max(1, Math.min(100, Math.ceil(steps / 2))));
    const results = await trainOn(trainer, group, options);
    steps += results.length;
    for (const result of results) tokens += result.tokens;
    elapsed = (performance.now() - start) / 1000;
  }
  return { secondsPerStep: elapsed / steps, tokensPerSecond: tokens / elapsed, steps };
}

const milliseconds = (seconds) => `${(seconds * 1000).toFixed(3)} ms`;
const gibibytes = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
const million = (count) => `${(count / 1e6).toFixed(3)} M`;

function row(name, { secondsPerStep, tokensPerSecond, steps }, { peakBytes, graphs, launches }) {
  return {
    name,
    'a step': milliseconds(secondsPerStep),
    'tokens/s': million(tokensPerSecond),
    peak: gibibytes(peakBytes),
    graphs,
    launches,
    steps,
    secondsPerStep,
  };
}

async function steps(context, { name, strategy, batchSize = 32, model = {}, trainer = {}, kept = false }) {
  const { device, shape, sentences, seconds, warmUp = WARM_UP } = context;
  return withModel({ shape, device, precision: 'bf16', ...model }, async (subject) => {
    await subject.freeze(strategy.plan(SHAPES[shape].numLayers));
    const training = await subject.trainer({ learningRate: LEARNING_RATE, ...trainer });
    const options = kept ? { store: keptPrefix(subject, context) } : {};
    if (kept) {
      // A first epoch, which fills the store.
      const count = Math.ceil(sentences.size / batchSize);
      const epoch = Array.from({ length: count }, (_, i) => batchAt(sentences, i * batchSize, batchSize));
      await trainOn(training, epoch, options);
    }
    const measured = await paced(training, sentences, batchSize, seconds, warmUp, options);
    return row(name, measured, await subject.deviceFacts());
  });
}

function keptPrefix(model, { shape, sentences }) {
  return new PrefixStore(sentences, {
    hiddenSize: SHAPES[shape].hiddenSize,
    depths: [model.frozenPrefix],
    precision: 'bf16',
    memoryBytes: 2 ** 31,
    deviceBytes: 2 ** 31,
  });
}

/** A whole training by volume: every sentence in each of six epochs, and a validation after each. */
async function volume(context, { name, strategy, kept }) {
  const {
    device,
    shape,
    lengths,
    volumeSentences = 14_041,
    validationSentences = 3_250,
    epochs = 6,
  } = context;
  const start = performance.now();
  const cut = (count, seed) =>
    randomSentences(
      Array.from({ length: count }, (_, i) => lengths[i % lengths.length]),
      vocabularyOf(shape),
      seed,
    );
  const [train, validation] = [cut(volumeSentences, 1), cut(validationSentences, 2)];
  return withModel({ shape, device, precision: 'bf16' }, async (model) => {
    await model.freeze(strategy.plan(SHAPES[shape].numLayers));
    const trainer = await model.trainer({ learningRate: LEARNING_RATE, frozenDropout: kept ? 'off' : 'on' });
    const stores = kept
      ? {
          train: keptPrefix(model, { shape, sentences: train }),
          validation: keptPrefix(model, { shape, sentences: validation }),
        }
      : {};
    const batchesOf = (dataset, size) =>
      Array.from({ length: Math.ceil(dataset.size / size) }, (_, i) =>
        batchAt(dataset, i * size, Math.min(size, dataset.size - i * size)),
      );
    let tokens = 0;
    await trainer.expect(shapesOf(batchesOf(train, 32)));
    for (let epoch = 0; epoch < epochs; epoch++) {
      const results = await trainOn(
        trainer,
        batchesOf(train, 32),
        stores.train ? { store: stores.train } : {},
      );
      for (const result of results) tokens += result.tokens;
      await model.predict(batchesOf(validation, 128), stores.validation ? { store: stores.validation } : {});
    }
    const seconds = (performance.now() - start) / 1000;
    const { peakBytes, graphs } = await model.deviceFacts();
    return {
      name,
      'a step': `${seconds.toFixed(2)} s in all`,
      'tokens/s': million(tokens / seconds),
      peak: gibibytes(peakBytes),
      graphs,
      steps: Math.ceil(volumeSentences / 32) * epochs,
      seconds,
    };
  });
}

/** The first steps of a process of its own, recording included. */
async function fresh({ device, shape, lengths, left, freshSteps = 100 }, name) {
  const some = JSON.stringify(lengths.slice(0, 32 * freshSteps));
  const args = [FRESH, device, shape, `${freshSteps}`, some];
  const result = lastJson(await runProgram(process.execPath, args, { seconds: left - 1 }));
  return {
    name,
    'a step': `${result.seconds.toFixed(2)} s in all`,
    'tokens/s': million(result.tokens / result.seconds),
    peak: gibibytes(result.peakBytes),
    graphs: result.graphs,
    seconds: result.seconds,
  };
}

/** The same steps with an environment variable set while the model is made. */
async function stepsWith(environment, context, options) {
  const before = Object.fromEntries(Object.keys(environment).map((name) => [name, process.env[name]]));
  Object.assign(process.env, environment);
  try {
    return await steps(context, options);
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** The benchmarks by name, in the order in which they run. */
export function benchmarks({ shape }) {
  const { numLayers } = SHAPES[shape];
  const depths = [0.25, 0.5, 0.75, 1].map((share) => Math.round(share * numLayers));
  const list = [
    ['bf16, batch 32, nothing frozen', (context, name) => steps(context, { name, strategy: full() })],
    [
      'the same without graphs',
      (context, name) => steps(context, { name, strategy: full(), trainer: { graphs: 'off' } }),
    ],
    [
      "the same with libtorch's kernels alone",
      (context, name) => stepsWith({ PERMAFROST_KERNELS: 'libtorch' }, context, { name, strategy: full() }),
    ],
    ['the first 100 steps of a process', fresh],
    [
      'fp32 with TF32, batch 32',
      (context, name) => steps(context, { name, strategy: full(), model: { precision: 'fp32', tf32: true } }),
    ],
    [
      'bf16, batch 1024, nothing frozen',
      (context, name) =>
        steps({ ...context, warmUp: 8 }, { name, strategy: full(), batchSize: context.largeBatch ?? 1024 }),
    ],
  ];
  list.push([
    "the same with libtorch's kernels alone",
    (context, name) =>
      stepsWith(
        { PERMAFROST_KERNELS: 'libtorch' },
        { ...context, warmUp: 8 },
        {
          ...{ name, strategy: full(), batchSize: context.largeBatch ?? 1024 },
        },
      ),
  ]);
  for (const k of depths) {
    list.push([`bottom-up ${k}`, (context, name) => steps(context, { name, strategy: bottomUp(k) })]);
    list.push([
      `bottom-up ${k}, prefix kept`,
      (context, name) =>
        steps(context, { name, strategy: bottomUp(k), trainer: { frozenDropout: 'off' }, kept: true }),
    ]);
  }
  list.push([
    'CoNLL-2003 by volume, k = 0',
    (context, name) => volume(context, { name, strategy: full(), kept: false }),
  ]);
  const half = depths[1];
  list.push([
    `CoNLL-2003 by volume, k = ${half}, kept`,
    (context, name) => volume(context, { name, strategy: bottomUp(half), kept: true }),
  ]);
  return list;
}
