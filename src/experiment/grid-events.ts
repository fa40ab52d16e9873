import type { TrainingEvent } from '../training/finetune.js';
import type { RunRecord } from './run-record.js';
import type { Portion } from './scenario.js';

/** Which run of how many, 1-based, in the order in which they come up. */
export interface RunPosition extends Portion {
  run: string;
  strategy: string;
  seed: number;
  index: number;
  total: number;
}

/** A process that takes part in a grid. */
export interface Worker {
  host: string;
  pid: number;
}

/** What a grid tells while it is under way; told apart by `type`. */
export type GridEvent =
  /** First event. `todo` runs are left, `finished` are there from an earlier start. */
  | { type: 'grid-start'; total: number; todo: number; finished: number; directory: string }
  /** A file that should be a record and is not whole; its run is done again. */
  | { type: 'record-damaged'; message: string }
  | ({ type: 'run-skipped'; record: RunRecord } & RunPosition)
  /** Another process trains it. */
  | ({ type: 'run-elsewhere'; worker: Worker } & RunPosition)
  /** Another process has finished it while this one was at work. */
  | ({ type: 'run-found'; record: RunRecord } & RunPosition)
  /** `from` is the process that it is taken over from, which died. */
  | ({ type: 'run-start'; from?: Worker } & RunPosition)
  | { type: 'run-event'; run: string; event: TrainingEvent }
  /** The run is another process's by now, since this one was not seen to live for a while. */
  | ({ type: 'run-lost'; message: string } & RunPosition)
  /** The record is written. */
  | ({ type: 'run-done'; record: RunRecord } & RunPosition)
  /** Last event. `records` are all of this grid, in its order. */
  | { type: 'grid-done'; records: RunRecord[]; seconds: number };
