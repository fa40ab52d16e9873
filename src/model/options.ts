import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import type { HubOptions } from '../hub/snapshot.js';
import type { NativeGroup, NativeTrainerOptions } from '../native/addon.js';
import { Tokenizer } from '../text/tokenizer.js';
import { lossShape, nativeLoss } from './loss-options.js';
import { MATMULS } from './matmul.js';

// Options are declared once, with check, default and, where a command has a flag for them, the words that describe it.

const TRAINING_PRECISIONS = ['fp32', 'bf16'] as const;

const refuseInt8 = ({ input }: { input?: unknown }) =>
  input === 'int8'
    ? 'expected fp32 or bf16 (int8 is for tagging and evaluation: train in one of these, then load the model in int8)'
    : undefined;

/** Where and how a model computes. */
export const engineShape = {
  /** `cpu`, `cuda`, `cuda:<number>`, or `auto`: a card where libtorch has one, else the CPU. @default 'auto' */
  device: z
    .string()
    .default('auto')
    .meta({
      description: 'cpu, cuda, cuda:0, or auto: a card where libtorch has one, else the CPU',
      value: 'device',
      suggestions: ['auto', 'cpu', 'cuda', 'cuda:0'],
    }),
  /** Cores that one computation uses; 0 for all. @default 0 */
  threads: z.int().min(0).max(4096).default(0).describe('CPU threads, 0 for all cores'),
  /**
   * Type of the arithmetic. `bf16` computes products in bfloat16; weights, gradients of weights, LayerNorm,
   * softmax, loss and optimizer stay in fp32. @default 'fp32'
   */
  precision: z
    .enum(TRAINING_PRECISIONS, { error: refuseInt8 })
    .default('fp32')
    .describe('type of the arithmetic'),
  /** Lets fp32 products on a card round their factors to TF32; holds for the whole process. @default false */
  tf32: z.boolean().default(false).describe('let fp32 products on a card round their factors to TF32'),
  /** `plain` computes by libtorch's own operations, as a reference. @default 'fused' */
  kernels: z
    .enum(['fused', 'plain'])
    .default('fused')
    .describe("fused, or plain: libtorch's own operations, as a reference"),
  /**
   * What multiplies large matrices on a CPU: `libtorch` its BLAS, `onednn` oneDNN, `own` this package's kernels. `auto` takes
   * `PERMAFROST_MATMUL` where it is set, else the fastest, measured once a machine and shape of model. @default 'auto'
   */
  matmul: z
    .enum(MATMULS)
    .default('auto')
    .describe('what multiplies large matrices on a CPU: the fastest, or one by name'),
};

/** Where and how a model computes that is not trained. */
export const inferenceShape = {
  ...engineShape,
  /**
   * Type of the arithmetic. `bf16` computes products in bfloat16. `int8` computes the linear maps of the encoder, on a
   * CPU, from weights and activations of 8 bits as `export --onnx --int8` does, a scale for each output and each token;
   * all else is fp32. Such a model cannot be trained. It keeps its weights in fp32 beside those of 8 bits, and saves
   * them. @default 'fp32'
   */
  precision: z
    .enum([...TRAINING_PRECISIONS, 'int8'])
    .default('fp32')
    .describe('type of the arithmetic; int8: linear maps in 8 bits, on a CPU'),
};

/** What gives the tokens of a model their labels. */
export const headShape = {
  /**
   * `softmax` labels each token by itself. `crf` is a conditional random field (Lafferty et al. 2001), a linear chain over
   * the words of a sentence, on the same classifier: it learns which label follows which.
   * @default that of the checkpoint, else 'softmax'
   */
  head: z
    .enum(['softmax', 'crf'])
    .optional()
    .describe('what labels words: softmax, each by itself, or crf, a linear chain over the sentence'),
};

const deviceShape = {
  ...inferenceShape,
  /** Draws the weights that are not read from a checkpoint. @default 42 */
  seed: z.int().min(0).default(42),
};

export const loadSchema = z.strictObject({
  ...deviceShape,
  ...headShape,
  /** Labels of the head. It keeps the checkpoint's rows of those that it knows, whatever their order; others are drawn. */
  labels: z.array(z.string()).min(1).optional(),
  /** Overrides whether the tokenizer folds case. */
  lowercase: z.boolean().optional(),
  /** How a model of the Hub is fetched. */
  hub: z.custom<HubOptions>((value) => typeof value === 'object' && value !== null).optional(),
  signal: z
    .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
    .optional(),
});

