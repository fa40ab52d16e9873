import type { z } from 'zod';
import { parseOptions } from '../errors/option-error.js';
import { type EventRun, startRun } from './event-run.js';
import type { DoneEvent, ProgressEvent, TrainingResult } from './events.js';
import { type MaskingScores, MaskingTask, pretrainSchema } from './masking-task.js';
import { train } from './train.js';

/** Options of `pretrain`: model, text, masking, course, directory. */
export interface PretrainOptions extends z.input<typeof pretrainSchema> {}

/** What a pretraining is worth. */
export interface PretrainResult extends TrainingResult<MaskingScores> {
  /** Validation loss of the best weights. */
  bestLoss: number;
  /** Examples that the text was cut into. */
  examples: { train: number; validation: number };
  /** Number of hidden tokens of the validation text. */
  validationTokens: number;
}

/** What a pretraining tells while it is under way; told apart by `type`. */
export type PretrainEvent = ProgressEvent<MaskingScores> | DoneEvent<PretrainResult>;
/** A pretraining under way: its events, and its result. */
export type PretrainRun = EventRun<PretrainEvent, PretrainResult>;

/**
 * Teaches a model to predict hidden tokens. Starts at once, or with a directory goes on where an earlier call with the
 * same options stopped, and ends in the same bits.
 *
 * Events, directory and abort are those of `finetune`. In the end the model holds the weights of the lowest validation
 * loss.
 *
 * @throws INVALID_OPTION, INVALID_PLAN, WEIGHTS_MISMATCH where tokenizer and model have other vocabularies,
 *   NON_FINITE, with a directory WRITE_FAILED, LOCKED and RUN_MISMATCH, and what the model throws, as rejections
 */
export function pretrain(options: PretrainOptions): PretrainRun {
  return startRun<PretrainEvent, PretrainResult>(
    async function* () {
      const settings = parseOptions(pretrainSchema, options, 'pretrain');
      let task: MaskingTask | undefined;
      const result = yield* train(settings, async () => {
        task = await MaskingTask.create(settings);
        return task;
      });
      return { ...result, bestLoss: -result.bestScore, ...task!.facts };
    },
    (result) => ({ type: 'done', result }),
  );
}
