// How late timers fire while the engine trains on every core.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { endlessBatches, randomDataset } from '../../dist/bench/workload.js';
import { randomModel } from '../random-model.mjs';
import { lengthsOf } from '../step-workload.mjs';

const SECONDS = 10;
const VOCAB_SIZE = 30_522;
const RESOLUTION_MS = 1;

async function delaysWhile(work) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  await work();
  histogram.disable();
  // The histogram holds the time from one timer to the next, in nanoseconds.
  const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS).toFixed(2);
  return [histogram.percentile(50), histogram.percentile(99), histogram.max].map(late);
}

async function trainFor(seconds, trainer, batches) {
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) await trainer.step(batches.next().value);
}

export default {
  title: 'the delay of the event loop',
  async run(context) {
    const lengths = await lengthsOf(context, 'conll2003-train.json');
    const batches = endlessBatches(
      randomDataset({ lengths, vocabSize: VOCAB_SIZE, numLabels: 2, seed: 42 }),
      32,
      42,
    );
    const model = await randomModel(context.shape, VOCAB_SIZE, context.threads);
    try {
      const trainer = await model.trainer({});
      await trainer.step(batches.next().value);
      const drivers = {
        idle: () => setTimeout(1000 * SECONDS),
        training: () => trainFor(SECONDS, trainer, batches),
      };
      const rows = [];
      for (const [driver, work] of Object.entries(drivers)) rows.push([driver, ...(await delaysWhile(work))]);
      const notes = [
        `${context.shapeName}, batch 32, at least ${SECONDS} s each; milliseconds beyond a timer of 1 ms.`,
      ];
      return { head: ['driver', 'median ms', '99th percentile ms', 'largest ms'], rows, notes };
    } finally {
      await model.dispose();
    }
  },
};
