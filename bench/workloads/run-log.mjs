// What it costs to tell of a training: metrics.jsonl and event files with a line each step, and a terminal, against a
// run that tells nothing of its steps. Runs take turns, so that whatever else the machine does meets both alike.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { median } from '../../dist/bench/statistics.js';
import { Output } from '../../dist/cli/output.js';
import { showTraining } from '../../dist/cli/progress/show.js';
import { generateCorpus } from '../../dist/entries/data.js';
import { encoderConfigOf } from '../../dist/experiment/shape.js';
import { labelSet, TokenClassifier, Tokenizer } from '../../dist/index.js';
import { finetune } from '../../dist/training/finetune.js';
import { RunLog } from '../../dist/training/log/run-log.js';
import { figure } from '../table.mjs';

const ROUNDS = 7;
const SENTENCES = 32;
/** Steps of the log alone, which says what one costs where a step is a launch of a millisecond. */
const LOG_STEPS = 20_000;

/** What a terminal does with what it is sent is not measured. */
function terminal() {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done() });
  return Object.assign(stream, { isTTY: true, columns: 100 });
}

async function* eventsOf(run) {
  for await (const event of run) yield event;
  return await run.result;
}

/** Seconds of a training from its first event to its end, by the clock and of the processor. */
async function secondsOf(start, data, directory, isOn) {
  const model = await start();
  try {
    const [began, processor] = [performance.now(), process.cpuUsage()];
    const told = isOn ? { logSteps: 1 } : { logSteps: 1e9, tensorboard: false };
    const run = finetune({ model, ...data, batchSize: SENTENCES, directory, energy: false, ...told });
    if (isOn) {
      const output = new Output({ json: false, stdout: terminal(), stderr: terminal() });
      await showTraining(output, eventsOf(run), { strategy: 'full', seed: 1 });
    } else await run.result;
    const { user, system } = process.cpuUsage(processor);
    return { wall: (performance.now() - began) / 1000, cpu: (user + system) / 1e6 };
  } finally {
    await model.dispose();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Microseconds that a step's line costs. */
async function logAlone(directory) {
  const log = new RunLog(
    { metrics: join(directory, 'metrics.jsonl'), tensorboard: join(directory, 'tensorboard') },
    { logSteps: 1, tensorboard: true },
  );
  await log.begin(null, LOG_STEPS);
  async function* steps() {
    for (let step = 1; step <= LOG_STEPS; step++) {
      const figures = { loss: 1 / step, gradNorm: 1.23456789, learningRate: 3e-5, tokens: 640 };
      yield { type: 'step', step, totalSteps: LOG_STEPS, epoch: 1, ...figures, tokensPerSecond: 5e5 };
    }
    return { epochs: [], steps: LOG_STEPS, seconds: { total: 1 } };
  }
  const began = performance.now();
  for await (const _ of log.through(steps()));
  const seconds = (performance.now() - began) / 1000;
  const idle = performance.now();
  for await (const _ of steps());
  return (1e6 * (seconds - (performance.now() - idle) / 1000)) / LOG_STEPS;
}

export default {
  title: 'a training that tells of each of its steps, against one that does not',
  async run(context) {
    const folder = await mkdtemp(join(tmpdir(), 'permafrost-bench-'));
    try {
      const { train, validation } = generateCorpus('demo', {
        seed: 1,
        sizes: { train: SENTENCES * context.steps, validation: SENTENCES, test: 1 },
      });
      const data = { train, validation, epochs: 2, earlyStopping: false };
      const labels = labelSet([...train, ...validation]);
      const tokenizer = await Tokenizer.load('checkpoints/demo');
      const config = encoderConfigOf(context.shape, tokenizer.vocabSize, tokenizer.padId ?? 0, labels);
      const start = () => TokenClassifier.create(config, { seed: 1, tokenizer, threads: context.threads });
      const seconds = { off: [], on: [] };
      for (let round = 0; round < ROUNDS; round++) {
        // Whoever comes first in one round comes last in the next.
        for (const mode of round % 2 === 0 ? ['off', 'on'] : ['on', 'off'])
          seconds[mode].push(await secondsOf(start, data, join(folder, 'run'), mode === 'on'));
      }
      const of = (mode, clock) => seconds[mode].map((round) => round[clock]);
      const ratio = (clock) =>
        median(of('on', clock).map((on, round) => on / of('off', clock)[round])).toFixed(4);
      const row = (name, mode, ...ratios) => [
        name,
        ...['wall', 'cpu'].flatMap((clock, i) => [figure(median(of(mode, clock))), ratios[i]]),
      ];
      const rows = [
        row('tells nothing of its steps', 'off', '1', '1'),
        row('metrics.jsonl, event files, terminal', 'on', ratio('wall'), ratio('cpu')),
      ];
      const notes = [
        `${context.shapeName}, ${2 * context.steps} steps of ${SENTENCES} sentences and two evaluations, ${ROUNDS} rounds ` +
          `in turn. A line in both files alone: ${(await logAlone(folder)).toFixed(1)} µs a step.`,
      ];
      return { head: ['training', 'median s', 'ratio', 'processor s', 'ratio'], rows, notes };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
