import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateCorpus } from '../../src/entries/data.js';
import { Random } from '../../src/io/random.js';

/** SIGKILLs of each command; `PERMAFROST_KILLS=50` for a thorough run, of more commands, too. */
const KILLS = Number(process.env.PERMAFROST_KILLS ?? 1);
const isThorough = process.env.PERMAFROST_KILLS !== undefined;
const CLI = resolve('dist/cli/main.js');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-kills-'));
  const { train, validation } = generateCorpus('demo', {
    seed: 3,
    sizes: { train: 160, validation: 30, test: 1 },
  });
  const conll = (sentences: typeof train) =>
    sentences.map(({ words, tags }) => words.map((word, i) => `${word} ${tags[i]}\n`).join('')).join('\n');
  await writeFile(join(folder, 'train.conll'), conll(train));
  await writeFile(join(folder, 'validation.conll'), conll(validation));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
  steps: number;
}

/** When a command is killed: so many milliseconds after its start, or after its first step. */
interface Kill {
  after: 'start' | 'step';
  ms: number;
}

/** Runs a command in the folder of the data. */
function command(args: string[], kill: Kill | null = null): Promise<Ended> {
  return new Promise((settle, reject) => {
    const child = spawn(process.execPath, [CLI, ...args, '--json'], {
      cwd: folder,
      env: { ...process.env, PERMAFROST_CACHE: join(folder, 'cache') },
    });
    let [stderr, steps] = ['', 0];
    const die = () => setTimeout(() => child.kill('SIGKILL'), kill!.ms);
    if (kill?.after === 'start') die();
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdout.on('data', (chunk: Buffer) => {
      const isFirst = steps === 0;
      steps += chunk.toString().split('"type":"step"').length - 1;
      if (isFirst && steps > 0 && kill?.after === 'step') die();
    });
    child.on('error', reject);
    child.on('close', (code, signal) => settle({ code, signal, stderr, steps }));
  });
}

/** Files but those for TensorBoard, of which each process has its own. */
const filesOf = (directory: string) =>
  (readdirSync(join(folder, directory), { recursive: true }) as string[])
    .filter((file) => !file.includes('tfevents'))
    .sort();

/** What of the records and weights in a directory does not depend on clocks and processes. */
async function outcomeOf(directory: string) {
  const outcome: Record<string, unknown> = {};
  for (const file of filesOf(directory)) {
    const path = join(folder, directory, file);
    if (file.endsWith('model.safetensors')) outcome[file] = await readFile(path);
    if (file.endsWith('metrics.jsonl')) {
      const lines = await readFile(path, 'utf8');
      outcome[file] = lines.replace(/"(time|seconds|trainSeconds|tokensPerSecond)":[^,}]*/g, '');
    }
    if (!file.endsWith('record.json')) continue;
    const { losses, epochs, bestEpoch, steps, tokens, test } = JSON.parse(await readFile(path, 'utf8'));
    const scores = epochs.map(({ validation }: { validation: unknown }) => validation);
    outcome[file] = { losses, scores, bestEpoch, steps, tokens, test };
  }
  expect(Object.keys(outcome).length).toBeGreaterThan(0);
  return outcome;
}

const SHAPE = ['--shape', 'layers=2,hidden=32,heads=2', '--vocab-size', '250', '--threads', '1'];
// Writing takes as long as training here, so that kills meet both.
const COMMON = [...SHAPE, '--epochs', '4', '--save-steps', '2', '--learning-rate', '3e-3'];
const TRAIN = ['train', '--train', 'train.conll', '--validation', 'validation.conll', ...COMMON];
const PAPER = ['paper', ...TRAIN.slice(1)];
const PRETRAIN = ['pretrain', '--data', 'train.conll', '--validation', 'validation.conll', ...COMMON];

