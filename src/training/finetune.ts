import type { z } from 'zod';
import { parseOptions } from '../errors/option-error.js';
import type { Metrics } from '../evaluation/metrics.js';
import { type EventRun, startRun } from './event-run.js';
import type { DoneEvent, ProgressEvent, TrainingResult } from './events.js';
import { finetuneSchema, TaggingTask, type taggingStoppingShape } from './tagging-task.js';
import { train } from './train.js';

/** Options of `finetune`: model, data, freezing, course, directory. */
export interface FinetuneOptions extends z.input<typeof finetuneSchema> {}
/** When training ends before the last epoch. */
export interface EarlyStoppingOptions
  extends z.input<z.ZodObject<typeof taggingStoppingShape, z.core.$strict>> {}
/** What a fine-tuning is worth. */
export interface FinetuneResult extends TrainingResult<Metrics> {}
/** What a fine-tuning tells while it is under way; told apart by `type`. */
export type TrainingEvent = ProgressEvent<Metrics> | DoneEvent<FinetuneResult>;
/** A training under way: its events, and its result. */
export type FinetuneRun = EventRun<TrainingEvent, FinetuneResult>;

/**
 * Fine-tunes a model: freezing, training with early stopping, evaluation. Starts at once, or with a directory goes on
 * where an earlier call with the same options stopped, and ends in the same bits.
 *
 * Each iteration over the run sees all events from the first one. Leaving the iteration does not stop
 * the training; `signal` does, and the run then rejects with its reason. In the end the model holds the best weights.
 *
 * @throws INVALID_OPTION, INVALID_PLAN, LABEL_MISMATCH, NON_FINITE, with a directory WRITE_FAILED, LOCKED and
 *   RUN_MISMATCH, and what the model throws, as rejections
 */
export function finetune(options: FinetuneOptions): FinetuneRun {
  return startRun<TrainingEvent, FinetuneResult>(
    () => {
      const settings = parseOptions(finetuneSchema, options, 'finetune');
      return train(settings, () => TaggingTask.create(settings));
    },
    (result) => ({ type: 'done', result }),
  );
}
