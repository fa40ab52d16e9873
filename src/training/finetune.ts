import { type EventRun, startRun } from './event-run.js';
import type { FinetuneResult, TrainingEvent } from './events.js';
import { type FinetuneOptions, parseFinetuneOptions } from './options.js';
import { train } from './train.js';

/** A training under way: its events, and its result. */
export type FinetuneRun = EventRun<TrainingEvent, FinetuneResult>;

/**
 * Fine-tunes a model: freezing, training with early stopping, evaluation. Starts at once.
 *
 * Each iteration over the run sees all events from the first one. Leaving the iteration does not stop
 * the training; `signal` does, and the run then rejects with its reason.
 *
 * @throws INVALID_OPTION, INVALID_PLAN, LABEL_MISMATCH, NON_FINITE and what the model throws, as rejections
 */
export function finetune(options: FinetuneOptions): FinetuneRun {
  return startRun<TrainingEvent, FinetuneResult>(
    () => train(parseFinetuneOptions(options)),
    (result) => ({ type: 'done', result }),
  );
}
