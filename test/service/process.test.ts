import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeModel, post, removeFolder, task } from './running-service.js';

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

it('the example compiles, listens, tags, and ends with 0 on SIGTERM', async () => {
  const example = join(folder, 'service');
  const args = ['dist/main.js', '--model', join(folder, 'base'), '--port', '0', '--threads', '1'];
  const started = spawn(process.execPath, args, { cwd: example });
  child = started;
  let output = '';
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
  const { status, body } = await post(`${url}/tag`, { text: task.test[0]!.words.join(' ') });
  expect(status).toBe(200);
  expect(Array.isArray(body.entities)).toBe(true);
  const ended = new Promise((settle) => started.on('exit', (code, signal) => settle([code, signal])));
  started.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});
