import { z } from 'zod';
import type { FreezePlan } from '../../contract/freeze-plan.js';
import type { Metrics } from '../../evaluation/metrics.js';
import type { MaskingScores } from '../masking-task.js';

const count = z.int().nonnegative();
const ordinal = z.int().positive();

/** What every line has. */
const placeShape = {
  /** Seconds since 1970. */
  time: z.number(),
  /** Epoch under way, from 1, and optimizer steps done; for the test split those of the best weights. */
  epoch: count,
  step: count,
};

const stageSchema = z.object({
  /** A plan of freezing takes effect. */
  type: z.literal('stage'),
  ...placeShape,
  /** From 1. */
  stage: ordinal,
  plan: z.custom<FreezePlan>((value) => typeof value === 'object' && value !== null),
  reason: z.string(),
  trainableParameters: count,
  totalParameters: count,
  /** Where the model computes: `cpu`, `cuda:0`. */
  device: z.string(),
});

const stepSchema = z.object({
  /** Optimizer steps, as many as `logSteps` has to a line. */
  type: z.literal('step'),
  ...placeShape,
  /** Steps that the run takes if it is not stopped early. */
  totalSteps: ordinal,
  /** Mean cross-entropy over the steps since the last line. */
  loss: z.number(),
  /** Of the last of the steps, as the gradients' global L2 norm before clipping. */
  learningRate: z.number(),
  gradNorm: z.number(),
  /** Trained on since the run began, special tokens included. */
  tokens: count,
  /** Of training, over about the last second. */
  tokensPerSecond: z.number(),
});

const epochSchema = z.object({
  /** All of the training data was seen once more. */
  type: z.literal('epoch'),
  ...placeShape,
  /** Mean of the step losses of the epoch. */
  trainLoss: z.number(),
  /** Of training steps in the epoch. */
  trainSeconds: z.number(),
  tokens: count,
  /** Over the epoch. */
  tokensPerSecond: z.number(),
});

const evaluationSchema = z.object({
  /** A split was evaluated. */
  type: z.literal('evaluation'),
  ...placeShape,
  split: z.enum(['validation', 'test']),
  /** Mean cross-entropy over the labelled tokens, dropout off; null where there are none. */
  loss: z.number().nullable(),
  /** What early stopping watches, and whether it was the best so far. */
  score: z.number(),
  best: z.boolean(),
  seconds: z.number(),
  /** Every score, as `record.json` has them. */
  metrics: z.custom<Metrics | MaskingScores>((value) => typeof value === 'object' && value !== null),
});

const doneSchema = z.object({
  /** The run is over. */
  type: z.literal('done'),
  ...placeShape,
  bestEpoch: ordinal,
  bestStep: ordinal,
  bestScore: z.number(),
  stoppedEarly: z.boolean(),
  /** Of all phases, over all processes that worked at it. */
  seconds: z.number(),
});

/** Form of the lines of `metrics.jsonl`; told apart by `type`. Lines of a type that is not here are to be passed over. */
export const metricsLineSchema = z.discriminatedUnion('type', [
  stageSchema,
  stepSchema,
  epochSchema,
  evaluationSchema,
  doneSchema,
]);

/** A line of `metrics.jsonl`. */
export type MetricsLine = z.output<typeof metricsLineSchema>;
/** Lines by their types. */
export type MetricsLineOf<Type extends MetricsLine['type']> = Extract<MetricsLine, { type: Type }>;

/** Reads a line, or gives null where it is torn or not of a known form. */
export function parseMetricsLine(text: string): MetricsLine | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return metricsLineSchema.safeParse(value).data ?? null;
}