export const createSchema = z.strictObject({
  ...deviceShape,
  ...headShape,
  /** Kept with the model and saved beside it. */
  tokenizer: z.custom<Tokenizer>((value) => value instanceof Tokenizer, 'expected a Tokenizer').optional(),
});

const RATE_SCHEDULES = ['linear', 'cosine', 'constant', 'polynomial', 'slanted-triangular'] as const;

/** Where `polynomial` ends, as in Transformers. */
const POLYNOMIAL_END = 1e-7;

/** Course of the learning rate. */
export type RateSchedule = (typeof RATE_SCHEDULES)[number];

/** AdamW, clipping and the course of the learning rate; the defaults are the paper's, else the Hugging Face Trainer's. */
export const adamwShape = {
  /** Peak. @default 3e-5 */
  learningRate: z.number().min(0).default(3e-5).describe('peak learning rate'),
  /** Decoupled; none on biases and LayerNorm weights. @default 0.01 */
  weightDecay: z.number().min(0).default(0.01).describe('weight decay, none on biases and LayerNorm weights'),
  /** Decay rates of the means of gradients and of their squares. @default [0.9, 0.999] */
  betas: z
    .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
    .default([0.9, 0.999])
    .meta({
      description: "AdamW's decay rates of the means of gradients and of their squares",
      value: 'b1,b2',
    }),
  /** Added to the root of the mean square. @default 1e-8 */
  eps: z.number().positive().default(1e-8).describe("AdamW's epsilon"),
  /** Gradients are scaled down to this global L2 norm; 0 for no clipping. @default 1 */
  maxGradNorm: z.number().min(0).default(1).describe('global norm that gradients are clipped to, 0 for none'),
  /**
   * Course of the learning rate behind its warm-up. `linear` and `cosine` (half a wave) fall to 0 at the last step, and
   * `polynomial` (power 1) to 1e-7: they and `constant` are those of Transformers' `get_scheduler`.
   * `slanted-triangular` (Howard & Ruder 2018, equation 3) rises from a 32nd of the peak over the warm-up, which is a
   * tenth of the steps where none is given, and falls back to it.
   * @default 'linear'
   */
  schedule: z.enum(RATE_SCHEDULES).default('linear').describe('course of the learning rate'),
  /** Share of all updates over which the learning rate rises from 0. @default 0 */
  warmupRatio: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('share of the steps over which the learning rate rises'),
  /** Updates over which it rises, in place of `warmupRatio`. @default none */
  warmupSteps: z
    .int()
    .min(0)
    .optional()
    .describe('steps over which the learning rate rises, in place of --warmup-ratio'),
  /**
   * Factor d of the learning rate from each layer to the one below it: the head has 1, layer i of L has d^(L-1-i), the
   * embeddings have d^L (the discriminative fine-tuning of Howard & Ruder 2018). @default 1
   */
  layerDecay: z
    .number()
    .positive()
    .max(1)
    .optional()
    .describe('factor of the learning rate from each layer to the one below (default: 1)'),
  /** Peak learning rate of the head. @default that of the top layer */
  headLearningRate: z
    .number()
    .min(0)
    .optional()
    .describe("peak learning rate of the head (default: the top layer's)"),
};

/** Ranks that have met to train one model together, as a trainer needs them: a `Group` is one. */
export interface TrainingGroup {
  readonly native: NativeGroup;
}

const trainerSchema = z.strictObject({
  ...adamwShape,
  /** Updates that the schedule is laid out for. @default none, and the rate is constant */
  totalSteps: z.int().positive().optional(),
  /** Calls of `step` that make one update. @default 1 */
  gradientAccumulation: z.int().positive().default(1),
  /** Fixes the dropout masks. @default 42 */
  seed: z.int().min(0).default(42),
  /** Whether the frozen prefix applies its dropout, as the paper has it. @default 'on' */
  frozenDropout: z.enum(['on', 'off']).default('on'),
  /** How labelled tokens count in the loss; for a head that labels each token by itself. @default all alike */
  loss: z.strictObject(lossShape).default({}),
  /** Whether steps on a card are recorded as CUDA graphs, one for each bucket of tokens. @default 'auto' */
  graphs: z.enum(['auto', 'off']).default('auto'),
  /**
   * Steps on a card that may be under way before the loss of the first one is waited for, provided that so many
   * calls of `step` are made without awaiting each. On a CPU every step is done at once. @default 8
   */
  readBackEvery: z.int().positive().default(8),
  /**
   * Adds up each layer's gradients over the updates, for `Trainer.gradientL1`, at the cost of as much memory as the
   * weights of the layers that learn. @default false
   */
  trackGradientL1: z.boolean().default(false),
  /**
   * Trains together with the other ranks of a group, each of which makes a trainer of the same options and calls it
   * alike. @default none
   */
  group: z
    .custom<TrainingGroup>(
      (value) => typeof value === 'object' && value !== null && 'native' in value,
      'expected a Group',
    )
    .optional(),
  /**
   * Parts that every batch comes in. The sum of their gradients has one order on a CPU, and does not depend on the number
   * of ranks in a single bit, provided that each computes with as many threads; a rank then gives `step` those parts that
   * are its own. Every call of `step` sums, also one that does not update. On cards NCCL has an order of its own, and steps
   * are done at once. @default one a rank, summed as it is fastest
   */
  gradientShards: z.int().min(1).max(4096).optional(),
});

