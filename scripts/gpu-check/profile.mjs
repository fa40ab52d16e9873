// Where a step's time goes: kernels by group where Nsight Compute is there, else what a step costs without its parts.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bottomUp, full } from '../../dist/freezing/strategy.js';
import { sumByGroup } from './kernel-groups.mjs';
import { lastJson, runProgram } from './run-program.mjs';
import { batchAt, SHAPES, shapesOf, trainOn, withModel } from './workload.mjs';

const TRACE = join(dirname(fileURLToPath(import.meta.url)), 'trace.mjs');
// Kernels of a profiled step, about; as many are passed over before it as two steps have.
const KERNELS = 800;

/** Rows of the profile's table. */
export function profile({ isDry, largeBatch = 1024 }) {
  return [32, isDry ? 8 : largeBatch].map((size) => [
    `a step of ${size} sentences`,
    (context, name) => profiled(context, name, size),
  ]);
}

async function profiled(context, name, size) {
  try {
    return await byKernels(context, name, size);
  } catch (error) {
    const row = await byParts(context, name, size);
    return { ...row, 'a step': `${row['a step']} (no kernels: ${error.message})` };
  }
}

async function byKernels({ device, isCard, shape, lengths, left }, name, size) {
  if (!isCard) throw new Error('not on a card');
  const folder = mkdtempSync(join(tmpdir(), 'permafrost-ncu-'));
  try {
    const log = join(folder, 'ncu.csv');
    const trace = [TRACE, device, shape, `${size}`, '4', JSON.stringify(lengths.slice(0, size))];
    const metrics = [
      '--metrics',
      'gpu__time_duration.sum',
      '--csv',
      '--page',
      'raw',
      '--clock-control',
      'none',
    ];
    const counts = ['--launch-skip', `${2 * KERNELS}`, '--launch-count', `${KERNELS}`];
    const args = [
      ...metrics,
      ...counts,
      '--target-processes',
      'all',
      '--log-file',
      log,
      process.execPath,
      ...trace,
    ];
    const { tokens } = lastJson(await runProgram('ncu', args, { seconds: left * 0.6 }));
    const groups = sumByGroup(readFileSync(log, 'utf8'));
    const all = groups.reduce((sum, { microseconds }) => sum + microseconds, 0);
    return {
      name: `${name}, ${tokens} tokens: kernels`,
      'a step': `${KERNELS} kernels took ${(all / 1000).toFixed(2)} ms`,
      groups: groups.map(({ group, microseconds, kernels }) => ({
        name: `  ${group}`,
        'a step': `${((100 * microseconds) / all).toFixed(1)}% (${kernels} kernels)`,
      })),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Steps over one fixed batch with parts left out; the differences are what the parts cost. */
async function byParts(context, name, size) {
  const { shape } = context;
  const whole = await fixedStep(context, size, {});
  const parts = [
    ['dropout', await fixedStep(context, size, { dropout: 0 })],
    ['learning layers', await fixedStep(context, size, { strategy: bottomUp(SHAPES[shape].numLayers) })],
    ['recording', await fixedStep(context, size, { trainer: { graphs: 'off' } })],
  ];
  return {
    name,
    'a step': `${(whole * 1000).toFixed(3)} ms`,
    groups: parts.map(([part, seconds]) => ({
      name: `  without ${part}`,
      'a step': `${(seconds * 1000).toFixed(3)} ms`,
    })),
  };
}

async function fixedStep(
  { device, shape, sentences, seconds },
  size,
  { dropout = 0.1, strategy = full(), trainer = {} },
) {
  return withModel({ shape, device, precision: 'bf16', dropout }, async (model) => {
    await model.freeze(strategy.plan(SHAPES[shape].numLayers));
    const training = await model.trainer({ learningRate: 3e-5, ...trainer });
    const batch = batchAt(sentences, 0, size);
    const some = (count) => Array.from({ length: count }, () => batch);
    await training.expect(shapesOf(some(2)));
    await trainOn(training, some(3));
    const start = performance.now();
    let steps = 0;
    while (performance.now() - start < seconds * 250) steps += (await trainOn(training, some(10))).length;
    return (performance.now() - start) / 1000 / steps;
  });
}
