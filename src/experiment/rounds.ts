import { setTimeout as sleep } from 'node:timers/promises';
import type { LeaseWatch } from '../io/lease.js';
import type { LockContent } from '../io/lock-holder.js';
import type { TrainingEvent } from '../training/finetune.js';
import { PrefixCache } from '../training/prefix-cache.js';
import type { GridRun } from './grid.js';
import type { GridEvent, RunPosition, Worker } from './grid-events.js';
import type { GridFile } from './grid-file.js';
import type { RunScenario } from './run.js';
import type { RunRecord } from './run-record.js';
import { portionOf, runId } from './scenario.js';
import { type ClaimedRun, GridStore } from './store.js';
import type { Workspace } from './workspace.js';

/** Between two looks at runs that others have, ms. */
const WAIT_MS = 1_000;

/** Runs of which all records are wanted before it is decided what comes next. */
export interface Round {
  runs: readonly GridRun[];
  /** Whether the test sets are measured. */
  test: boolean;
}

/** Which runs are done, round by round. Answers with records alone decide what comes next, so that it is resumed. */
export interface RunPlan<Result> {
  /** What `grid.json` says of it. */
  about: Pick<GridFile, 'kind' | 'planned'>;
  /** Different runs of all rounds. */
  total: number;
  /** Is given the records of each round, in the order of its runs. */
  rounds(): Generator<Round, Result, RunRecord[]>;
  /** Names of the runs whose best weights may still be asked for. */
  keeps(records: readonly RunRecord[]): ReadonlySet<string>;
}

/** Where runs are done, and by what. */
export interface RunRoundsOptions {
  workspace: Workspace;
  /** Where records and index go; any number of processes may work there on the same grid. */
  directory: string;
  /** Deletes the runs of an earlier grid in the directory. @default false */
  restart?: boolean;
  /** What trains one scenario; `runScenario` of run.ts. */
  runScenario: RunScenario;
  /** What repeats the grid, for `grid.json`. */
  command?: string;
  /** Sees whether processes of other machines live. @default a lease of a minute */
  lease?: LeaseWatch;
  signal?: AbortSignal;
}

/**
 * Does the runs of a plan, skipping what is finished: one after another, and side by side with whatever other processes
 * take part in the same directory.
 *
 * A run counts when its record is on disk. Whoever trains it holds its lock; one that an abort or a kill interrupted goes
 * on from its last state, in whichever process comes first. Where others have all that is left of a round, they are waited
 * for, and taken over from where they die.
 *
 * @returns what the plan comes to
 * @throws LOCKED, RUN_MISMATCH, WRITE_FAILED from the store; what training throws; `signal.reason` on abort.
 */
export async function* runRounds<Result>(
  options: RunRoundsOptions,
  plan: RunPlan<Result>,
): AsyncGenerator<GridEvent, Result> {
  const { workspace, directory, restart = false, command = null, lease, signal } = options;
  signal?.throwIfAborted();
  const store = await GridStore.open(
    { directory, restart, start: { ...plan.about, command }, ...(lease && { lease }) },
    {
      scenario: workspace.settings,
      dataDigest: workspace.data.digest,
      tokenizerDigest: workspace.tokenizer.digest,
    },
  );
  return yield* new Execution(options, plan, store).run();
}

class Execution<Result> {
  readonly #options: RunRoundsOptions;
  readonly #plan: RunPlan<Result>;
  readonly #store: GridStore;
  /** Records of this plan so far, and the places of their runs. */
  readonly #records = new Map<string, RunRecord>();
  readonly #positions = new Map<string, RunPosition>();
  /** Who was last seen to train a run. */
  readonly #workers = new Map<string, LockContent>();
  #prefixCache: PrefixCache | false = false;

  constructor(options: RunRoundsOptions, plan: RunPlan<Result>, store: GridStore) {
    this.#options = options;
    this.#plan = plan;
    this.#store = store;
  }

