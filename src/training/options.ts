import { z } from 'zod';
import type { EncodedSplits } from '../contract/encoded-dataset.js';
import type { Sentence } from '../data/sentence.js';
import type { EnergyCounter } from '../energy/counter.js';
import { parseOptions } from '../errors/option-error.js';
import { parseStrategy } from '../freezing/notation.js';
import type { Strategy } from '../freezing/strategy.js';
import { TokenClassifier } from '../model/token-classifier.js';
import { PrefixCache } from './prefix-cache.js';

/** Settings of AdamW and its schedule; the defaults are the paper's, else the Hugging Face Trainer's. */
export interface OptimizerOptions {
  /** @default 3e-5 */
  learningRate?: number;
  /** Decoupled; none on biases and LayerNorm weights. @default 0.01 */
  weightDecay?: number;
  /** @default [0.9, 0.999] */
  betas?: [number, number];
  /** @default 1e-8 */
  eps?: number;
  /** Gradients are scaled down to this global L2 norm. @default 1 */
  maxGradNorm?: number;
  /** @default 'linear' */
  schedule?: 'linear' | 'constant';
  /** Share of all steps over which the learning rate rises from 0. @default 0 */
  warmupRatio?: number;
}

/** When training ends before the last epoch. */
export interface EarlyStoppingOptions {
  /** Validation score to watch. @default 'macroF1' */
  metric?: 'macroF1' | 'weightedF1' | 'accuracy' | 'entityF1';
  /** Epochs without improvement that are tolerated. @default 2 */
  patience?: number;
}

export interface EnergyOptions {
  /** Grams of CO2 equivalents a kilowatt-hour, where you compute. @default none, and no emissions in the result */
  carbonIntensity?: number;
  /** @default the processor's and its memory's (RAPL), and the model's card's (NVML) */
  counters?: EnergyCounter[];
}

export interface FinetuneOptions {
  model: TokenClassifier;
  train: Sentence[];
  validation: Sentence[];
  /** Evaluated once, with the best weights. */
  test?: Sentence[];
  /** A strategy, or its notation such as `bottom-up:6`. @default 'full' */
  freezing?: Strategy | string;
  /** Upper bound on passes over the training data. @default 10 */
  epochs?: number;
  /** Sentences a batch. @default 32 */
  batchSize?: number;
  /** Batches that make up one optimizer step. @default 1 */
  gradientAccumulation?: number;
  /** Longest example in tokens, special tokens included. @default 128, or the model's positions if fewer */
  maxLength?: number;
  optimizer?: OptimizerOptions;
  /** false trains all epochs; the best epoch's weights are restored in any case. */
  earlyStopping?: EarlyStoppingOptions | false;
  /** The sentences encoded, where the caller has them already, such as for several runs. */
  encoded?: EncodedSplits;
  /**
   * Whether the frozen prefix keeps its dropout while training, as the paper has it. `auto` leaves it out where
   * that lets the prefix's outputs be kept, and leaves it on elsewhere. @default 'on'
   */
  frozenDropout?: 'on' | 'off' | 'auto';
  /**
   * Keeps the outputs of the frozen prefix from epoch to epoch, and from run to run where runs share the
   * cache. Takes effect where the prefix has no dropout; false computes them in every step.
   * @default a cache of its own, of a quarter of the free memory
   */
  prefixCache?: PrefixCache | false;
  /** Fixes order and dropout. @default 42 */
  seed?: number;
  /** What energy is measured with; false measures none. @default the counters of this machine, where it has any */
  energy?: EnergyOptions | false;
  /** Stops after the running step; the run rejects with `signal.reason`. */
  signal?: AbortSignal;
}

export const optimizerSchema = z.strictObject({
  learningRate: z.number().positive().default(3e-5),
  weightDecay: z.number().min(0).default(0.01),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.999]),
  eps: z.number().positive().default(1e-8),
  maxGradNorm: z.number().min(0).default(1),
  schedule: z.enum(['linear', 'constant']).default('linear'),
  warmupRatio: z.number().min(0).max(1).default(0),
});

const energySchema = z.strictObject({
  carbonIntensity: z.number().min(0).optional(),
  counters: z
    .custom<EnergyCounter[]>(
      (value) => Array.isArray(value) && value.every((counter) => typeof counter?.read === 'function'),
      'expected a list of energy counters',
    )
    .optional(),
});

const stoppingSchema = z.strictObject({
  metric: z.enum(['macroF1', 'weightedF1', 'accuracy', 'entityF1']).default('macroF1'),
  patience: z.int().positive().nullable().default(2),
});

// Data and model are objects of this package and are not looked into.
const sentences = z.custom<Sentence[]>(
  (value) => Array.isArray(value) && value.length > 0,
  'expected at least one sentence',
);

/** A strategy, or its notation. */
export const freezingSchema = z
  .custom<Strategy | string>(
    (value) => typeof value === 'string' || typeof (value as Strategy | null)?.plan === 'function',
    "expected a strategy, or its notation such as 'bottom-up:6'",
  )
  .default('full')
  .transform((freezing) => (typeof freezing === 'string' ? parseStrategy(freezing) : freezing));

export const signalSchema = z
  .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
  .optional();

const finetuneSchema = z.strictObject({
  model: z.custom<TokenClassifier>((value) => value instanceof TokenClassifier, 'expected a TokenClassifier'),
  train: sentences,
  validation: sentences,
  test: sentences.optional(),
  freezing: freezingSchema,
  epochs: z.int().positive().default(10),
  batchSize: z.int().positive().default(32),
  gradientAccumulation: z.int().positive().default(1),
  maxLength: z.int().min(3).optional(),
  optimizer: optimizerSchema.prefault({}),
  earlyStopping: z.preprocess(
    (stopping) => (stopping === false ? { patience: null } : stopping),
    stoppingSchema.prefault({}),
  ),
  // Flat arrays of this package; their sizes are compared with the sentences before they are used.
  encoded: z.custom<EncodedSplits>((value) => typeof value === 'object' && value !== null).optional(),
  frozenDropout: z.enum(['on', 'off', 'auto']).default('on'),
  prefixCache: z
    .custom<PrefixCache | false>(
      (value) => value === false || value instanceof PrefixCache,
      'expected a PrefixCache or false',
    )
    .optional(),
  seed: z.int().min(0).default(42),
  energy: z.union([z.literal(false), energySchema]).default({}),
  signal: signalSchema,
});

/** Options with every default in its place. */
export type ParsedFinetuneOptions = z.output<typeof finetuneSchema>;

/** @throws INVALID_OPTION naming each option that is wrong; INVALID_PLAN for an unknown notation */
export function parseFinetuneOptions(options: FinetuneOptions): ParsedFinetuneOptions {
  return parseOptions(finetuneSchema, options, 'finetune');
}
