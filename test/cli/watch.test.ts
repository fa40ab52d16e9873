import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { finetune } from '../../src/index.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';

const task = smallTask();
const output = capturedOutput();
const quickly = ['--interval', '0.02'];

let folder: string;
let finished: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-watch-'));
  finished = join(folder, 'finished');
  await train(finished);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function train(directory: string): Promise<void> {
  await using model = await task.createModel(1);
  const { train, validation, test } = task;
  const data = { train, validation, test, batchSize: 8, epochs: 3, earlyStopping: false as const };
  await finetune({ model, ...data, freezing: 'gradual', directory }).result;
}

const linesOf = async (directory: string) =>
  (await readFile(join(directory, 'metrics.jsonl'), 'utf8')).split('\n');

/** A run that was stopped in its second epoch, as its directory has it. */
async function stopped(name: string): Promise<string> {
  const directory = join(folder, name);
  await cp(finished, directory, { recursive: true });
  const lines = await linesOf(finished);
  const until = lines.findIndex((line) => line.includes('"step":20,'));
  await writeFile(join(directory, 'metrics.jsonl'), `${lines.slice(0, until + 1).join('\n')}\n{"type":"st`);
  return directory;
}

async function lockBy(directory: string, pid: number): Promise<void> {
  const lock = { pid, host: hostname(), token: 'x', processStart: '1', since: '2026-01-01T00:00:00Z' };
  await writeFile(join(directory, 'run.lock'), JSON.stringify(lock));
}

it('a finished run is shown with all its evaluations', async () => {
  expect(await main(['watch', finished, ...quickly])).toBe(0);
  expect(output.err).toMatch(/^finished: [\d,]+ of [\d,]+ parameters learn on cpu\n/);
  expect(output.err).toMatch(/\nepoch +step +loss +val loss .*frozen\n +1 +15 +\d\.\d{4} .*emb\+0\n/);
  expect(output.err).toMatch(/finished: stage 2 \(.*\): .*\n +2 +30 .*emb\n/);
  expect(output.err).toMatch(/\n test .*\nfinished: all 45 steps done; kept epoch .*\n$/);
});

it('a run is followed until it ends', async () => {
  const directory = join(folder, 'live');
  const training = train(directory);
  let code: number;
  do {
    output.out = '';
    code = await main(['watch', directory, ...quickly, '--json']);
    // There is nothing to watch before the directory is made.
  } while (output.out.includes('FILE_NOT_FOUND'));
  await training;
  expect(code).toBe(0);
  const told = output.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(told.pop()).toEqual({ type: 'end', runs: [{ run: 'live', state: 'done' }] });
  const written = (await linesOf(directory)).slice(0, -1).map((line) => JSON.parse(line));
  expect(told).toEqual(written.map((line) => ({ run: 'live', ...line })));
});

it('a run whose process died is told of, and one that was stopped', async () => {
  const directory = await stopped('died');
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  await lockBy(directory, pid);
  expect(await main(['watch', directory, ...quickly])).toBe(1);
  expect(output.err).toContain(
    `died: process ${pid} on ${hostname()} died at epoch 2, step 20; the same command`,
  );
  await rm(join(directory, 'run.lock'));
  expect(await main(['watch', directory, ...quickly])).toBe(1);
  expect(output.err).toContain('died: it was stopped at epoch 2, step 20; the same command');
});

it('a grid is shown with its runs: what is finished in a line, what is not in full', async () => {
  const grid = join(folder, 'grid');
  await cp(finished, join(grid, 'one'), { recursive: true });
  await cp(await stopped('other'), join(grid, 'other'), { recursive: true });
  expect(await main(['watch', grid, ...quickly])).toBe(1);
  expect(output.err.split('\n').filter((line) => line.startsWith('one: '))).toHaveLength(1);
  expect(output.err).toMatch(/one: all \d+ steps done/);
  expect(output.err).toMatch(/\n +1 +15 /);
  expect(output.err).toMatch(/other: it was stopped/);
});

it('a directory without a run is an error', async () => {
  expect(await main(['watch', join(folder, 'none')])).toBe(1);
  expect(output.err).toContain('no run to watch');
});
