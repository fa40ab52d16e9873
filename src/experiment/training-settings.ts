import { z } from 'zod';

const positiveInteger = z.int().positive();

/** Every setting of a training that decides its result, freezing and seed aside; nothing is left to defaults. */
export const trainingSettingsSchema = z.strictObject({
  /** Upper bound on passes over the training data. */
  epochs: positiveInteger,
  /** Sentences an optimizer step. */
  batchSize: positiveInteger,
  /** Micro-batches that make up one optimizer step. */
  gradientAccumulation: positiveInteger,
  /** Longest example in tokens, special tokens included. */
  maxLength: z.int().min(3),
  optimizer: z.strictObject({
    learningRate: z.number().positive(),
    weightDecay: z.number().nonnegative(),
    betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]),
    eps: z.number().positive(),
    /** Gradients are scaled down to this global L2 norm. */
    maxGradNorm: z.number().positive(),
    schedule: z.enum(['linear', 'constant']),
    /** Share of all steps over which the learning rate rises from 0. */
    warmupRatio: z.number().min(0).max(1),
  }),
  /** `false` trains all epochs. */
  earlyStopping: z.union([
    z.literal(false),
    z.strictObject({
      metric: z.enum(['macroF1', 'weightedF1', 'accuracy', 'entityF1']),
      /** Epochs without improvement that are tolerated. */
      patience: z.int().nonnegative(),
    }),
  ]),
  /** Whether the frozen prefix keeps its dropout while training; `auto`: not where its outputs can then be kept. */
  frozenDropout: z.enum(['on', 'off', 'auto']),
  /** Type in which outputs of the frozen prefix are kept; all but fp32 round them. */
  prefixPrecision: z.enum(['fp32', 'bf16', 'fp16']),
  precision: z.enum(['fp32', 'bf16']),
});

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
