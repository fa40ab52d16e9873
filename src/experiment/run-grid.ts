import type { TrainingEvent } from '../training/finetune.js';
import { PrefixCache } from '../training/prefix-cache.js';
import { type GridRun, gridRuns } from './grid.js';
import type { RunScenario } from './run.js';
import type { RunRecord } from './run-record.js';
import { runId, scenarioOf } from './scenario.js';
import { GridStore } from './store.js';
import type { Workspace } from './workspace.js';

/** Which run of how many, 1-based, in the order of the grid. */
export interface RunPosition {
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

/** Which scenarios are trained with which seeds, and where. */
export interface RunGridOptions {
  workspace: Workspace;
  /** Notations of the strategies. */
  strategies: readonly string[];
  seeds: readonly number[];
  /** Where records and index go. */
  directory: string;
  /** Deletes the runs of an earlier grid in the directory. @default false */
  restart?: boolean;
  /** What trains one scenario; `runScenario` of run.ts. */
  runScenario: RunScenario;
  signal?: AbortSignal;
}

/**
 * Trains every scenario with every seed, skipping what an earlier start finished.
 *
 * A run counts when its record is on disk; the one that an abort or a kill interrupted goes on from its last state.
 *
 * @throws LOCKED, RUN_MISMATCH, WRITE_FAILED from the store; INVALID_PLAN; what training throws; `signal.reason` on abort.
 */
export async function* runGrid(options: RunGridOptions): AsyncGenerator<GridEvent, RunRecord[]> {
  const { workspace, directory, restart = false, signal } = options;
  signal?.throwIfAborted();
  const scenarios = options.strategies.map((strategy) => scenarioOf(workspace.settings, strategy));
  const runs = gridRuns(scenarios, options.seeds, workspace.numLayers);
  const store = await GridStore.open(
    { directory, restart },
    {
      scenario: workspace.settings,
      dataDigest: workspace.data.digest,
      tokenizerDigest: workspace.tokenizer.digest,
    },
  );
  try {
    return yield* runAll(options, runs, store);
  } finally {
    await store.close();
  }
}

async function* runAll(
  { workspace, directory, runScenario, signal }: RunGridOptions,
  runs: GridRun[],
  store: GridStore,
): AsyncGenerator<GridEvent, RunRecord[]> {
  const started = performance.now();
  const total = runs.length;
  const finished = runs.filter(({ scenario, seed }) => store.finished(scenario, seed)).length;
  yield { type: 'grid-start', total, todo: total - finished, finished, directory };
  for (const message of store.damaged) yield { type: 'record-damaged', message };
  const prefixCache = sharedCache(
    workspace,
    runs.filter(({ scenario, seed }) => !store.finished(scenario, seed)),
  );
  const records: RunRecord[] = [];
  for (const [index, { scenario, seed }] of runs.entries()) {
    signal?.throwIfAborted();
    const run = runId(scenario, seed);
    const position = { run, strategy: scenario.strategy, seed, index: index + 1, total };
    const earlier = store.finished(scenario, seed);
    if (earlier) {
      records.push(earlier);
      yield { type: 'run-skipped', ...position, record: earlier };
      continue;
    }
    yield { type: 'run-start', ...position };
    const shared = { workspace, prefixCache, ...(signal && { signal }) };
    const events = runScenario({ ...shared, scenario, seed, directory: store.runDirectory(run) });
    const record = yield* forward(run, events);
    await store.save(record);
    records.push(record);
    yield { type: 'run-done', ...position, record };
  }
  yield { type: 'grid-done', records, seconds: (performance.now() - started) / 1000 };
  return records;
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