  async *run(): AsyncGenerator<GridEvent, Result> {
    const started = performance.now();
    const { workspace, directory } = this.#options;
    const { total } = this.#plan;
    const { finished, todo } = this.#lookAhead();
    yield { type: 'grid-start', total, todo: total - finished, finished, directory };
    for (const message of this.#store.damaged) yield { type: 'record-damaged', message };
    this.#prefixCache = sharedCache(workspace, todo);
    await this.#keepWeights();
    const rounds = this.#plan.rounds();
    let next = rounds.next();
    while (!next.done) next = rounds.next(yield* this.#round(next.value));
    await this.#store.complete();
    const byIndex = [...this.#positions.values()].sort((a, b) => a.index - b.index);
    yield {
      type: 'grid-done',
      records: byIndex.map(({ run }) => this.#records.get(run)!),
      seconds: (performance.now() - started) / 1000,
    };
    return next.value;
  }

  /** How many runs are finished, and those to do in the first round that is not. */
  #lookAhead(): { finished: number; todo: GridRun[] } {
    const finished = new Set<string>();
    const rounds = this.#plan.rounds();
    let next = rounds.next();
    while (!next.done) {
      const { runs, test } = next.value;
      const done = runs.map((run) => this.#finished(run, test));
      for (const record of done) if (record) finished.add(record.run);
      if (done.includes(undefined)) return { finished: finished.size, todo: runs.filter((_, i) => !done[i]) };
      next = rounds.next(done as RunRecord[]);
    }
    return { finished: finished.size, todo: [] };
  }

  /** The record of a run, where it says all that is asked for. */
  #finished({ scenario, seed }: GridRun, test: boolean): RunRecord | undefined {
    return this.#ifWhole(this.#store.finished(scenario, seed), test);
  }

  #ifWhole(record: RunRecord | undefined, test: boolean): RunRecord | undefined {
    const lacksTest = test && record?.test === null && this.#options.workspace.splits.test !== null;
    return lacksTest ? undefined : record;
  }

  /** Does what is left of a round and is free, until all of it is done by someone. */
  async *#round({ runs, test }: Round): AsyncGenerator<GridEvent, RunRecord[]> {
    const isNew = new Set(runs.filter((run) => this.#place(run)));
    let left = runs;
    for (;;) {
      const before = left.length;
      const busy: GridRun[] = [];
      for (const run of left) {
        this.#options.signal?.throwIfAborted();
        if (!(yield* this.#attempt(run, test, isNew.has(run)))) busy.push(run);
      }
      left = busy;
      if (left.length === 0) break;
      if (left.length === before) await this.#wait();
    }
    await this.#keepWeights();
    return runs.map(({ scenario, seed }) => this.#records.get(runId(scenario, seed))!);
  }

  /** Gives a run its place. @returns whether it comes up for the first time */
  #place({ scenario, seed }: GridRun): boolean {
    const run = runId(scenario, seed);
    if (this.#positions.has(run)) return false;
    const [index, total] = [this.#positions.size + 1, this.#plan.total];
    const { strategy } = scenario;
    this.#positions.set(run, { run, strategy, ...portionOf(scenario), seed, index, total });
    return true;
  }

  /** Does a run where that is to be done and it is free. @returns whether its record is there */
  async *#attempt(gridRun: GridRun, test: boolean, isNew: boolean): AsyncGenerator<GridEvent, boolean> {
    const { scenario, seed } = gridRun;
    const position = this.#positions.get(runId(scenario, seed))!;
    const earlier = this.#finished(gridRun, test);
    if (earlier) {
      this.#records.set(position.run, earlier);
      if (isNew) yield { type: 'run-skipped', ...position, record: earlier };
      return true;
    }
    if (yield* this.#findDone(gridRun, test, position)) return true;
    const claimed = await this.#store.claim(position.run);
    if (!('lock' in claimed)) {
      const known = this.#workers.get(position.run);
      this.#workers.set(position.run, claimed);
      if (known?.token !== claimed.token) {
        yield { type: 'run-elsewhere', ...position, worker: workerOf(claimed) };
      }
      return false;
    }
    try {
      // Someone may have finished it between the look and the lock.
      if (yield* this.#findDone(gridRun, test, position)) return true;
      return yield* this.#train(gridRun, test, position, claimed);
    } finally {
      await claimed.release();
    }
  }

  /** Looks on the disk for what another process has done meanwhile. */
  async *#findDone(
    { scenario, seed }: GridRun,
    test: boolean,
    position: RunPosition,
  ): AsyncGenerator<GridEvent, boolean> {
    const record = this.#ifWhole(await this.#store.lookUp(scenario, seed), test);
    if (!record) return false;
    this.#records.set(position.run, record);
    yield { type: 'run-found', ...position, record };
    return true;
  }

  async *#train(
    { scenario, seed }: GridRun,
    test: boolean,
    position: RunPosition,
    { lock }: ClaimedRun,
  ): AsyncGenerator<GridEvent, boolean> {
    const { workspace, runScenario, signal } = this.#options;
    const { run } = position;
    const from = this.#workers.get(run);
    yield { type: 'run-start', ...position, ...(from && { from: workerOf(from) }) };
    const shared = { workspace, prefixCache: this.#prefixCache, test, lock, ...(signal && { signal }) };
    const events = runScenario({ ...shared, scenario, seed, directory: this.#store.runDirectory(run) });
    let record: RunRecord;
    try {
      record = yield* forward(run, events);
    } catch (error) {
      if (error !== lock.lost.reason) throw error;
      yield { type: 'run-lost', ...position, message: (error as Error).message };
      return false;
    }
    await this.#store.save(record);
    this.#records.set(run, record);
    await this.#keepWeights();
    yield { type: 'run-done', ...position, record };
    return true;
  }

  /** Decides by all records that are there: those of rounds to come may be of an earlier start, or of another process. */
  #keepWeights(): Promise<void> {
    return this.#store.keepWeights(this.#plan.keeps(this.#store.records));
  }

  async #wait(): Promise<void> {
    const { signal } = this.#options;
    await sleep(WAIT_MS, undefined, signal && { signal }).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
  }
}

function workerOf({ host, pid }: LockContent): Worker {
  return { host, pid };
}

/** One cache for all runs, of every depth that those still to do ask for. */
function sharedCache({ prefix }: Workspace, todo: readonly GridRun[]): PrefixCache | false {
  const depths = new Set(todo.flatMap(({ prefixDepths }) => prefixDepths));
  return prefix && new PrefixCache({ ...prefix, depths: [...depths].sort((a, b) => a - b) });
}

/** Passes a run's events on under its name; ends the run where the consumer stops. */
async function* forward(
  run: string,
  events: AsyncGenerator<TrainingEvent, RunRecord>,
): AsyncGenerator<GridEvent, RunRecord> {
  let isOver = false;
  try {
    for (;;) {
      const next = await events.next();
      if (next.done) {
        isOver = true;
        return next.value;
      }
      yield { type: 'run-event', run, event: next.value };
    }
  } catch (error) {
    isOver = true;
    throw error;
  } finally {
    // Reached without an end only where the consumer returned early: lets the run dispose of its model.
    if (!isOver) await events.return(undefined as never);
  }
}