const COMMANDS: [name: string, args: string[]][] = [
  ['train', [...TRAIN, '--batch-size', '4', '--evaluate-every', '15']],
  ['pretrain with accumulation', [...PRETRAIN, '--batch-tokens', '32', '--gradient-accumulation', '3']],
  ['train with accumulation', [...TRAIN, '--batch-size', '2', '--gradient-accumulation', '3']],
  ['pretrain', [...PRETRAIN, '--batch-tokens', '64']],
  ['paper', [...PAPER, '--strategies', 'full,bottom-up:1,bottom-up:2', '--seeds', '1', '--batch-size', '4']],
];

describe.each(isThorough ? COMMANDS : COMMANDS.slice(0, 1))('permafrost %s', (name, args) => {
  it('killed at any moment and started again ends in the bits of a run that was never killed', async () => {
    const random = new Random(7, name);
    const whole = `${name}-whole`;
    const started = performance.now();
    const reference = await command([...args, '--out', whole]);
    expect(reference.code, reference.stderr).toBe(0);
    const span = performance.now() - started;
    let kills = 0;
    for (let round = 0; kills < KILLS; round++) {
      const out = `${name}-${round}`;
      for (;;) {
        const after = random.next() < 0.25 ? 'start' : 'step';
        const ended = await command([...args, '--out', out], { after, ms: random.next() * span * 0.5 });
        if (ended.signal === 'SIGKILL') kills++;
        else {
          expect(ended.code, ended.stderr).toBe(0);
          break;
        }
      }
      expect(await outcomeOf(out)).toEqual(await outcomeOf(whole));
      expect(filesOf(out)).toEqual(filesOf(whole));
      await rm(join(folder, out), { recursive: true });
    }
    // Nothing is left of the uninterrupted run's temporary files either.
    expect(filesOf(whole).filter((file) => /\.tmp|lock|probe/.test(file))).toEqual([]);
  }, 3_600_000);
});

describe('a signal', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const)(
    '%s ends a training with its state kept',
    async (signal) => {
      const out = `signal-${signal}`;
      const child = spawn(process.execPath, [CLI, ...TRAIN, '--out', out], { cwd: folder });
      let stderr = '';
      const ended = new Promise<number | null>((settle) => child.on('close', settle));
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
        // The row of the first evaluation, behind the head of its table.
        if (/^ +1 +\d+ .* best /m.test(stderr) && !child.killed) child.kill(signal);
      });
      expect(await ended, stderr).toBe(1);
      expect(stderr).toMatch(
        /The state of epoch 2, step \d+ is kept in signal-\w+\/last\/state\.safetensors/,
      );
      expect(stderr).toContain(`Interrupted by ${signal}.`);
      expect(existsSync(join(folder, out, 'best', 'model.safetensors'))).toBe(true);
      expect(existsSync(join(folder, out, 'run.lock'))).toBe(false);
      // Going on is the same whichever signal it was.
      if (signal !== 'SIGTERM' && !isThorough) return;
      const again = await command([...TRAIN, '--out', out]);
      expect(again.code, again.stderr).toBe(0);
    },
  );
});

describe('a second process', () => {
  it('is told who trains in the directory, and goes on there once that one is gone', async () => {
    const args = [...TRAIN, '--epochs', '500', '--no-early-stopping', '--out', 'shared'];
    const start = () => {
      const child = spawn(process.execPath, [CLI, ...args], { cwd: folder });
      const seen = (text: string) =>
        new Promise<void>((settle, reject) => {
          let stderr = '';
          child.stderr.on('data', (chunk) => {
            stderr += chunk;
            if (stderr.includes(text)) settle();
          });
          child.on('close', () => reject(new Error(stderr)));
        });
      return { child, seen };
    };
    const first = start();
    await first.seen('val loss');
    const refused = spawnSync(process.execPath, [CLI, ...args], { cwd: folder, encoding: 'utf8' });
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('[LOCKED]');
    expect(refused.stderr).toContain(`process ${first.child.pid} on ${hostname()}`);
    const gone = new Promise((settle) => first.child.on('close', settle));
    first.child.kill('SIGKILL');
    await gone;
    const second = start();
    await second.seen('goes on from epoch');
    second.child.kill('SIGKILL');
  });
});
