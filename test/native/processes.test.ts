import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_INDEX, type ChildResult, runNode } from '../helpers/child.js';
import { BATCH, longBatch, TINY } from '../helpers/with-model.js';

/** A model with its trainer, for programs of other processes. */
const SMALL = `
  const { TokenClassifier } = await import(${JSON.stringify(BUILT_INDEX)});
  const model = await TokenClassifier.create(${JSON.stringify(TINY)}, { threads: 1, seed: 3 });
  const trainer = await model.trainer({ learningRate: 1e-3 });
  const losses = [];
  const train = async (steps) => {
    for (let i = 0; i < steps; i++) losses.push((await trainer.step(${JSON.stringify(BATCH)})).loss);
    return losses;
  };`;

const CLEAN = { code: 0, signal: null, stderr: '' };

let folder: string;
let reference: number[];

/** Runs a module that may start processes of its own kind, and so needs a file. */
async function runModule(name: string, source: string): Promise<ChildResult> {
  const file = join(folder, `${name}.mjs`);
  await writeFile(file, source);
  return runNode([file], 100_000);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-processes-'));
  const alone = await runModule('alone', `${SMALL} console.log(JSON.stringify(await train(5)));`);
  expect(alone).toMatchObject(CLEAN);
  reference = JSON.parse(alone.stdout);
  expect(reference).toHaveLength(5);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a process that trains', () => {
  it('starts other programs meanwhile', async () => {
    const result = await runModule(
      'programs',
      `import { exec, execFileSync, spawn } from 'node:child_process';
      import { promisify } from 'node:util';
      ${SMALL}
      const training = train(200);
      for (let i = 0; i < 5; i++) execFileSync('true');
      await promisify(exec)('exit 0');
      const program = spawn(process.execPath, ['-e', '']);
      const code = await new Promise((settle) => program.on('close', settle));
      console.log(JSON.stringify([code, (await training).slice(0, 5)]));`,
    );
    expect(result).toMatchObject(CLEAN);
    expect(JSON.parse(result.stdout)).toEqual([0, reference]);
  });

  it('forks itself, and all train', async () => {
    const result = await runModule(
      'forks',
      `import { fork } from 'node:child_process';
      import { fileURLToPath } from 'node:url';
      ${SMALL}
      if (process.send) {
        process.send(await train(5));
        process.disconnect();
      } else {
        await train(2);
        const children = [0, 1].map(() => new Promise((settle) => {
          let sent;
          fork(fileURLToPath(import.meta.url))
            .on('message', (losses) => { sent = losses; })
            .on('close', (code, signal) => settle([sent, code, signal]));
        }));
        await train(3);
        console.log(JSON.stringify([losses, ...await Promise.all(children)]));
      }`,
    );
    expect(result).toMatchObject(CLEAN);
    expect(JSON.parse(result.stdout)).toEqual([reference, [reference, 0, null], [reference, 0, null]]);
  });

  it('is the primary of a cluster, whose workers leave it in every way while they train', async () => {
    const result = await runModule(
      'cluster',
      `import cluster from 'node:cluster';
      ${SMALL}
      if (cluster.isPrimary) {
        const end = (act) => new Promise((settle) => {
          const worker = cluster.fork();
          worker.once('message', () => act(worker));
          worker.on('exit', (code, signal) => settle([code, signal]));
        });
        const ends = await Promise.all([
          end((worker) => worker.send('exit')),
          end((worker) => worker.disconnect()),
          end((worker) => worker.process.kill('SIGTERM')),
        ]);
        console.log(JSON.stringify([ends, await train(5)]));
      } else {
        let isAsked = false;
        process.on('message', () => process.exit(7));
        process.on('SIGTERM', () => process.exit(8));
        cluster.worker.on('disconnect', () => { isAsked = true; });
        await train(1);
        process.send('trains');
        while (!isAsked) await train(1);
      }`,
    );
    expect(result).toMatchObject(CLEAN);
    const ends = [7, 0, 8].map((code) => [code, null]);
    expect(JSON.parse(result.stdout)).toEqual([ends, reference]);
  });

  it('exits while several engines train, its own and those of a worker thread', async () => {
    const result = await runModule(
      'several',
      `import { Worker, isMainThread, parentPort } from 'node:worker_threads';
      const { TokenClassifier } = await import(${JSON.stringify(BUILT_INDEX)});
      await Promise.all([1, 2, 3].map(async (seed) => {
        const model = await TokenClassifier.create(${JSON.stringify(TINY)}, { threads: 2, seed });
        const trainer = await model.trainer();
        await trainer.step(${JSON.stringify(BATCH)});
        (async () => { for (;;) await trainer.step(${JSON.stringify(BATCH)}); })();
      }));
      if (isMainThread) new Worker(new URL(import.meta.url)).on('message', () => process.exit(7));
      else parentPort.postMessage('trains');`,
    );
    expect(result).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
  });

  it('exits within a second in the middle of a step that takes several', async () => {
    const wide = { ...TINY, hiddenSize: 512, numHeads: 8, intermediateSize: 2048, maxPositions: 128 };
    const { inputIds } = longBatch(12, 128, 50);
    const batch = { inputIds, labels: inputIds.map((ids) => ids.map((id) => id % 3)) };
    const result = await runModule(
      'long-step',
      `const { TokenClassifier } = await import(${JSON.stringify(BUILT_INDEX)});
      const model = await TokenClassifier.create(${JSON.stringify(wide)}, { threads: 1 });
      const trainer = await model.trainer();
      const batch = ${JSON.stringify(batch)};
      const started = performance.now();
      await trainer.step(batch);
      const stepMs = performance.now() - started;
      trainer.step(batch);
      setTimeout(() => {
        console.log(JSON.stringify({ stepMs, leftAt: Date.now() }));
        process.exit(7);
      }, stepMs / 3);`,
    );
    const closedAt = Date.now();
    expect(result).toMatchObject({ code: 7, signal: null, stderr: '' });
    const { stepMs, leftAt } = JSON.parse(result.stdout) as { stepMs: number; leftAt: number };
    // Where the machine is so busy that a step takes many seconds, a fifth of the step.
    expect(closedAt - leftAt).toBeLessThan(Math.max(1000, stepMs / 5));
  });
});
