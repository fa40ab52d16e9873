import { z } from 'zod';
import { Group } from '../distributed/group.js';
import type { EnergyCounter } from '../energy/counter.js';
import { type Freezing, isFreezing } from '../freezing/schedule.js';
import { scheduleOf } from '../freezing/schedule-notation.js';
import type { EncoderModel } from '../model/encoder-model.js';
import { adamwShape } from '../model/options.js';
import { RunDirectory } from './directory.js';

// Every option of a training is declared here or beside its task, once: with its check, its default, and the words that
// describe it on the command line. Those without such words have no flag.

/** AdamW as a trainer takes it; a training has a learning rate. */
export const optimizerShape = {
  ...adamwShape,
  learningRate: adamwShape.learningRate
    .unwrap()
    .positive()
    .default(3e-5)
    .describe(adamwShape.learningRate.description!),
  /**
   * Begins the course of the learning rate anew, its warm-up included, with each stage of a freezing schedule, laid out
   * for the steps that the stage may last. @default false: it goes on
   */
  restartSchedule: z
    .boolean()
    .optional()
    .describe("begin the learning rate's course anew in each stage of a freezing schedule"),
};

/** What decides the course of a training, whatever it trains. */
export const courseShape = {
  /** Upper bound on passes over the training data. @default 10 */
  epochs: z.int().positive().default(10).describe('upper bound on passes over the training data'),
  /** Upper bound on optimizer steps, for which the learning rate's schedule is then laid out. @default none */
  maxSteps: z.int().positive().optional().describe('upper bound on optimizer steps'),
  /** Batches that make up one optimizer step. @default 1 */
  gradientAccumulation: z.int().positive().default(1).describe('batches that make up one optimizer step'),
  /**
   * Parts into which each batch is cut, and whose gradients are summed in one order: the bits of the training then do not
   * depend on the number of ranks. At least as many as ranks; best a multiple of their number.
   * @default as many as ranks, and results of other numbers of ranks differ by rounding
   */
  gradientShards: z
    .int()
    .positive()
    .max(4096)
    .optional()
    .describe('parts of a batch that are summed in one order, for the same bits on any number of ranks'),
  /**
   * Longest example in tokens, special tokens included.
   * @default what the model was fine-tuned with before, else 128, or its positions if fewer
   */
  maxLength: z.int().min(3).optional().describe('longest example in tokens'),
  /** Optimizer steps between evaluations within an epoch; its end is evaluated in any case. @default none within */
  evaluateEvery: z.int().positive().optional().describe('steps between evaluations within an epoch'),
  /**
   * Whether the frozen prefix keeps its dropout while training, as the paper has it. `auto` leaves it out where
   * that lets the prefix's outputs be kept, and leaves it on elsewhere. @default 'on'
   */
  frozenDropout: z
    .enum(['on', 'off', 'auto'])
    .default('on')
    .describe(
      'dropout in the leading frozen layers: on (the paper), off, or auto: off where outputs can be kept',
    ),
};

/** Settings that change nothing of the result: when the state to go on from is written, and what else. */
export const savingShape = {
  /** Optimizer steps between two states; one is written at every epoch's end in any case. @default none within */
  saveSteps: z.int().positive().optional().describe('steps between two states within an epoch'),
  /** Minutes after which a state is written within an epoch. @default 10 */
  saveMinutes: z.number().positive().default(10).describe('minutes between two states within an epoch'),
  /** Optimizer steps that a line of `metrics.jsonl` stands for. @default a thousandth of the run, 100 at most */
  logSteps: z
    .int()
    .positive()
    .optional()
    .describe(
      'steps that a line of metrics.jsonl stands for (default: a thousandth of the run, 100 at most)',
    ),
  /** Whether event files for TensorBoard are written beside `metrics.jsonl`. @default true */
  tensorboard: z.boolean().default(true).meta({
    description: 'write no event files for TensorBoard',
    isSwitchOff: true,
  }),
};

/** How long a training waits for a better evaluation. */
const patience = z.int().positive().nullable();
export const stoppingShape = {
  /** Evaluations without improvement that are tolerated. @default 2 */
  patience: patience.default(2).describe('evaluations without improvement before stopping'),
};

/** @param shape of the stopping options, patience among them. false never stops; the best weights are kept in any case. */
export function stoppingOption<Shape extends { patience: z.ZodType }>(shape: Shape) {
  const schema = z.strictObject(shape);
  type Stopping = z.ZodType<z.output<typeof schema>, z.input<typeof schema> | false>;
  const withFalse = (stopping: unknown) => (stopping === false ? { patience: null } : stopping);
  return (z.preprocess(withFalse, schema) as unknown as Stopping).prefault({} as never);
}

const energySchema = z.strictObject({
  /** Grams of CO2 equivalents a kilowatt-hour, where you compute. @default none, and no emissions in the result */
  carbonIntensity: z.number().min(0).optional(),
  /** @default the processor's and its memory's (RAPL), and the model's card's (NVML) */
  counters: z
    .custom<EnergyCounter[]>(
      (value) => Array.isArray(value) && value.every((counter) => typeof counter?.read === 'function'),
      'expected a list of energy counters',
    )
    .optional(),
});

/** Options that every training takes beside its data. */
export const trainingShape = {
  ...courseShape,
  ...savingShape,
  /** A strategy, a schedule, or the notation of either, such as `bottom-up:6`. @default 'full' */
  freezing: z
    .custom<Freezing>(isFreezing, "expected a strategy, or its notation such as 'bottom-up:6', or a schedule")
    .default('full')
    .transform(scheduleOf),
  /**
   * Where the best weights (`best/`, a Hugging Face model directory) and the state to go on from (`last/`) are kept
   * while it trains. The same call goes on from there and ends in the same bits. @default nothing is written
   */
  directory: z
    .custom<string | RunDirectory>(
      (value) => (typeof value === 'string' && value !== '') || value instanceof RunDirectory,
      'expected the path of a directory',
    )
    .optional(),
  /**
   * Trains on several processes together, each of which makes the same call and computes its share of every batch: `env`
   * with those that `permafrost launch`, torchrun, Slurm or Kubeflow have started, or with a group that you have joined.
   * Only rank 0 writes to `directory`. @default 'off': alone
   */
  distributed: z
    .union([
      z.enum(['env', 'off']),
      z.custom<Group>((value) => value instanceof Group, "expected 'env', 'off' or a Group"),
    ])
    .default('off'),
  /** Deletes what an earlier training left in `directory`, and begins anew. @default false */
  restart: z.boolean().default(false),
  /** Fixes order, dropout and masks. @default 42 */
  seed: z.int().min(0).default(42).describe('fixes initial weights, order and dropout'),
  /** What energy is measured with; false measures none. @default the counters of this machine, where it has any */
  energy: z.union([z.literal(false), energySchema]).default({}),
  /** Stops after the running step, with the state written; the run rejects with `signal.reason`. */
  signal: z
    .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
    .optional(),
};

const trainingSchema = z.strictObject({
  ...trainingShape,
  optimizer: z.strictObject(optimizerShape),
  earlyStopping: z.looseObject({ patience }),
});

/** What the loop reads of the options of any training. */
export type TrainingSettings = z.output<typeof trainingSchema> & { model: EncoderModel };

/** AdamW and its schedule; the defaults are the paper's, else the Hugging Face Trainer's. */
export interface OptimizerOptions extends z.input<z.ZodObject<typeof optimizerShape, z.core.$strict>> {}

/** What a training is measured with. */
export interface EnergyOptions extends z.input<typeof energySchema> {}
