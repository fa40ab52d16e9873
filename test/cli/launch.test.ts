import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metricsFile } from '../../src/training/directory.js';

// The built command line starts several processes of itself that train one model.

const MAIN = resolve('dist/cli/main.js');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-launch-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const training = (directory: string, ...more: string[]) => [
  ...['train', '--preset', 'demo', '--shape', 'layers=2,hidden=16,heads=2', '--vocab-size', '400'],
  ...['--out', directory, '--threads', '1', '--no-early-stopping', ...more],
];

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env } });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk) => {
      written[name] += chunk;
    });
  }
  const ended = once(child, 'close').then(([code]): Ended => ({ code: code as number | null, ...written }));
  return { child, ended };
}

const launch = (...args: string[]) => start(process.execPath, [MAIN, 'launch', ...args]);

/** The processes that a process has started, in the order in which it did. */
function childrenOf({ pid }: ChildProcess): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === ''
    ? []
    : text
        .split(' ')
        .map(Number)
        .sort((a, b) => a - b);
}

/** Waits for the first step; fails where all has ended before. */
async function untilItSteps(directory: string, ended: Promise<Ended>): Promise<void> {
  const file = metricsFile(directory);
  let end: Ended | null = null;
  void ended.then((result) => {
    end = result;
  });
  while (!existsSync(file) || !readFileSync(file, 'utf8').includes('"step"')) {
    expect(end).toBeNull();
    await sleep(20);
  }
}

const ranksOf = async (directory: string) =>
  JSON.parse(await readFile(join(directory, 'record.json'), 'utf8')).ranks;

describe('permafrost launch', () => {
  it('trains one model by two processes, of which one speaks', async () => {
    const directory = join(folder, 'two');
    const { code, stdout, stderr } = await launch(
      '--processes',
      '2',
      '--',
      ...training(directory, '--max-steps', '8'),
    ).ended;
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.match(/^Record: /gm)).toHaveLength(1);
    expect(await ranksOf(directory)).toMatchObject({ number: 2 });
  }, 120_000);

  // PERMAFROST_PROCESSES=1 npx vitest run test/cli/launch.test.ts
  const isLong = process.env.PERMAFROST_PROCESSES === '1';
  it.runIf(isLong)(
    'ends where a rank is killed, and names it',
    async () => {
      const directory = join(folder, 'killed');
      const { child, ended } = launch('--processes', '2', '--', ...training(directory, '--epochs', '500'));
      await untilItSteps(directory, ended);
      const [, second] = childrenOf(child);
      process.kill(second!, 'SIGKILL');
      const killed = performance.now();
      const { code, stderr } = await ended;
      expect(performance.now() - killed).toBeLessThan(30_000);
      expect(code).toBe(1);
      expect(stderr).toContain(`error: rank 1 (process ${second}) was killed by SIGKILL`);
    },
    120_000,
  );

  it.runIf(isLong)(
    'has its processes write their state and end where it is killed itself',
    async () => {
      const directory = join(folder, 'orphan');
      const { child, ended } = launch('--processes', '1', '--', ...training(directory, '--epochs', '500'));
      await untilItSteps(directory, ended);
      const [only] = childrenOf(child);
      child.kill('SIGKILL');
      const lives = () => existsSync(`/proc/${only}/exe`);
      while (lives()) await sleep(20);
      expect(existsSync(join(directory, 'last', 'state.safetensors'))).toBe(true);
      expect(existsSync(join(directory, 'run.lock'))).toBe(false);
    },
    120_000,
  );

  it.each([
    [['--', 'train'], /--processes: expected how many/],
    [['--processes', '2', '--', 'paper'], /expected train or pretrain after --, got "paper"/],
    [['--processes', '2', '--', 'train', '--no-such'], /no option '--no-such'/],
  ])('%j is used wrongly', async (args, message) => {
    const { code, stderr } = await launch(...args).ended;
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

// As where `pip install torch` has put it; PERMAFROST_TORCHRUN names another place.
const TORCHRUN = process.env.PERMAFROST_TORCHRUN ?? 'torchrun';
const hasTorchrun = spawnSync(TORCHRUN, ['--help']).status === 0;
if (!hasTorchrun) console.log('No torchrun here (PERMAFROST_TORCHRUN names one): not tried.');

it.runIf(hasTorchrun)(
  'torchrun starts the same by its own variables',
  async () => {
    const directory = join(folder, 'torchrun');
    const args = ['--no-python', '--nproc-per-node', '2', '--standalone', process.execPath, MAIN];
    // They meet in the store of its agent, whatever version of libtorch that is of.
    const all = [...args, ...training(directory, '--max-steps', '8')];
    const { code, stdout, stderr } = await start(TORCHRUN, all).ended;
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.match(/^Record: /gm)).toHaveLength(1);
    expect(await ranksOf(directory)).toMatchObject({ number: 2 });
  },
  300_000,
);
