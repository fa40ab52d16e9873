// Two processes on one core each against one process on one core, step by step in turns.
import { spawn } from 'node:child_process';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../dist/distributed/free-port.js';
import { lengthsOf } from '../step-workload.mjs';
import { figure } from '../table.mjs';

const RANK = fileURLToPath(new URL('../rank.mjs', import.meta.url));
const BATCH_SIZE = 32;

/** A process on one core. @returns what gives it a task and waits for the answer */
function startProcess(core) {
  const env = { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };
  const child = spawn('taskset', ['-c', String(core), process.execPath, RANK], {
    env,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let answered = () => {};
  child.on('message', (message) => answered(message));
  child.on('exit', () => answered({ error: 'A process of the benchmark ended.' }));
  return async (task, options = {}) => {
    const { error, answer } = await new Promise((settle) => {
      answered = settle;
      child.send({ task, ...options });
    });
    if (error) throw new Error(error);
    return answer;
  };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

export default {
  title: 'two processes of one core each against one of one core',
  async run(context) {
    const lengths = await lengthsOf(context, 'conll2003-train.json');
    const port = await freePort();
    const placeOf = (rank, size) => ({
      rank,
      size,
      localRank: rank,
      localSize: size,
      host: '127.0.0.1',
      port,
      serves: rank === 0,
      prefix: 'bench',
      launcher: 'permafrost',
    });
    const alone = [startProcess(0)];
    const ranks = [startProcess(0), startProcess(1)];
    const start = (processes) =>
      Promise.all(
        processes.map((ask, rank) =>
          ask('start', {
            shape: context.shape,
            lengths,
            batchSize: BATCH_SIZE,
            place: placeOf(rank, processes.length),
          }),
        ),
      );
    await Promise.all([start(alone), start(ranks)]);
    const all = (processes, task, options) => Promise.all(processes.map((ask) => ask(task, options)));

    const rows = [];
    const layers = context.shape.numLayers;
    const depths = [null, ...[0, 1, 2, 3, 4].map((quarter) => Math.round((quarter * layers) / 4))];
    for (const k of depths) {
      for (const processes of [alone, ranks]) {
        await all(processes, 'stage', { k });
        await all(processes, 'steps', { count: context.warmup });
      }
      const rounds = [];
      for (let step = 0; step < context.steps; step++) {
        const [[one], both] = [
          await all(alone, 'steps', { count: 1 }),
          await all(ranks, 'steps', { count: 1 }),
        ];
        const seconds = Math.max(...both.map((each) => each.seconds));
        const cpuSeconds = Math.max(...both.map((each) => each.cpuSeconds));
        const difference = Math.abs(one.losses[0] - both[0].losses[0]) / one.losses[0];
        const bytes = both[0].bytes;
        rounds.push({
          seconds: one.seconds,
          ratio: one.seconds / seconds,
          cpuRatio: one.cpuSeconds / cpuSeconds,
          difference,
          bytes,
          tokens: one.tokens,
        });
        context.note(
          `  k ${k ?? 'none'} ${step + 1}/${context.steps}: ${figure(one.seconds)} ${figure(seconds)} s`,
        );
      }
      rows.push([
        k ?? 'nothing frozen',
        figure(median(rounds.map((round) => round.seconds))),
        figure(median(rounds.map((round) => round.ratio))),
        figure(Math.min(...rounds.map((round) => round.ratio))),
        figure(Math.max(...rounds.map((round) => round.ratio))),
        figure(median(rounds.map((round) => round.cpuRatio))),
        (median(rounds.map((round) => round.bytes)) / 2 ** 20).toFixed(2),
        Math.max(...rounds.map((round) => round.difference)).toExponential(1),
      ]);
    }
    await Promise.all([...alone, ...ranks].map((ask) => ask('end')));
    return {
      head: [
        'k',
        's/step of one',
        'speed of two / one',
        'least',
        'most',
        'by CPU time',
        'MiB/step sent by rank 0',
        'largest difference of losses',
      ],
      rows,
      notes: [
        `${context.shapeName}, batches of ${BATCH_SIZE}, dropout on, in turns step by step. ` +
          `Load of the machine at the end: ${figure(loadavg()[0])}.`,
      ],
    };
  },
};
