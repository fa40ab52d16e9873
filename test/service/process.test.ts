import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { conllText, makeModel, post, removeFolder, serverEvents, task } from './running-service.js';

const require = createRequire(import.meta.url);
const ROOT = resolve('.');
let folder: string;
let child: ChildProcess | null = null;

/** The example as a user has it: a folder of its own, with its packages installed, built by its own script. */
beforeAll(async () => {
  folder = await makeModel();
  const example = join(folder, 'service');
  const source = join(ROOT, 'examples', 'service');
  for (const name of ['package.json', 'tsconfig.json', 'src']) {
    cpSync(join(source, name), join(example, name), { recursive: true });
  }
  mkdirSync(join(example, 'node_modules', '@types'), { recursive: true });
  const link = (name: string, target: string) =>
    symlinkSync(target, join(example, 'node_modules', name), 'dir');
  link('permafrost', ROOT);
  link('fastify', join(ROOT, 'node_modules', 'fastify'));
  link('@types/node', join(ROOT, 'node_modules', '@types', 'node'));
  const typescript = require.resolve('typescript/package.json');
  execFileSync(process.execPath, [join(dirname(typescript), 'bin', 'tsc')], { cwd: example });
});
afterAll(async () => {
  child?.kill('SIGKILL');
  await removeFolder(folder);
});

/** Starts the example and waits until it listens. */
async function start(): Promise<{ started: ChildProcess; url: string; ended: Promise<unknown[]> }> {
  const example = join(folder, 'service');
  const base = join(folder, 'base');
  const args = [
    'dist/main.js',
    '--open-training',
    '--model',
    base,
    '--output',
    join(folder, 'models'),
    '--port',
    '0',
    '--threads',
    '1',
  ];
  const started = spawn(process.execPath, args, { cwd: example });
  child = started;
  let output = '';
  const ended = new Promise<unknown[]>((settle) =>
    started.on('close', (code, signal) => settle([code, signal, output.replace(/Listening at .*\n/, '')])),
  );
  const url = await new Promise<string>((settle, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      const found = /Listening at (\S+)/.exec(output)?.[1];
      if (found !== undefined) settle(found);
    };
    started.stdout.on('data', read);
    started.stderr.on('data', read);
    started.on('exit', (code) => reject(new Error(`exit ${code}: ${output}`)));
  });
  return { started, url, ended };
}

it('the example compiles, listens, tags, and ends with 0 on SIGTERM', async () => {
  const { started, url, ended } = await start();
  const { status, body } = await post(`${url}/tag`, { text: task.test[0]!.words.join(' ') });
  expect(status).toBe(200);
  expect(Array.isArray(body.entities)).toBe(true);
  started.kill('SIGTERM');
  expect(await ended).toEqual([0, null, '']);
});

it('the example ends in order when SIGTERM comes again and again while a job trains', async () => {
  for (const pauses of [[0], [30, 5, 1]]) {
    const { started, url, ended } = await start();
    const job = await post(`${url}/jobs`, {
      train: conllText(task.train),
      validation: conllText(task.validation),
      freezing: 'full',
      epochs: 100,
      learningRate: 1e-9,
    });
    expect(job.status).toBe(202);
    for await (const { event } of serverEvents(await fetch(`${url}/jobs/${job.body.id}/events`))) {
      if (event === 'step') break;
    }
    started.kill('SIGTERM');
    for (const ms of pauses) {
      await setTimeout(ms);
      started.kill('SIGTERM');
    }
    const [code, signal, output] = await ended;
    // 0 where the job gave up before it was asked again; a signal that comes when Node has taken its handlers down ends
    // the process by itself.
    expect([0, 1, 'SIGTERM']).toContain(code ?? signal);
    expect(output).toBe('');
  }
}, 600_000);
