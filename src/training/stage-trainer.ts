import type { LossOptions } from '../model/loss-options.js';
import type { Trainer } from '../model/trainer.js';
import type { Stage } from './events.js';
import type { Ranks } from './ranks.js';
import type { TrainingSettings } from './settings.js';

/** Updates of the warm-up of thawed weights, at most. */
const MAX_WARMUP = 100;

/**
 * Makes the trainer of a training that has come to the last of its stages, which it takes in their order.
 *
 * @param course updates of the whole training, whether dropout acts in the frozen prefix, the task's loss, and with whom.
 * @throws INVALID_OPTION, INVALID_PLAN
 */
export async function makeTrainer(
  { model, freezing, optimizer, gradientAccumulation, seed }: TrainingSettings,
  stages: readonly Stage[],
  course: { totalSteps: number; frozenDropout: 'on' | 'off'; loss: LossOptions | undefined; ranks: Ranks },
): Promise<Trainer> {
  const { restartSchedule, ...adamw } = optimizer;
  const { totalSteps, frozenDropout, loss, ranks } = course;
  const [first, ...later] = stages;
  await model.freeze(first!.plan);
  const trainer = await model.trainer({
    ...adamw,
    totalSteps: restartSchedule ? first!.untilStep : totalSteps,
    gradientAccumulation,
    seed,
    frozenDropout,
    ...(loss && { loss }),
    trackGradientL1: freezing.intervals !== undefined,
    ...ranks.trainerOptions,
  });
  for (const stage of later) {
    await model.freeze(stage.plan);
    await beginStage(trainer, stage, optimizer);
  }
  return trainer;
}

/** Begins a stage behind the change of its plan: what has thawed warms up for 100 steps or a tenth of the stage. */
export async function beginStage(
  trainer: Trainer,
  { step, untilStep }: Stage,
  { restartSchedule }: Pick<TrainingSettings['optimizer'], 'restartSchedule'>,
): Promise<void> {
  const steps = untilStep - step;
  const warmupSteps = Math.min(MAX_WARMUP, Math.ceil(steps / 10));
  await trainer.beginStage({ step, warmupSteps, ...(restartSchedule && { restart: { totalSteps: steps } }) });
}
