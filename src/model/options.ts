import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import { Tokenizer } from '../text/tokenizer.js';

const deviceOptions = {
  device: z.string().default('cpu'),
  precision: z.enum(['fp32', 'bf16']).default('fp32'),
  tf32: z.boolean().default(false),
  threads: z.int().min(0).max(4096).default(0),
  seed: z.int().min(0).default(42),
  kernels: z.enum(['fused', 'plain']).default('fused'),
};

const loadSchema = z.strictObject({
  ...deviceOptions,
  labels: z.array(z.string()).min(1).optional(),
  lowercase: z.boolean().optional(),
  signal: z
    .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
    .optional(),
});

const createSchema = z.strictObject({
  ...deviceOptions,
  tokenizer: z.custom<Tokenizer>((value) => value instanceof Tokenizer, 'expected a Tokenizer').optional(),
});

const trainerSchema = z.strictObject({
  learningRate: z.number().min(0).default(3e-5),
  weightDecay: z.number().min(0).default(0.01),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.999]),
  eps: z.number().positive().default(1e-8),
  maxGradNorm: z.number().min(0).default(1),
  schedule: z.enum(['linear', 'constant']).default('linear'),
  warmupSteps: z.int().min(0).default(0),
  totalSteps: z.int().positive().optional(),
  gradientAccumulation: z.int().positive().default(1),
  seed: z.int().min(0).default(42),
  frozenDropout: z.enum(['on', 'off']).default('on'),
  graphs: z.enum(['auto', 'off']).default('auto'),
  readBackEvery: z.int().positive().default(8),
});

/** Where and how a model computes. */
export interface DeviceOptions {
  /** `cpu`, `cuda`, `cuda:<number>`, or `auto`: a card where there is one. @default 'cpu' */
  device?: string;
  /**
   * Type of the arithmetic. `bf16` computes products in bfloat16; weights, gradients of weights, LayerNorm,
   * softmax, loss and optimizer stay in fp32. @default 'fp32'
   */
  precision?: 'fp32' | 'bf16';
  /** Lets fp32 products on a card round their factors to TF32; holds for the whole process. @default false */
  tf32?: boolean;
  /** Cores that one computation uses; 0 for all. @default 0 */
  threads?: number;
  /** Draws the weights that are not read from a checkpoint. @default 42 */
  seed?: number;
  /** `plain` computes by libtorch's own operations, as a reference. @default 'fused' */
  kernels?: 'fused' | 'plain';
}

export interface LoadOptions extends DeviceOptions {
  /** Labels of the head. Others than the checkpoint's start the head afresh. */
  labels?: string[];
  /** Overrides whether the tokenizer folds case. */
  lowercase?: boolean;
  signal?: AbortSignal;
}

export interface CreateOptions extends DeviceOptions {
  /** Kept with the model and saved beside it. */
  tokenizer?: Tokenizer;
}

export interface TrainerOptions {
  /** @default 3e-5 */
  learningRate?: number;
  /** Decoupled; spares biases and LayerNorm weights. @default 0.01 */
  weightDecay?: number;
  /** @default [0.9, 0.999] */
  betas?: [number, number];
  /** @default 1e-8 */
  eps?: number;
  /** Global L2 norm that gradients are scaled down to; 0 for no clipping. @default 1 */
  maxGradNorm?: number;
  /** `linear` falls to 0 at `totalSteps`. @default 'linear', or 'constant' without `totalSteps` */
  schedule?: 'linear' | 'constant';
  /** Updates over which the learning rate rises from 0. @default 0 */
  warmupSteps?: number;
  /** Updates that the schedule is laid out for. */
  totalSteps?: number;
  /** Calls of `step` that make one update. @default 1 */
  gradientAccumulation?: number;
  /** Fixes the dropout masks. @default 42 */
  seed?: number;
  /** Whether the frozen prefix applies its dropout, as the paper has it. @default 'on' */
  frozenDropout?: 'on' | 'off';
  /** Whether steps on a card are recorded as CUDA graphs, one for each bucket of tokens. @default 'auto' */
  graphs?: 'auto' | 'off';
  /**
   * Steps on a card that may be under way before the loss of the first one is waited for, provided that so many
   * calls of `step` are made without awaiting each. On a CPU every step is done at once. @default 8
   */
  readBackEvery?: number;
}

export const parseLoadOptions = (options: LoadOptions, where: string) =>
  parseOptions(loadSchema, options, where);
export const parseCreateOptions = (options: CreateOptions, where: string) =>
  parseOptions(createSchema, options, where);

/** Options with every default in its place. */
export type ParsedLoadOptions = z.output<typeof loadSchema>;
export type ParsedCreateOptions = z.output<typeof createSchema>;
export type ParsedDeviceOptions = Required<DeviceOptions>;

/** @throws INVALID_OPTION */
export function parseTrainerOptions(options: TrainerOptions) {
  const parsed = parseOptions(trainerSchema, options, 'trainer');
  if (parsed.totalSteps === undefined && options.schedule === 'linear') {
    throw new PermafrostError(
      'INVALID_OPTION',
      "trainer: schedule 'linear' needs totalSteps, the number of updates until the learning rate is 0.",
    );
  }
  return {
    ...parsed,
    schedule: parsed.totalSteps === undefined ? ('constant' as const) : parsed.schedule,
    totalSteps: parsed.totalSteps ?? 0,
  };
}
