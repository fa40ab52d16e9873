import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { PermafrostError } from '../../errors/error.js';
import { LeaseWatch } from '../../io/lease.js';
import { LOCK_NAME, lockHolder } from '../../io/process-lock.js';
import { metricsFile } from '../../training/directory.js';
import { RunFollower } from '../../training/log/follow.js';
import type { MetricsLine } from '../../training/log/metrics-line.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { AlreadyReported } from '../failure.js';
import { addJsonOption } from '../options.js';
import type { Output } from '../output.js';
import { freezeText, RunView, Screen } from '../progress/run-view.js';
import { type Flags, realNumber } from '../schema-options.js';

export function addWatchCommand(program: Command, run: Runner): void {
  const command = program
    .command('watch')
    .description('follow a run from elsewhere by its directory, or all runs of a grid, until it ends')
    .addArgument(new Argument('<dir>', 'directory of a run, or of a grid').argParser((dir) => dir))
    .option('--interval <s>', 'seconds between two looks', seconds, 1);
  addExamples(command, {
    'one run': 'permafrost watch out/first',
    'every run of a grid, for a program': 'permafrost watch out/demo --json',
  });
  addJsonOption(command).action((dir: string, flags: Flags, self: Command) =>
    run(watch)({ ...flags, dir }, self),
  );
}

function seconds(text: string): number {
  const value = realNumber(text);
  if (value <= 0) throw new InvalidArgumentError('expected seconds above 0');
  return value;
}

async function watch(flags: Flags, { output, signal }: CommandContext): Promise<void> {
  const watched = new WatchedDirectory(flags.dir as string, output);
  try {
    let wasAlive = false;
    for (let isFirst = true; ; isFirst = false) {
      // Asked before the lines are read, so that none is missed that was written before the end.
      const isAlive = await watched.isAlive();
      await watched.show(isFirst);
      if (isFirst && !isAlive && watched.isEmpty) throw nothingThere(flags.dir as string);
      // Between two runs of a grid nobody holds a lock for a moment: it is over where the next look finds nobody, either.
      if (!isAlive && !wasAlive) break;
      wasAlive = isAlive;
      await sleep(1000 * (flags.interval as number), undefined, { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        throw error;
      });
    }
  } finally {
    output.status(null);
  }
  await watched.tellEnd();
}

interface WatchedRun {
  name: string;
  path: string;
  follower: RunFollower;
  view: RunView;
  last: MetricsLine | null;
}

/** A run's directory, or that of a grid with one folder a run. */
class WatchedDirectory {
  readonly #path: string;
  readonly #output: Output;
  readonly #screen: Screen;
  readonly #runs = new Map<string, WatchedRun>();
  readonly #lease = new LeaseWatch();

  constructor(path: string, output: Output) {
    this.#path = path;
    this.#output = output;
    this.#screen = new Screen(output);
  }

  get isEmpty(): boolean {
    return this.#runs.size === 0;
  }

  /** Whether a process trains there; one of another machine lives until its lease is over. */
  async isAlive(): Promise<boolean> {
    for (const path of [this.#path, ...(await this.#folders())]) {
      if ((await this.#holder(path))?.isAlive === true) return true;
    }
    return false;
  }

  /** Shows what came; of a grid's runs that were finished before only that they are. */
  async show(isFirst: boolean): Promise<void> {
    await this.#findRuns();
    for (const run of this.#runs.values()) {
      const lines = await run.follower.poll();
      if (lines.length === 0) continue;
      run.last = lines.at(-1)!;
      const isOld = isFirst && run.follower.isDone && this.#runs.size > 1;
      for (const line of isOld && this.#output.mode !== 'json' ? lines.slice(-1) : lines)
        this.#tell(run, line);
    }
    if (this.isEmpty) this.#output.status(() => `${this.#path}: waiting for its first step`);
  }

  /** Tells how each run ended. @throws AlreadyReported where one did not end well */
  async tellEnd(): Promise<void> {
    const holder = await this.#holder(this.#path);
    const ends = [];
    for (const run of this.#runs.values()) {
      const gone = (await this.#holder(run.path)) ?? holder;
      const state = run.follower.isDone ? 'done' : gone ? 'died' : 'stopped';
      ends.push({ run: run.name, state });
      if (state === 'done') continue;
      const what = gone ? `process ${gone.pid} on ${gone.host} died` : 'it was stopped';
      const place = run.last ? ` at epoch ${run.last.epoch}, step ${run.last.step}` : '';
      run.view.note(`${what}${place}; the same command goes on from its last state`);
    }
    this.#output.json({ type: 'end', runs: ends });
    if (ends.some(({ state }) => state !== 'done')) throw new AlreadyReported();
  }

  #tell({ name, view }: WatchedRun, line: MetricsLine): void {
    if (this.#output.mode === 'json') this.#output.json({ run: name, ...line });
    else {
      if (line.type === 'stage') view.note(freezeText(line));
      view.on(line);
    }
  }

  #holder(path: string): ReturnType<typeof lockHolder> {
    return lockHolder(join(path, LOCK_NAME), this.#lease);
  }

  async #folders(): Promise<string[]> {
    const entries = await readdir(this.#path, { withFileTypes: true }).catch(() => []);
    return entries.flatMap((entry) => (entry.isDirectory() ? [join(this.#path, entry.name)] : [])).sort();
  }

  async #findRuns(): Promise<void> {
    for (const path of [this.#path, ...(await this.#folders())]) {
      if (this.#runs.has(path) || !existsSync(metricsFile(path))) continue;
      const name = basename(resolve(path));
      const view = new RunView(this.#screen, { label: name });
      this.#runs.set(path, { name, path, follower: new RunFollower(path), view, last: null });
    }
  }
}

function nothingThere(path: string): PermafrostError {
  return new PermafrostError(
    'FILE_NOT_FOUND',
    `${path}: no run to watch. Expected a directory that a training writes to, with metrics.jsonl in it, or that of a ` +
      'grid, with one folder a run.',
    { path },
  );
}
