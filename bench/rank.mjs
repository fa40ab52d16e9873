// One process that trains on its share of every batch, and takes its tasks from its parent: see workloads/ranks.mjs.
import { endlessBatches, randomDataset } from '../dist/bench/workload.js';
import { Group } from '../dist/distributed/group.js';
import { encoderConfigOf } from '../dist/experiment/shape.js';
import { bottomUp } from '../dist/freezing/strategy.js';
import { TokenClassifier } from '../dist/model/token-classifier.js';

const VOCABULARY = 30522;
const LABELS = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I'];

let rank, size, group, model, trainer, batches;

/** The sentences of one rank: the longest goes to the lightest. */
function shareOf(batch) {
  const lengthOf = (i) => batch.cuSeqlens[i + 1] - batch.cuSeqlens[i];
  const order = Array.from({ length: batch.cuSeqlens.length - 1 }, (_, i) => i);
  order.sort((a, b) => lengthOf(b) - lengthOf(a) || a - b);
  const shares = Array.from({ length: size }, () => ({ tokens: 0, sequences: [] }));
  for (const i of order) {
    const lightest = shares.reduce((least, share) => (share.tokens < least.tokens ? share : least));
    lightest.tokens += lengthOf(i);
    lightest.sequences.push(i);
  }
  const { sequences } = shares[rank];
  const borders = [0];
  for (const i of sequences) borders.push(borders.at(-1) + lengthOf(i));
  const rowsOf = (array) => {
    const own = new Int32Array(borders.at(-1));
    for (const [s, i] of sequences.entries()) {
      own.set(array.subarray(batch.cuSeqlens[i], batch.cuSeqlens[i + 1]), borders[s]);
    }
    return own;
  };
  return {
    inputIds: rowsOf(batch.inputIds),
    labels: rowsOf(batch.labels),
    cuSeqlens: Int32Array.from(borders),
    rows: Int32Array.from(sequences, (i) => batch.cuSeqlens[i]),
  };
}

const tasks = {
  async start({ shape, lengths, batchSize, place }) {
    ({ rank, size } = place);
    if (size > 1) group = await Group.join(place);
    model = await TokenClassifier.create(encoderConfigOf(shape, VOCABULARY, 0, LABELS), {
      threads: 1,
      seed: 1,
    });
    const dataset = randomDataset({ lengths, vocabSize: VOCABULARY, numLabels: LABELS.length, seed: 1 });
    batches = endlessBatches(dataset, batchSize, 1);
  },
  /** Another number of frozen layers; null where the embeddings learn, too. */
  async stage({ k }) {
    if (k !== null) await model.freeze(bottomUp(k));
    trainer = await model.trainer({ learningRate: 3e-5, ...(group && { group }) });
  },
  async steps({ count }) {
    const shares = Array.from({ length: count }, () => shareOf(batches.next().value));
    const bytes = group?.bytesSent() ?? 0;
    const [cpu, start] = [process.cpuUsage(), performance.now()];
    const losses = [];
    let tokens = 0;
    for (const share of shares) {
      const result = await trainer.step(share);
      losses.push(result.loss);
      tokens += result.tokens;
    }
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return {
      seconds,
      cpuSeconds: (user + system) / 1e6,
      tokens,
      losses,
      bytes: (group?.bytesSent() ?? 0) - bytes,
    };
  },
  async end() {
    await model.dispose();
    await group?.close();
  },
};

process.on('message', async ({ task, ...options }) => {
  try {
    const answer = (await tasks[task](options)) ?? null;
    process.send({ answer }, () => task === 'end' && process.disconnect());
  } catch (error) {
    process.send({ error: error.stack });
  }
});
