import { existsSync } from 'node:fs';
import { writeFileAtomic } from '../io/atomic-write.js';
import type { RunDirectory } from '../training/directory.js';
import type { EventRun } from '../training/event-run.js';
import { requireSame } from '../training/identity.js';
import type { Ranks } from '../training/ranks.js';

/** A training that leaves a record, whatever it trains. */
export interface RecordedRun<Model extends AsyncDisposable, Event, Result, Record> {
  /** Where weights, state and record go; null where nothing is written, and on all ranks but the first. */
  directory: RunDirectory | null;
  ranks: Ranks;
  /** The record of a run that was finished there, and what it was a run of; null for a file that is not whole. */
  readRecord(file: string): Promise<{ record: Record; identity: object } | null>;
  /** What this is a run of, as JSON. */
  identity: object;
  /** What is said where there is nothing to do. */
  finished(record: Record, path: string): Event;
  createModel(): Promise<Model>;
  start(model: Model, signal: AbortSignal): EventRun<Event, Result>;
  compose(model: Model, result: Result): Record | Promise<Record>;
  /** Completes the directory before the record says that everything is done. */
  complete?(record: Record): Promise<void>;
  /** Whether what an earlier run left is deleted; `start` tells the training, too. */
  restart: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * Trains and writes the record, or finds that this was done before: yields the events of the training.
 *
 * The model is disposed of in any case; where the consumer stops early, the training stops with its state written.
 *
 * @throws RUN_MISMATCH where the directory holds the record of another run; what creating the model and training throw;
 *   `signal.reason` on abort
 */
export async function* recordedRun<Model extends AsyncDisposable, Event, Result, Record>(
  run: RecordedRun<Model, Event, Result, Record>,
): AsyncGenerator<Event, Record> {
  const { directory, ranks, signal } = run;
  const earlier = await ranks.tell(() => findRecord(run));
  if (earlier !== null) {
    yield run.finished(earlier.record, earlier.path);
    return earlier.record;
  }
  // The training would go on without a listener; this ends it where the consumer stops early.
  const left = new AbortController();
  await using model = await run.createModel();
  const ends = [left.signal, directory?.lost, signal].filter((end) => end !== undefined);
  const training = run.start(model, AbortSignal.any(ends));
  try {
    for await (const event of training) yield event;
    const record = await run.compose(model, await training.result);
    if (directory === null) return record;
    await run.complete?.(record);
    await writeFileAtomic(directory.record, `${JSON.stringify(record, null, 2)}\n`);
    return record;
  } finally {
    left.abort();
    await training.result.catch(() => undefined);
  }
}

/** The record of this very run, where it was finished before. @throws RUN_MISMATCH */
async function findRecord<Model extends AsyncDisposable, Event, Result, Record>(
  run: RecordedRun<Model, Event, Result, Record>,
): Promise<{ record: Record; path: string } | null> {
  const { directory, restart } = run;
  if (directory === null || restart || !existsSync(directory.record)) return null;
  const earlier = await run.readRecord(directory.record);
  if (earlier === null) return null;
  requireSame(directory.path, earlier.identity, JSON.parse(JSON.stringify(run.identity)) as object);
  return { record: earlier.record, path: directory.path };
}
