// Our training step and Hugging Face's on the same sentences, in fp32 and in bf16, in turn: while one computes, the others
// wait, so that whatever else the machine does meets all alike. Needs a Python with torch (PERMAFROST_PYTHON, python3 by default);
// give both the same libtorch by LIBTORCH at the build.
import { fileURLToPath } from 'node:url';
import { packExamples } from '../../dist/batching/pack.js';
import { fastestLibrary, timeProducts } from '../../dist/bench/engine-calls.js';
import { MAX_LENGTH, PAD_ID } from '../../dist/bench/modes.js';
import { median, sum } from '../../dist/bench/statistics.js';
import { endlessBatches, randomDataset } from '../../dist/bench/workload.js';
import { encoderConfigOf } from '../../dist/experiment/shape.js';
import { Random } from '../../dist/io/random.js';
import { TokenClassifier } from '../../dist/model/token-classifier.js';
import { multipliesInBf16, processorText } from '../processor.mjs';
import { startPython } from '../python-peer.mjs';
import { lengthsOf } from '../step-workload.mjs';
import { figure } from '../table.mjs';

const SCRIPT = fileURLToPath(new URL('../peers/hf_step.py', import.meta.url));
const PYTHON = process.env.PERMAFROST_PYTHON ?? 'python3';
const BATCH_SIZE = 32;
const SEED = 42;
const NUM_LABELS = 9;
const VOCAB_SIZE = 30_522;
const LEARNING_RATE = 3e-5;
// Batches whose sentences are sorted together, as Hugging Face's group_by_length does.
const SORTED_POOL = 50;

// Ours, and what it is compared with. bf16 that is emulated would be no measure of speed.
const PRECISIONS = multipliesInBf16() || process.env.PERMAFROST_BENCH_BF16 ? ['fp32', 'bf16'] : ['fp32'];

/** The peer in Python, which answers a batch with the time of its step. */
async function startPeer({ shapeName, threads }) {
  const args = [SCRIPT, '--shape', shapeName, ...(threads > 0 ? ['--threads', String(threads)] : [])];
  const { facts, ask, stop } = await startPython(PYTHON, args);
  return {
    facts,
    step: async (lengths, width, precision) => (await ask({ lengths, width, precision })).seconds,
    stop,
  };
}

const lengthsIn = ({ cuSeqlens }) => Array.from(cuSeqlens.subarray(1), (end, i) => end - cuSeqlens[i]);

/** Batches of sentences of similar length, spread evenly over a sorted pool, shuffled. */
function sortedBatches(dataset, source, count) {
  const pool = Array.from({ length: Math.max(SORTED_POOL, count) }, () =>
    Array.from(source.next().value.examples),
  );
  const lengthOf = (example) => dataset.offsets[example + 1] - dataset.offsets[example];
  const sorted = pool.flat().sort((a, b) => lengthOf(a) - lengthOf(b));
  const batches = Array.from({ length: count }, (_, index) => {
    const position = Math.floor(((index + 0.5) * pool.length) / count);
    return packExamples(dataset, sorted.slice(position * BATCH_SIZE, (position + 1) * BATCH_SIZE));
  });
  return new Random(SEED, 'bench/sorted').shuffle(batches);
}

/** Seconds of our step, and the tokens that the last layer went on with. */
async function ourStep({ trainer }, batch) {
  const start = performance.now();
  const { labelled } = await trainer.step(batch);
  return { seconds: (performance.now() - start) / 1000, labelled };
}

/** Seconds of the products of such a step by the library that is taken, and by the one that is fastest at them. */
async function productsOf(own, batch, scoredTokens) {
  const numTokens = batch.inputIds.length;
  own.fastest ??= await fastestLibrary(own.model, numTokens, { scoredTokens });
  const { seconds: taken } = await timeProducts(own.model, numTokens, { scoredTokens });
  const { seconds } = await timeProducts(own.model, numTokens, { scoredTokens, library: own.fastest ?? '' });
  return { products: taken, floor: Math.min(taken, seconds) };
}

/** One round: an unsorted and a sorted batch, each trained by us and by the peer in each precision. */
async function round(ours, peer, batch, sorted) {
  const [lengths, sortedLengths] = [lengthsIn(batch), lengthsIn(sorted)];
  const results = {};
  for (const precision of PRECISIONS) {
    const own = await ourStep(ours[precision], batch);
    results[precision] = {
      ours: own.seconds,
      ...(await productsOf(ours[precision], batch, own.labelled)),
      oursSorted: (await ourStep(ours[precision], sorted)).seconds,
      pad128: await peer.step(lengths, MAX_LENGTH, precision),
      longest: await peer.step(lengths, Math.max(...lengths), precision),
      sorted: await peer.step(sortedLengths, Math.max(...sortedLengths), precision),
    };
  }
  return results;
}

