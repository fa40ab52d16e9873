import type { EncodedDataset } from '../contract/encoded-dataset.js';
import type { EncoderConfig } from '../contract/encoder-config.js';
import type { FreezePlan } from '../contract/freeze-plan.js';
import type { PackedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';
import { pick } from '../errors/option-shape.js';
import { encoderConfigOf } from '../experiment/shape.js';
import { engineShape } from '../model/options.js';
import { PrefixStore } from '../model/prefix-store.js';
import { TokenClassifier } from '../model/token-classifier.js';
import type { Trainer } from '../model/trainer.js';
import type { MatmulFacts, NativeMemory } from '../native/addon.js';
import { type CardMeasurement, measureAhead } from './card.js';
import { fastestLibrary, stepOverEveryToken, timeProducts } from './engine-calls.js';
import { type BenchMode, computesEveryToken, layOut, PAD_ID } from './modes.js';
import type { BenchOptions } from './options.js';
import { endlessBatches, randomDataset } from './workload.js';

/** One timed training step. */
export interface StepSample {
  seconds: number;
  /** Tokens of the sentences, special tokens included. */
  tokens: number;
  /** Tokens that were computed, fillers included. */
  paddedTokens: number;
  /** Tokens that the last layer goes on with behind attention. */
  scoredTokens: number;
  /** The matrix products of this step by themselves, by the library that is fastest at them; null where they were not measured. */
  floorSeconds: number | null;
  /** The same by the library that the step takes. */
  productSeconds: number | null;
}

export interface StepMeasurement {
  /** Where the model was: `cpu`, `cuda:0`. */
  device: string;
  /** What multiplied large matrices, on a CPU. */
  matmul: MatmulFacts | null;
  /** The library that is fastest at the products of a step; null where they were not measured, or there is no choice. */
  fastestLibrary: string | null;
  config: EncoderConfig;
  plan: FreezePlan;
  /** One sample a step; the samples of all modes at one index come from the same sentences. */
  samples: Map<BenchMode, StepSample[]>;
  memory: NativeMemory;
  /** Largest resident memory of the process so far, all modes together. */
  peakBytes: number;
  /** The packed steps once more, none of them waited for; null on a CPU, and without the mode `packed`. */
  card: CardMeasurement | null;
}

export interface MeasureHooks {
  signal?: AbortSignal;
  /** Called after each round with the seconds of its steps, in the order of the modes; warm-up rounds count. */
  onRound?: (round: number, totalRounds: number, seconds: number[]) => void;
}

/** Learning rate of the paper; random weights stay finite under it. */
const LEARNING_RATE = 3e-5;

/**
 * Times training steps of one model of random weights on sentences of given lengths.
 *
 * Each round trains one step of every mode on the same sentences, one mode after the other on the same engine, so that
 * whatever else the machine does meets all of them alike. On a card each of these is waited for, which costs it the way
 * there and back; `card` is what it does when they are not. With `floor`, the products of the first mode's step follow
 * in the same round, by the library that the step takes and by the fastest one, which the first round finds. With
 * `prefixStore`, every sentence is in the store before the first round, and no products are
 * timed by themselves.
 *
 * @throws INVALID_PLAN where the strategy does not fit the shape; what `TokenClassifier.create` throws
 */
export async function measureSteps(
  options: BenchOptions,
  hooks: MeasureHooks = {},
): Promise<StepMeasurement> {
  const { shape, vocabSize, numLabels, seed } = options;
  const plan = options.freeze.plan(shape.numLayers);
  const dataset = randomDataset({ lengths: options.lengths, vocabSize, numLabels, seed });
  const source = endlessBatches(dataset, options.batchSize, seed);
  const batches = Array.from({ length: options.warmup + options.steps }, () => source.next().value);
  const labels = Array.from({ length: numLabels }, (_, id) => `LABEL_${id}`);
  const config = encoderConfigOf(shape, vocabSize, PAD_ID, labels);
  const model = await TokenClassifier.create(config, { seed, ...pick(engineShape, options) });
  try {
    await model.freeze(plan);
    const trainer = await model.trainer({
      learningRate: LEARNING_RATE,
      frozenDropout: options.frozenDropout,
      seed,
    });
    const store = options.prefixStore
      ? await filledStore(options, { model, trainer, batches, dataset }, hooks)
      : null;
    // First, as it tells what a process takes that has just begun.
    const isAhead = trainer.stepsInFlight > 1 && options.modes.includes('packed');
    const card = isAhead ? await measureAhead({ model, trainer, store }, batches, hooks.signal) : null;
    const { samples, fastest } = await runRounds(options, { model, trainer, batches, store }, hooks);
    if (store) requireHits(store, options);
    // In kilobytes on every platform, whatever the system itself counts in.
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    const { matmul } = await model.deviceFacts();
    const memory = await model.memory();
    const facts = { device: model.device, matmul, fastestLibrary: fastest };
    return { ...facts, config, plan, samples, memory, peakBytes, card };
  } finally {
    await model.dispose();
  }
}

interface Subject {
  model: TokenClassifier;
  trainer: Trainer;
  /** One a round. */
  batches: readonly PackedBatch[];
  store: PrefixStore | null;
}

/** A store that holds the frozen prefix's outputs for every sentence of the batches: what a first epoch leaves. */
async function filledStore(
  { shape }: BenchOptions,
  { model, trainer, batches, dataset }: Omit<Subject, 'store'> & { dataset: EncodedDataset },
  { signal }: MeasureHooks,
): Promise<PrefixStore> {
  const memoryBytes = dataset.inputIds.length * shape.hiddenSize * Float32Array.BYTES_PER_ELEMENT;
  const store = new PrefixStore(dataset, {
    hiddenSize: shape.hiddenSize,
    depths: [model.frozenPrefix],
    memoryBytes,
  });
  for (const batch of batches) await trainer.step(batch, { store, ...(signal && { signal }) });
  return store;
}

/** A sentence that had to be computed again would pass for a slow store. */
function requireHits(store: PrefixStore, { batchSize, steps, warmup }: BenchOptions): void {
  const { hits } = store.usage();
  const expected = batchSize * (steps + warmup);
  if (hits >= expected) return;
  throw new PermafrostError(
    'INTERNAL',
    `The prefix store served ${hits} of ${expected} sentences; the measurement is not one of kept prefixes.`,
    { hits, expected },
  );
}

/** Seconds of the products of a step as the model takes them, and by the library that is said to be the fastest. */
async function timeFloor(
  model: TokenClassifier,
  numTokens: number,
  { fastest, ...call }: { fastest: string | null; scoredTokens: number; signal?: AbortSignal },
): Promise<{ floorSeconds: number; productSeconds: number }> {
  const { seconds: productSeconds } = await timeProducts(model, numTokens, call);
  if (fastest === null) return { floorSeconds: productSeconds, productSeconds };
  const { seconds } = await timeProducts(model, numTokens, { ...call, library: fastest });
  return { floorSeconds: Math.min(seconds, productSeconds), productSeconds };
}

async function runRounds(
  { modes, steps, warmup, floor }: BenchOptions,
  { model, trainer, batches, store }: Subject,
  { signal, onRound }: MeasureHooks,
): Promise<{ samples: Map<BenchMode, StepSample[]>; fastest: string | null }> {
  let fastest: string | null | undefined;
  const samples = new Map(modes.map((mode): [BenchMode, StepSample[]] => [mode, []]));
  const callOptions = signal ? { signal } : {};
  for (const [round, packed] of batches.entries()) {
    const seconds: number[] = [];
    for (const mode of modes) {
      const batch = layOut(mode, packed);
      const everyToken = computesEveryToken(mode);
      const start = performance.now();
      const stepOptions = { ...callOptions, ...(store && { store }) };
      const { labelled } = await (everyToken
        ? stepOverEveryToken(model, trainer, batch, stepOptions)
        : trainer.step(batch, stepOptions));
      const elapsed = (performance.now() - start) / 1000;
      seconds.push(elapsed);
      const scoredTokens = everyToken ? batch.inputIds.length : labelled;
      const products = { floorSeconds: null as number | null, productSeconds: null as number | null };
      if (floor && store === null && mode === modes[0]) {
        const [numTokens, call] = [batch.inputIds.length, { ...callOptions, scoredTokens }];
        if (fastest === undefined) fastest = await fastestLibrary(model, numTokens, call);
        Object.assign(products, await timeFloor(model, numTokens, { ...call, fastest }));
      }
      if (round < warmup) continue;
      const [tokens, paddedTokens] = [packed.inputIds.length, batch.inputIds.length];
      samples.get(mode)!.push({ seconds: elapsed, tokens, paddedTokens, scoredTokens, ...products });
    }
    onRound?.(round + 1, warmup + steps, seconds);
  }
  return { samples, fastest: fastest ?? null };
}
