import { median } from '../../dist/bench/statistics.js';
import { endlessBatches, randomDataset } from '../../dist/bench/workload.js';
import { encoderConfigOf } from '../../dist/experiment/shape.js';
import { TokenClassifier } from '../../dist/model/token-classifier.js';
import { lengthsOf } from '../step-workload.mjs';
import { figure } from '../table.mjs';

const VOCABULARY = 30522;
const BATCH_SIZE = 32;
const LABELS = Array.from({ length: 9 }, (_, id) => `LABEL_${id}`);
const MEGABYTE = 1e6;

async function subjectOf(precision, { shape, threads }) {
  const config = encoderConfigOf(shape, VOCABULARY, 0, LABELS);
  const model = await TokenClassifier.create(config, { device: 'cpu', threads, seed: 1, precision });
  const trainer = await model.trainer({ learningRate: 3e-5, seed: 1 });
  return { precision, model, trainer, samples: [] };
}

/** Processor seconds, on which other work on the same cores has less of an influence. */
async function processorSeconds(action) {
  const before = process.cpuUsage();
  await action();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

export default {
  title: 'steps in fp32 and in bf16, on the same sentences in turn',
  async run(context) {
    const { steps, warmup, shapeName, threads, note } = context;
    const lengths = await lengthsOf(context, 'conll2003-train.json');
    const dataset = randomDataset({ lengths, vocabSize: VOCABULARY, numLabels: LABELS.length, seed: 1 });
    const source = endlessBatches(dataset, BATCH_SIZE, 1);
    const subjects = [await subjectOf('fp32', context), await subjectOf('bf16', context)];
    for (let round = 0; round < warmup + steps; round++) {
      const batch = source.next().value;
      for (const { trainer, samples } of subjects) {
        const seconds = await processorSeconds(() => trainer.step(batch));
        if (round >= warmup) samples.push(seconds);
      }
      note(`  ${round + 1}/${warmup + steps}`);
    }
    const rows = [];
    for (const { precision, model, samples } of subjects) {
      const { parameters, gradients, optimizer, workspace } = await model.memory();
      const { matmul } = await model.deviceFacts();
      rows.push([
        precision,
        figure(median(samples)),
        figure(median(samples) / median(subjects[0].samples)),
        ...[parameters, gradients, optimizer, workspace].map((bytes) => (bytes / MEGABYTE).toFixed(0)),
        matmul?.library ?? '-',
      ]);
      await model.dispose();
    }
    const head = [
      'precision',
      'CPU s/step',
      'to fp32',
      'weights, MB',
      'gradients',
      'moments',
      'workspace',
      'products',
    ];
    return { head, rows, notes: [`${shapeName}, batch ${BATCH_SIZE}, ${threads} threads, nothing frozen.`] };
  },
};
