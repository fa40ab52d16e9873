import type { EncoderModel } from '../model/encoder-model.js';
import type { Trainer } from '../model/trainer.js';
import type { OptimizerOptions } from './options.js';

/** What a training settles of its trainer; `warmupRatio` is a share of all its steps. */
export interface TrainerSettings {
  model: EncoderModel;
  optimizer: OptimizerOptions & { warmupRatio: number };
  gradientAccumulation: number;
  seed: number;
}

/** The trainer of a training of so many optimizer steps. */
export function startTrainer(
  { model, optimizer, gradientAccumulation, seed }: TrainerSettings,
  totalSteps: number,
  frozenDropout: 'on' | 'off' = 'on',
): Promise<Trainer> {
  const { warmupRatio, ...rest } = optimizer;
  return model.trainer({
    ...rest,
    warmupSteps: Math.ceil(warmupRatio * totalSteps),
    totalSteps,
    gradientAccumulation,
    seed,
    frozenDropout,
  });
}
