import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import { modelShapeSchema } from '../experiment/scenario.js';
import { frozenPrefixLength } from '../freezing/frozen-prefix.js';
import type { Strategy } from '../freezing/strategy.js';
import { engineShape } from '../model/options.js';
import { BENCH_MODES, PAD_ID } from './modes.js';

/** Options of a measurement that are plain values. */
export const benchShape = {
  batchSize: z.int().min(1).max(65_536).default(32).describe('sentences a step'),
  /** Timed steps of each mode. */
  steps: z.int().min(1).max(1_000_000).default(10).describe('timed steps of each mode'),
  /** Steps of each mode before the clock starts. */
  warmup: z.int().min(0).max(1_000_000).default(2).describe('steps of each mode before the clock starts'),
  frozenDropout: z.enum(['on', 'off']).default('on').describe('dropout in the frozen layers'),
  /** bert-base-uncased's. */
  vocabSize: z
    .int()
    .min(PAD_ID + 2)
    .max(10_000_000)
    .default(30_522)
    .describe("rows of the word embeddings; bert-base-uncased's"),
  /** Decides weights, ids, labels, order and dropout. */
  seed: z.int().min(0).default(42).describe('decides weights, ids, labels, order and dropout'),
  /** Whether the frozen prefix's outputs are read from a store, as from the second epoch on. */
  prefixStore: z
    .boolean()
    .default(false)
    .describe("read the frozen prefix's outputs from a store, as from the second epoch on"),
  ...engineShape,
};

const benchSchema = z.strictObject({
  /** Shape of the encoder; its weights are random. */
  shape: modelShapeSchema,
  /** Tokens of each sentence, special tokens included. */
  lengths: z.custom<readonly number[]>(
    (value) => Array.isArray(value) && value.length > 0,
    'expected lengths',
  ),
  /** The first is what the others are compared with. */
  modes: z.array(z.enum(BENCH_MODES)).min(1),
  freeze: z.custom<Strategy>((value) => typeof (value as Strategy | null)?.plan === 'function'),
  ...benchShape,
  /** Labels of CoNLL-2003. */
  numLabels: z.int().min(1).max(10_000).default(9),
  /** Whether the matrix products of the first mode are timed by themselves. */
  floor: z.boolean().default(true),
});

export type BenchOptionsInput = z.input<typeof benchSchema>;
/** What a measurement is made with, every default in its place. */
export type BenchOptions = z.output<typeof benchSchema>;

/** @throws INVALID_OPTION naming each option that is wrong, or options that do not go together */
export function parseBenchOptions(options: BenchOptionsInput): BenchOptions {
  const parsed = parseOptions(benchSchema, options, 'bench');
  if (parsed.prefixStore) checkPrefixStore(parsed);
  return parsed;
}

function checkPrefixStore({ frozenDropout, modes, freeze, shape }: BenchOptions): void {
  const depth = frozenPrefixLength(freeze.plan(shape.numLayers));
  const missing = [
    ...(frozenDropout === 'on' ? ['`frozenDropout` off: with it on, the outputs change in every step'] : []),
    ...(modes.some((mode) => mode !== 'packed')
      ? ['the mode packed alone: padding is no part of a dataset']
      : []),
    ...(depth < 1 ? [`a frozen prefix of at least one layer, which ${freeze.notation} does not leave`] : []),
  ];
  if (missing.length === 0) return;
  throw new PermafrostError('INVALID_OPTION', `\`prefixStore\` needs ${missing.join('; ')}.`, {
    option: 'prefixStore',
  });
}
