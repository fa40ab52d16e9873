// Our training step and Hugging Face's on the same sentences, in turn: while one computes, the other waits, so that
// whatever else the machine does meets both alike. Needs a Python with torch (PERMAFROST_PYTHON, python3 by default);
// give both the same libtorch by LIBTORCH at the build.
import { fileURLToPath } from 'node:url';
import { packExamples } from '../../dist/batching/pack.js';
import { layOut, MAX_LENGTH, PAD_ID } from '../../dist/bench/modes.js';
import { median, sum } from '../../dist/bench/statistics.js';
import { endlessBatches, randomDataset } from '../../dist/bench/workload.js';
import { encoderConfigOf } from '../../dist/experiment/shape.js';
import { Random } from '../../dist/io/random.js';
import { TokenClassifier } from '../../dist/model/token-classifier.js';
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

/** The peer in Python, which answers a batch with the time of its step. */
async function startPeer({ shapeName, threads }) {
  const args = [SCRIPT, '--shape', shapeName, ...(threads > 0 ? ['--threads', String(threads)] : [])];
  const { facts, ask, stop } = await startPython(PYTHON, args);
  return {
    facts,
    step: async (lengths, width) => (await ask({ lengths, width })).seconds,
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

async function timed(trainer, batch) {
  const start = performance.now();
  await trainer.step(batch);
  return (performance.now() - start) / 1000;
}

/** One round: ours and the peer's three ways, on an unsorted and on a sorted batch. */
async function round(trainer, peer, batch, sorted) {
  const [lengths, sortedLengths] = [lengthsIn(batch), lengthsIn(sorted)];
  return {
    ours: await timed(trainer, layOut('packed', batch)),
    pad128: await peer.step(lengths, MAX_LENGTH),
    longest: await peer.step(lengths, Math.max(...lengths)),
    oursSorted: await timed(trainer, sorted),
    sorted: await peer.step(sortedLengths, Math.max(...sortedLengths)),
  };
}

async function measure(context) {
  const { shape, steps, warmup, threads, note } = context;
  const lengths = await lengthsOf(context, 'conll2003-train.json');
  const dataset = randomDataset({ lengths, vocabSize: VOCAB_SIZE, numLabels: NUM_LABELS, seed: SEED });
  const source = endlessBatches(dataset, BATCH_SIZE, SEED);
  const labels = Array.from({ length: NUM_LABELS }, (_, id) => `LABEL_${id}`);
  const config = encoderConfigOf(shape, VOCAB_SIZE, PAD_ID, labels);
  const peer = await startPeer(context);
  const model = await TokenClassifier.create(config, { seed: SEED, threads });
  try {
    const trainer = await model.trainer({ learningRate: LEARNING_RATE, seed: SEED });
    const sorted = sortedBatches(dataset, source, steps);
    const rounds = [];
    for (let index = 0; index < steps + warmup; index++) {
      const seconds = await round(
        trainer,
        peer,
        source.next().value,
        sorted[(((index - warmup) % steps) + steps) % steps],
      );
      note(`  ${index + 1}/${steps + warmup}: ${Object.values(seconds).map(figure).join(' ')} s`);
      if (index >= warmup) rounds.push(seconds);
    }
    return { rounds, facts: peer.facts };
  } finally {
    peer.stop();
    await model.dispose();
  }
}

export default {
  title: "Hugging Face's training step against ours on the same sentences, CoNLL-2003 lengths",
  async run(context) {
    const { rounds, facts } = await measure(context);
    const secondsOf = (name) => rounds.map((seconds) => seconds[name]);
    const row = (theirs, ours) => [
      theirs,
      figure(median(secondsOf(theirs))),
      figure(median(secondsOf(ours))),
      figure(median(rounds.map((seconds) => seconds[theirs] / seconds[ours]))),
      figure(sum(secondsOf(theirs)) / sum(secondsOf(ours))),
    ];
    return {
      head: ['the peer pads', 'its s/step', 'our s/step', 'its/ours, median', 'its/ours, all steps'],
      rows: [row('pad128', 'ours'), row('longest', 'ours'), row('sorted', 'oursSorted')],
      notes: [
        `${context.shapeName}, nothing frozen, batch ${BATCH_SIZE}, ${rounds.length} rounds. The peer: ${facts.model}, ` +
          `PyTorch ${facts.torch} (${facts.blas}), ${facts.optimizer}. "sorted" trains batches of sentences of similar ` +
          'length, spread evenly over the lengths; its time for all steps is what an epoch takes.',
      ],
    };
  },
};
