import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunRecord } from '../../src/experiment/run-record.js';
import { smallTask } from '../helpers/corpus.js';

// Processes of the built command line that share the runs of one directory.

const MAIN = resolve('dist/cli/main.js');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-workers-'));
  const sentences = smallTask().train.map(({ words, tags }) =>
    words.map((word, i) => `${word}\t${tags[i]}\n`).join(''),
  );
  await writeFile(join(folder, 'data.conll'), sentences.join('\n'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Event {
  type: string;
  run?: string;
  event?: { type: string; kind?: string; step?: number };
  from?: { host: string; pid: number };
  code?: string;
}

class Worker {
  readonly events: Event[] = [];
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [MAIN, ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.ended = once(this.#child, 'close').then(([code]) => code as number | null);
    const lines = createInterface({ input: this.#child.stdout! });
    lines.on('line', (line) => this.events.push(JSON.parse(line)));
  }

  /** Runs that it finished. */
  get done(): string[] {
    return this.events.filter(({ type }) => type === 'run-done').map(({ run }) => run!);
  }

  /** Run that it trains and has a state of. */
  get saved(): string | undefined {
    const last = this.events.findLast(({ event }) => event?.type === 'checkpoint' && event.kind === 'last');
    return last && !this.done.includes(last.run!) ? last.run : undefined;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  send(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Kills it in the middle of a run that has a state. @returns the run */
  async killAtState(): Promise<string> {
    while (this.saved === undefined) await sleep(10);
    const run = this.saved;
    this.send('SIGKILL');
    await this.ended;
    return run;
  }
}

const demoGrid = (directory: string, ...more: string[]) => [
  ...['paper', '--data', join(folder, 'data.conll'), '--out', directory, '--threads', '1'],
  ...['--shape', 'layers=2,hidden=16,heads=2', '--vocab-size', '400', '--save-steps', '5'],
  ...more,
];
const SMALL = [
  '--strategies',
  'bottom-up:0,bottom-up:1,full',
  '--seeds',
  '1',
  '--epochs',
  '3',
  '--no-early-stopping',
];

/** What of each finished run must not depend on who did it, by its name. */
async function outcomes(directory: string): Promise<Map<string, object>> {
  const runs = (await readdir(directory)).filter((name) => /-seed-\d+$/.test(name)).sort();
  const records = runs.map(async (run) => {
    const text = await readFile(join(directory, run, 'record.json'), 'utf8');
    const { losses, bestEpoch, bestScore, test, epochs } = JSON.parse(text) as RunRecord;
    const scores = epochs.map(({ validation }) => validation);
    return [run, { losses, bestEpoch, bestScore, test, scores }] as const;
  });
  return new Map(await Promise.all(records));
}

async function expectWhole(directory: string, workers: readonly Worker[], killed: readonly string[]) {
  const found = await outcomes(directory);
  const done = workers.flatMap((worker) => worker.done);
  expect(done.toSorted()).toEqual([...found.keys()]);
  const index = (await readFile(join(directory, 'grid.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(index.map((line) => JSON.parse(line).run).toSorted()).toEqual([...found.keys()]);
  for (const run of killed) {
    const taker = workers.find((worker) => worker.done.includes(run))!;
    const ofRun = taker.events.filter((event) => event.run === run);
    const resumed = ofRun.find(({ event }) => event?.type === 'resume');
    expect(resumed?.event?.step).toBeGreaterThan(0);
  }
  expect((await readdir(directory, { recursive: true })).filter((name) => /lock|\.tmp$/.test(name))).toEqual(
    [],
  );
  return found;
}

it('workers do every run once, also that of one which is killed, as one worker does them', async () => {
  const [shared, alone] = [join(folder, 'shared'), join(folder, 'alone')];
  const workers = [1, 2].map(() => new Worker(demoGrid(shared, ...SMALL)));
  const single = new Worker(demoGrid(alone, ...SMALL));
  const killed = await workers[0]!.killAtState();
  while (workers[1]!.done.length === 0 || workers[1]!.saved === undefined) await sleep(10);
  // A report of what is there so far: one run is under way, and stays so meanwhile.
  workers[1]!.send('SIGSTOP');
  const report = new Worker(['report', shared]);
  expect(await report.ended).toBe(0);
  workers[1]!.send('SIGCONT');
  expect(report.events).toContainEqual({
    type: 'under-way',
    runs: [{ run: expect.any(String), host: hostname(), pid: workers[1]!.pid }],
  });
  expect(await readFile(join(shared, 'report.md'), 'utf8')).toMatch(/not run with seed 42/);
  expect(await workers[1]!.ended).toBe(0);
  const found = await expectWhole(shared, workers, [killed]);
  expect(found.size).toBe(3);
  expect(await readFile(join(shared, 'report.md'), 'utf8')).not.toMatch(/not run with seed 42/);
  expect(await single.ended).toBe(0);
  expect(found).toEqual(await outcomes(alone));
}, 120_000);

// PERMAFROST_WORKERS=1 npx vitest run test/experiment/grid-workers.test.ts
it.runIf(process.env.PERMAFROST_WORKERS === '1')(
  'four workers do a grid of 22 runs, of whom two are killed',
  async () => {
    const directory = join(folder, 'many');
    // Eleven scenarios of twelve layers.
    const deep = ['--shape', 'layers=12,hidden=16,heads=2', '--strategies', 'paper', '--seeds', '2'];
    const grid = demoGrid(directory, ...deep, '--epochs', '2', '--no-early-stopping');
    const started = performance.now();
    const workers = [1, 2, 3, 4].map(() => new Worker(grid));
    const killed = await Promise.all(workers.slice(2).map((worker) => worker.killAtState()));
    const codes = await Promise.all(workers.slice(0, 2).map(({ ended }) => ended));
    expect(workers.flatMap(({ events }) => events.filter(({ type }) => type === 'error'))).toEqual([]);
    expect(codes).toEqual([0, 0]);
    const found = await expectWhole(directory, workers, killed);
    expect(found.size).toBe(22);
    const shares = workers.map(({ done }) => done.length).join(', ');
    console.log(`22 runs in ${((performance.now() - started) / 1000).toFixed(0)} s, by worker: ${shares}`);
  },
  600_000,
);
