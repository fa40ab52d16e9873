// A process that loads, trains and disposes models until something ends it: the program of abrupt-ends.test.ts.
//
// Its argument is JSON of
//   index       the package's module
//   checkpoint  a model's directory
//   config      of a second model, made with random weights
//   batch       that both train on
//   place       'main', or 'worker': the thread in which the models live
//   end         what ends it; by default signals from outside
//   phase, ms   when `end` comes: so many milliseconds after the phase has begun for the first time
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const task = isMainThread ? JSON.parse(process.argv[2]) : workerData;
let model;
let isStopping = false;

/** Loads, trains and disposes models for ever, and says so. */
async function live(begin) {
  begin('load');
  const { TokenClassifier } = await import(task.index);
  const sources = [
    () => TokenClassifier.load(task.checkpoint, { threads: 2 }),
    () => TokenClassifier.create(task.config, { threads: 2 }),
  ];
  for (let round = 0; ; round++) {
    model = await sources[round % 2]();
    const trainer = await model.trainer({ learningRate: 1e-4 });
    begin('train');
    for (let i = 0; i < 3; i++) await trainer.step(task.batch);
    for (let i = 0; i < 3; i++) trainer.step(task.batch).catch(() => {});
    begin('dispose');
    await model.dispose();
  }
}

/** A process is sound where a model still computes in it. */
async function endSoundly() {
  const { TokenClassifier } = await import(task.index);
  const other = await TokenClassifier.create(task.config, { threads: 2 });
  await (await other.trainer()).step(task.batch);
  await other.dispose();
  process.exitCode = 7;
}

const ENDS = {
  exit: () => process.exit(7),
  throw() {
    process.exitCode = 7;
    throw new Error('on purpose');
  },
  reject() {
    process.exitCode = 7;
    Promise.reject(new Error('on purpose'));
  },
  async terminate(worker, alive) {
    await worker.terminate();
    await endSoundly();
    clearInterval(alive);
  },
  // Nothing keeps the process but a worker that does not count.
  leave(_, alive) {
    process.exitCode = 7;
    clearInterval(alive);
  },
};

if (!isMainThread) {
  live((phase) => parentPort.postMessage(phase));
} else {
  // As services do: all is put in order when asked once; asked again, it leaves at once.
  process.on('SIGTERM', () => {
    if (isStopping) process.exit(7);
    isStopping = true;
    Promise.resolve(model?.dispose()).finally(() => process.exit(7));
  });
  const alive = setInterval(() => {}, 1000);
  let worker;
  let isWaiting = task.end !== undefined;
  const begin = (phase) => {
    process.stdout.write(`${phase}\n`);
    if (!isWaiting || phase !== task.phase) return;
    isWaiting = false;
    setTimeout(() => ENDS[task.end](worker, alive), task.ms);
  };
  if (task.place === 'worker') {
    worker = new Worker(new URL(import.meta.url), { workerData: task });
    worker.on('message', begin);
    worker.unref();
  } else {
    live(begin).catch((error) => {
      if (!isStopping) throw error;
    });
  }
}
