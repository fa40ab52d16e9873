import { z } from 'zod';
import { settledShape } from '../errors/option-shape.js';
import { headShape } from '../model/options.js';
import { courseShape, optimizerShape } from '../training/settings.js';
import { taggingLossShape } from '../training/tagging-loss.js';
import { taggingShape, taggingStoppingShape } from '../training/tagging-task.js';

const stopping = settledShape(taggingStoppingShape);

/** Every setting of a training that decides its result, freezing and seed aside; nothing is left to defaults. */
export const trainingSettingsSchema = z.strictObject({
  ...settledShape(courseShape),
  ...settledShape(taggingShape),
  maxLength: z.int().min(3),
  optimizer: z.strictObject(settledShape(optimizerShape)),
  /** Absent where all labelled words count alike. */
  loss: z.strictObject(taggingLossShape).optional(),
  ...headShape,
  /** `false` trains all epochs. */
  earlyStopping: z.union([z.literal(false), z.strictObject({ ...stopping, patience: z.int().positive() })]),
  /** Type in which outputs of the frozen prefix are kept; all but fp32 round them. */
  prefixPrecision: z.enum(['fp32', 'bf16', 'fp16']),
  precision: z.enum(['fp32', 'bf16']),
});

/** Every setting of a training that decides its result, freezing and seed aside. */
export type TrainingSettings = z.infer<typeof trainingSettingsSchema>;

/** The paper's settings; where it is silent, those of the Hugging Face Trainer. */
export const PAPER_TRAINING: TrainingSettings = {
  epochs: 10,
  batchSize: 32,
  gradientAccumulation: 1,
  maxLength: 128,
  optimizer: {
    learningRate: 3e-5,
    weightDecay: 0.01,
    betas: [0.9, 0.999],
    eps: 1e-8,
    maxGradNorm: 1,
    schedule: 'linear',
    warmupRatio: 0,
  },
  earlyStopping: { metric: 'macroF1', patience: 2 },
  frozenDropout: 'on',
  prefixPrecision: 'fp32',
  precision: 'fp32',
};

/**
 * Settings for fresh random weights, which the paper does not train: a higher learning rate with a warm-up.
 *
 * Twelve fresh post-norm layers stay at predicting O for everything at a learning rate of 1e-3.
 */
export const FRESH_TRAINING: TrainingSettings = {
  ...PAPER_TRAINING,
  optimizer: { ...PAPER_TRAINING.optimizer, learningRate: 5e-4, warmupRatio: 0.1 },
};