/** A model and a trainer in each precision, made by `make` and disposed of at the end. */
async function withTrainers(config, threads, use) {
  const ours = {};
  try {
    for (const precision of PRECISIONS) {
      const model = await TokenClassifier.create(config, { seed: SEED, threads, precision });
      ours[precision] = { model };
      ours[precision].trainer = await model.trainer({ learningRate: LEARNING_RATE, seed: SEED });
    }
    return await use(ours);
  } finally {
    for (const { model } of Object.values(ours)) await model.dispose();
  }
}

async function measure(context) {
  const { shape, steps, warmup, threads, note } = context;
  const lengths = await lengthsOf(context, 'conll2003-train.json');
  const dataset = randomDataset({ lengths, vocabSize: VOCAB_SIZE, numLabels: NUM_LABELS, seed: SEED });
  const source = endlessBatches(dataset, BATCH_SIZE, SEED);
  const labels = Array.from({ length: NUM_LABELS }, (_, id) => `LABEL_${id}`);
  const config = encoderConfigOf(shape, VOCAB_SIZE, PAD_ID, labels);
  const peer = await startPeer(context);
  try {
    return await withTrainers(config, threads, async (ours) => {
      const sorted = sortedBatches(dataset, source, steps);
      const rounds = [];
      for (let index = 0; index < steps + warmup; index++) {
        const taken = await round(
          ours,
          peer,
          source.next().value,
          sorted[(((index - warmup) % steps) + steps) % steps],
        );
        const seconds = PRECISIONS.map((precision) => Object.values(taken[precision]).map(figure).join(' '));
        note(`  ${index + 1}/${steps + warmup}: ${seconds.join(' | ')} s`);
        if (index >= warmup) rounds.push(taken);
      }
      const libraries = {};
      for (const precision of PRECISIONS) {
        const { model, fastest } = ours[precision];
        libraries[precision] = { taken: (await model.deviceFacts()).matmul, fastest };
      }
      return { rounds, facts: peer.facts, libraries };
    });
  } finally {
    peer.stop();
  }
}

/** What our times are divided by or divide, as a row: theirs, ours, and the ratio. */
function comparison(rounds, [theirs, theirPrecision], [ours, precision]) {
  const pairs = rounds.map((taken) => [taken[theirPrecision][theirs], taken[precision][ours]]);
  const [peers, own] = [pairs.map(([first]) => first), pairs.map(([, second]) => second)];
  return [
    figure(median(peers)),
    figure(median(own)),
    figure(median(pairs.map(([first, second]) => first / second))),
    figure(sum(peers) / sum(own)),
  ];
}

function rowsOf(rounds) {
  const ways = { pad128: 'ours', longest: 'ours', sorted: 'oursSorted' };
  const against = PRECISIONS.flatMap((precision) =>
    Object.entries(ways).map(([theirs, ours]) => [
      `peer ${theirs} / ours`,
      precision,
      ...comparison(rounds, [theirs, precision], [ours, precision]),
    ]),
  );
  const between = PRECISIONS.filter((precision) => precision !== 'fp32').flatMap((precision) => [
    ['peer fp32 / peer, sorted', precision, ...comparison(rounds, ['sorted', 'fp32'], ['sorted', precision])],
    ['our fp32 / ours', precision, ...comparison(rounds, ['ours', 'fp32'], ['ours', precision])],
  ]);
  const floors = PRECISIONS.flatMap((precision) => [
    [
      'our step / its products as taken',
      precision,
      ...comparison(rounds, ['ours', precision], ['products', precision]),
    ],
    [
      'our step / its products, the fastest',
      precision,
      ...comparison(rounds, ['ours', precision], ['floor', precision]),
    ],
  ]);
  return [...against, ...between, ...floors];
}

export default {
  title: "Hugging Face's training step against ours on the same sentences, CoNLL-2003 lengths",
  // They hold OpenBLAS back to what another processor can do.
  without: ['OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE'],
  async run(context) {
    const { rounds, facts, libraries } = await measure(context);
    return {
      head: ['what', 'precision', 'first, s', 'second, s', 'first/second, median', 'first/second, all steps'],
      rows: rowsOf(rounds),
      notes: [
        `${context.shapeName}, nothing frozen, batch ${BATCH_SIZE}, ${rounds.length} rounds. The peer: ${facts.model}, ` +
          `PyTorch ${facts.torch} (${facts.blas}), ${facts.optimizer}, ${facts.threads} threads. "sorted" trains batches of ` +
          'sentences of similar length, spread evenly over the lengths; its time for all steps is what an epoch takes.',
        `${processorText()}. ` +
          Object.entries(libraries)
            .map(
              ([precision, { taken, fastest }]) =>
                `${precision}: products by ${taken?.description ?? 'libtorch'} (${taken?.origin ?? 'usual'}), ` +
                `${taken?.threads ?? '?'} threads; the fastest at this step's shapes: ${fastest ?? 'libtorch'}.`,
            )
            .join(' '),
      ],
    };
  },
};
