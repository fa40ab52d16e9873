import type { TrainingEvent } from '../training/finetune.js';
import { PrefixCache } from '../training/prefix-cache.js';
import type { GridRun } from './grid.js';
import type { RunScenario } from './run.js';
import type { RunRecord } from './run-record.js';
import { type Portion, portionOf, runId } from './scenario.js';
import { GridStore } from './store.js';
import type { Workspace } from './workspace.js';

/** Which run of how many, 1-based, in the order in which they come up. */
export interface RunPosition extends Portion {
  run: string;
  strategy: string;
  seed: number;
  index: number;
  total: number;
}

/** What a grid tells while it is under way; told apart by `type`. */
export type GridEvent =
  /** First event. `todo` runs are left, `finished` are there from an earlier start. */
  | { type: 'grid-start'; total: number; todo: number; finished: number; directory: string }
  /** A file that should be a record and is not whole; its run is done again. */
  | { type: 'record-damaged'; message: string }
  | ({ type: 'run-skipped'; record: RunRecord } & RunPosition)
  | ({ type: 'run-start' } & RunPosition)
  | { type: 'run-event'; run: string; event: TrainingEvent }
  /** The record is written. */
  | ({ type: 'run-done'; record: RunRecord } & RunPosition)
  /** Last event. `records` are all of this grid, in its order. */
  | { type: 'grid-done'; records: RunRecord[]; seconds: number };

/** Runs of which all records are wanted before it is decided what comes next. */
export interface Round {
  runs: readonly GridRun[];
  /** Whether the test sets are measured. */
  test: boolean;
}

/** Which runs are done, round by round. Answers with records alone decide what comes next, so that it is resumed. */
export interface RunPlan<Result> {
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
  /** Where records and index go. */
  directory: string;
  /** Deletes the runs of an earlier grid in the directory. @default false */
  restart?: boolean;
  /** What trains one scenario; `runScenario` of run.ts. */
  runScenario: RunScenario;
  signal?: AbortSignal;
}

/**
 * Does the runs of a plan one after another, skipping what an earlier start finished.
 *
 * A run counts when its record is on disk; the one that an abort or a kill interrupted goes on from its last state.
 *
 * @returns what the plan comes to
 * @throws LOCKED, RUN_MISMATCH, WRITE_FAILED from the store; what training throws; `signal.reason` on abort.
 */
export async function* runRounds<Result>(
  options: RunRoundsOptions,
  plan: RunPlan<Result>,
): AsyncGenerator<GridEvent, Result> {
  const { workspace, directory, restart = false, signal } = options;
  signal?.throwIfAborted();
  const store = await GridStore.open(
    { directory, restart },
    {
      scenario: workspace.settings,
      dataDigest: workspace.data.digest,
      tokenizerDigest: workspace.tokenizer.digest,
    },
  );
  try {
    return yield* new Execution(options, plan, store).run();
  } finally {
    await store.close();
  }
}

class Execution<Result> {
  readonly #options: RunRoundsOptions;
  readonly #plan: RunPlan<Result>;
  readonly #store: GridStore;
  /** Records of this plan so far, and the places of their runs. */
  readonly #records = new Map<string, RunRecord>();
  readonly #positions = new Map<string, RunPosition>();
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
    await this.#store.keepWeights(this.#plan.keeps(this.#store.records));
    const rounds = this.#plan.rounds();
    let next = rounds.next();
    while (!next.done) {
      const { runs, test } = next.value;
      const records: RunRecord[] = [];
      for (const run of runs) records.push(yield* this.#do(run, test));
      next = rounds.next(records);
    }
    yield {
      type: 'grid-done',
      records: [...this.#records.values()],
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
    const record = this.#store.finished(scenario, seed);
    const lacksTest = test && record?.test === null && this.#options.workspace.splits.test !== null;
    return lacksTest ? undefined : record;
  }

  async *#do(gridRun: GridRun, test: boolean): AsyncGenerator<GridEvent, RunRecord> {
    const { workspace, runScenario, signal } = this.#options;
    signal?.throwIfAborted();
    const { scenario, seed } = gridRun;
    const run = runId(scenario, seed);
    const isNew = !this.#positions.has(run);
    const position = this.#positions.get(run) ?? {
      run,
      strategy: scenario.strategy,
      ...portionOf(scenario),
      seed,
      index: this.#positions.size + 1,
      total: this.#plan.total,
    };
    this.#positions.set(run, position);
    const earlier = this.#finished(gridRun, test);
    if (earlier) {
      this.#records.set(run, earlier);
      if (isNew) yield { type: 'run-skipped', ...position, record: earlier };
      return earlier;
    }
    yield { type: 'run-start', ...position };
    const shared = { workspace, prefixCache: this.#prefixCache, test, ...(signal && { signal }) };
    const events = runScenario({ ...shared, scenario, seed, directory: this.#store.runDirectory(run) });
    const record = yield* forward(run, events);
    await this.#store.save(record);
    this.#records.set(run, record);
    await this.#store.keepWeights(this.#plan.keeps([...this.#records.values()]));
    yield { type: 'run-done', ...position, record };
    return record;
  }
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