const stageSchema = z.strictObject({
  /**
   * Updates over which the learning rate of the weights that the plan has thawed rises from 0 to the one that they
   * have in common with the others. @default 0
   */
  warmupSteps: z.int().min(0).default(0),
  /**
   * Begins the schedule of the learning rate anew, its warm-up included, laid out for so many updates from here on.
   * @default it goes on
   */
  restart: z.strictObject({ totalSteps: z.int().positive() }).optional(),
  /** Updates that were done when the stage began; for a training that goes on from a state. @default those done by now */
  step: z.int().min(0).optional(),
});

/** Where and how a model computes. */
export interface DeviceOptions extends z.input<z.ZodObject<typeof deviceShape, z.core.$strict>> {}
/** Options of a model that is read from a directory. */
export interface LoadOptions extends z.input<typeof loadSchema> {}
/** Options of a model of random weights. */
export interface CreateOptions extends z.input<typeof createSchema> {}
/** Options of a trainer: AdamW, learning rate, accumulation, dropout. */
export interface TrainerOptions extends z.input<typeof trainerSchema> {}

/** Options of a stage of a training. */
export interface StageOptions extends z.input<typeof stageSchema> {}

export const parseStageOptions = (options: StageOptions) => parseOptions(stageSchema, options, 'beginStage');
export const parseLoadOptions = (options: LoadOptions, where: string) =>
  parseOptions(loadSchema, options, where);
export const parseCreateOptions = (options: CreateOptions, where: string) =>
  parseOptions(createSchema, options, where);

/** Options with every default in its place. */
export type ParsedLoadOptions = z.output<typeof loadSchema>;
export type ParsedCreateOptions = z.output<typeof createSchema>;
export type ParsedDeviceOptions = z.output<z.ZodObject<typeof deviceShape, z.core.$strict>>;

/**
 * @param labels label of each id of the head.
 * @throws INVALID_OPTION
 */
export function parseTrainerOptions(options: TrainerOptions, labels: readonly string[]) {
  const { warmupRatio, warmupSteps, betas, ...parsed } = parseOptions(trainerSchema, options, 'trainer');
  const { group, ...others } = parsed;
  const { learningRate, layerDecay = 1, headLearningRate = learningRate, totalSteps, schedule } = parsed;
  const needing =
    options.schedule !== undefined && schedule !== 'constant'
      ? `\`schedule\` '${schedule}'`
      : warmupRatio > 0
        ? '`warmupRatio`'
        : null;
  if (totalSteps === undefined && needing !== null) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `trainer: ${needing} needs \`totalSteps\`, the number of updates that it is laid out for.`,
      { option: 'totalSteps' },
    );
  }
  if (schedule === 'polynomial' && learningRate <= POLYNOMIAL_END) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `trainer: \`schedule\` 'polynomial' falls to ${POLYNOMIAL_END}, so \`learningRate\` must be above it, got ${learningRate}.`,
      { option: 'learningRate' },
    );
  }
  /** Updates of a warm-up within so many. */
  const warmupWithin = (steps: number) => warmupSteps ?? Math.ceil(warmupRatio * steps);
  const native: NativeTrainerOptions = {
    ...others,
    ...(group && { group: group.native }),
    gradientShards: parsed.gradientShards ?? 0,
    beta1: betas[0],
    beta2: betas[1],
    frozenDropout: parsed.frozenDropout === 'on',
    loss: nativeLoss(parsed.loss, labels),
    graphs: parsed.graphs === 'auto',
    layerDecay,
    headLearningRate,
    schedule: totalSteps === undefined ? ('constant' as const) : schedule,
    warmupSteps: warmupWithin(totalSteps ?? 0),
    totalSteps: totalSteps ?? 0,
  };
  return { native, warmupWithin };
}
