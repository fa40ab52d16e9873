import { describeEnvironment, type Environment } from '../experiment/environment.js';
import type { ModelShape } from '../experiment/scenario.js';
import { stepArithmetic } from '../freezing/step-arithmetic.js';
import { addon } from '../native/addon.js';
import type { CardMeasurement } from './card.js';
import type { StepMeasurement, StepSample } from './measure-steps.js';
import type { BenchMode } from './modes.js';
import type { BenchOptions } from './options.js';
import { median, sum } from './statistics.js';

/** What one mode took. */
export interface ModeResult {
  mode: BenchMode;
  /** Median of the timed steps. */
  secondsPerStep: number;
  secondsMin: number;
  secondsMax: number;
  secondsMean: number;
  /** Every timed step, in order. */
  seconds: number[];
  /** Tokens of the sentences over all timed seconds. */
  tokensPerSecond: number;
  /** Mean number of tokens of the sentences. */
  tokensPerStep: number;
  /** Mean number of tokens that were computed, fillers included. */
  paddedTokensPerStep: number;
  /** Mean arithmetic of a step's matrix products in 10^9 operations, those within attention left out. */
  gflopPerStep: number;
  /** The same over all timed seconds. */
  gflopsPerSecond: number;
  /** Median time of the same products by themselves, by the library that is fastest at them; null where it was not measured. */
  floorSecondsPerStep: number | null;
  /** The same by the library that the step takes. */
  productSecondsPerStep: number | null;
  /** Median of step over floor, pair by pair. */
  stepOverFloor: number | null;
}

export interface BenchResult extends ModeResult {
  type: 'bench';
  freeze: string;
  /** Largest resident memory of the process, all modes together; with one mode, that mode's. */
  peakBytes: number;
  /** Bytes that the engine held at the end. */
  memory: StepMeasurement['memory'];
  /** The packed steps on a card, none of them waited for; null elsewhere. */
  card: CardMeasurement | null;
  /** Every mode; the fields above are those of the first. */
  modes: ModeResult[];
  /** `longest/packed` and the like: medians of the ratios of steps on the same sentences. */
  ratios: Record<string, number>;
  shape: ModelShape;
  vocabSize: number;
  numLabels: number;
  batchSize: number;
  steps: number;
  warmup: number;
  kernels: string;
  frozenDropout: string;
  /** The library that is fastest at the products of a step; null where they were not timed, or there is no choice. */
  fastestLibrary: string | null;
  /** Whether the frozen prefix was read from a store. */
  prefixStore: boolean;
  /** Threads that computed. */
  threads: number;
  seed: number;
  precision: string;
  versions: Environment['versions'];
  hardware: Environment['hardware'];
}

/** Medians, rates and ratios of a measurement, with all that it was made with. */
export function benchResult(options: BenchOptions, measurement: StepMeasurement): BenchResult {
  const { libtorch, availableCores, nvidiaDriver } = addon();
  const {
    shape,
    vocabSize,
    numLabels,
    batchSize,
    steps,
    warmup,
    kernels,
    frozenDropout,
    prefixStore,
    seed,
    precision,
  } = options;
  const modes = options.modes.map((mode) => modeResult(mode, measurement, options));
  return {
    type: 'bench',
    freeze: options.freeze.notation,
    ...modes[0]!,
    peakBytes: measurement.peakBytes,
    memory: measurement.memory,
    card: measurement.card,
    modes,
    fastestLibrary: measurement.fastestLibrary,
    ratios: ratiosOf(options.modes, measurement.samples),
    ...{
      shape,
      vocabSize,
      numLabels,
      batchSize,
      steps,
      warmup,
      kernels,
      frozenDropout,
      prefixStore,
      seed,
      precision,
    },
    threads: options.threads || availableCores,
    ...describeEnvironment({
      libtorch: libtorch.loadedVersion,
      device: measurement.device,
      matmul: measurement.matmul,
      cards: () => nvidiaDriver().cards,
    }),
  };
}

function modeResult(
  mode: BenchMode,
  { samples, config, plan }: StepMeasurement,
  { prefixStore }: BenchOptions,
): ModeResult {
  const steps = samples.get(mode)!;
  const seconds = steps.map((step) => step.seconds);
  const total = sum(seconds);
  const tokens = sum(steps.map((step) => step.tokens));
  const paddedTokens = sum(steps.map((step) => step.paddedTokens));
  const scoredTokens = sum(steps.map((step) => step.scoredTokens));
  const sizes = { ...config, numLabels: config.labels.length };
  const arithmetic = stepArithmetic(sizes, plan, paddedTokens, { scoredTokens, prefixKept: prefixStore });
  const gflop = arithmetic.flops / 1e9;
  return {
    mode,
    secondsPerStep: median(seconds),
    secondsMin: Math.min(...seconds),
    secondsMax: Math.max(...seconds),
    secondsMean: total / steps.length,
    seconds,
    tokensPerSecond: tokens / total,
    tokensPerStep: tokens / steps.length,
    paddedTokensPerStep: paddedTokens / steps.length,
    gflopPerStep: gflop / steps.length,
    gflopsPerSecond: gflop / total,
    ...floorOf(steps),
  };
}

function floorOf(
  steps: readonly StepSample[],
): Pick<ModeResult, 'floorSecondsPerStep' | 'productSecondsPerStep' | 'stepOverFloor'> {
  const pairs = steps.flatMap(({ seconds, floorSeconds, productSeconds }) =>
    floorSeconds === null || productSeconds === null
      ? []
      : [{ floorSeconds, productSeconds, ratio: seconds / floorSeconds }],
  );
  if (pairs.length === 0)
    return { floorSecondsPerStep: null, productSecondsPerStep: null, stepOverFloor: null };
  return {
    floorSecondsPerStep: median(pairs.map(({ floorSeconds }) => floorSeconds)),
    productSecondsPerStep: median(pairs.map(({ productSeconds }) => productSeconds)),
    stepOverFloor: median(pairs.map(({ ratio }) => ratio)),
  };
}

function ratiosOf(
  [first, ...others]: readonly BenchMode[],
  samples: StepMeasurement['samples'],
): Record<string, number> {
  const base = samples.get(first!)!;
  const entries = others.map((mode) => {
    const ratios = samples.get(mode)!.map(({ seconds }, step) => seconds / base[step]!.seconds);
    return [`${mode}/${first}`, median(ratios)] as const;
  });
  return Object.fromEntries(entries);
}
