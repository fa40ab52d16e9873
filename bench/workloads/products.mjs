import { timeProducts } from '../../dist/bench/engine-calls.js';
import { median } from '../../dist/bench/statistics.js';
import { endlessBatches, randomDataset } from '../../dist/bench/workload.js';
import { encoderConfigOf } from '../../dist/experiment/shape.js';
import { TokenClassifier } from '../../dist/model/token-classifier.js';
import { addon } from '../../dist/native/addon.js';
import { lengthsOf } from '../step-workload.mjs';
import { figure } from '../table.mjs';

const VOCABULARY = 30522;
const BATCH_SIZE = 32;
const LABELS = Array.from({ length: 9 }, (_, id) => `LABEL_${id}`);

/** A model and its trainer, whose large matrices this library multiplies. */
async function subjectOf(matmul, { shape, threads }) {
  const config = encoderConfigOf(shape, VOCABULARY, 0, LABELS);
  const options = { device: 'cpu', threads, seed: 1, matmul };
  const [learning, tagging] = [
    await TokenClassifier.create(config, options),
    await TokenClassifier.create(config, options),
  ];
  const trainer = await learning.trainer({ learningRate: 3e-5, seed: 1 });
  return { matmul, learning, tagging, trainer };
}

async function secondsOf(action) {
  const start = performance.now();
  await action();
  return (performance.now() - start) / 1000;
}

export default {
  title: 'steps, their products and tagging by each library, on the same sentences in turn',
  async run(context) {
    const { steps, warmup, note } = context;
    const lengths = await lengthsOf(context, 'conll2003-train.json');
    const dataset = randomDataset({ lengths, vocabSize: VOCABULARY, numLabels: LABELS.length, seed: 1 });
    const source = endlessBatches(dataset, BATCH_SIZE, 1);
    const subjects = [];
    for (const { library } of addon().libtorch.products) subjects.push(await subjectOf(library, context));
    const samples = subjects.map(() => ({ step: [], products: [], tagging: [] }));
    // Weights are packed after some batches.
    const before = Math.max(warmup, 8);
    for (let round = 0; round < before + steps; round++) {
      const batch = source.next().value;
      for (const [i, { learning, tagging, trainer }] of subjects.entries()) {
        const isTimed = round >= before;
        const products =
          isTimed || round === 0 ? (await timeProducts(learning, batch.inputIds.length, {})).seconds : 0;
        const step = isTimed || round < warmup ? await secondsOf(() => trainer.step(batch)) : 0;
        const tagged = await secondsOf(() => tagging.predict([batch]));
        if (!isTimed) continue;
        samples[i].step.push(step);
        samples[i].products.push(products);
        samples[i].tagging.push(tagged);
      }
      note(`  ${round + 1}/${before + steps}`);
    }
    const { matmul } = await automatic(context);
    for (const { learning, tagging } of subjects) {
      await learning.dispose();
      await tagging.dispose();
    }
    const ratio = (i, kind) => median(samples[i][kind].map((seconds, at) => seconds / samples[0][kind][at]));
    const kinds = ['step', 'products', 'tagging'];
    const head = ['library', ...kinds.flatMap((kind) => [`${kind}, s`, `/ ${subjects[0].matmul}`])];
    const rows = subjects.map(({ matmul: library }, i) => [
      library,
      ...kinds.flatMap((kind) => [figure(median(samples[i][kind])), figure(ratio(i, kind))]),
    ]);
    const described = addon().libtorch.products.map(
      ({ library, description }) => `${library} is ${description}`,
    );
    const notes = [
      `${context.shapeName}, batch ${BATCH_SIZE}, ${matmul.threads} threads; ${described.join(', ')}. ` +
        `\`auto\` takes ${matmul.library} (${matmul.origin}).`,
    ];
    return { head, rows, notes };
  },
};

/** What a model of this shape takes by itself. */
async function automatic({ shape, threads }) {
  const model = await TokenClassifier.create(encoderConfigOf(shape, 8, 0, LABELS), {
    device: 'cpu',
    threads,
  });
  try {
    return await model.deviceFacts();
  } finally {
    await model.dispose();
  }
}
