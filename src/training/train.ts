import { batchesOf } from '../batching/batches.js';
import { epochOrder } from '../batching/order.js';
import type { EncodedDataset, EncodedSplits } from '../contract/encoded-dataset.js';
import type { PackedBatch } from '../contract/packed-batch.js';
import { LabelSet } from '../data/label-set.js';
import type { Sentence } from '../data/sentence.js';
import { energyCounters } from '../energy/energy-counters.js';
import { beginEnergyMeasurement, type EnergyMeasurement } from '../energy/energy-use.js';
import { PermafrostError } from '../errors/error.js';
import { evaluate, maxLengthFor, tokenizerOf } from '../evaluation/evaluate.js';
import type { PrefixStore } from '../model/prefix-store.js';
import type { PrefixStoreUsage } from '../native/addon.js';
import { encodeDataset } from '../text/encode.js';
import { EarlyStopping } from './early-stopping.js';
import type {
  CheckpointEvent,
  EpochEvent,
  EpochSummary,
  EvaluatedSplit,
  EvaluationEvent,
  FinetuneResult,
  FreezeEvent,
  StepEvent,
} from './events.js';
import { freezeModel } from './freeze-model.js';
import { optimizerSteps } from './optimizer-steps.js';
import type { ParsedFinetuneOptions } from './options.js';
import { PrefixCache } from './prefix-cache.js';
import { startTrainer } from './start-trainer.js';
import { Phases } from './timing.js';

/** What the frozen prefix's outputs may take of a card's memory where the caller gives no cache. */
const CARD_BYTES = 2 ** 31;

type ProgressEvent = StepEvent | EpochEvent | EvaluationEvent | FreezeEvent | CheckpointEvent;

interface Split {
  sentences: readonly Sentence[];
  dataset: EncodedDataset;
  store?: PrefixStore;
}

/**
 * The training loop: encode, freeze, then epochs of steps and one evaluation each, until the last epoch
 * or early stopping; then the best epoch's weights and the test split.
 */
export async function* train(options: ParsedFinetuneOptions): AsyncGenerator<ProgressEvent, FinetuneResult> {
  const { model, signal } = options;
  signal?.throwIfAborted();
  const phases = new Phases();
  const splits = phases.measureSync('encode', () => encodeSplits(options));

  const frozen = await freezeModel(model, options.freezing);
  yield frozen;

  const prefix = prefixHandling(options);
  const cache = prefix.isKept ? attachStores(options, Object.values(splits)) : null;
  const usedBefore = cache?.usage();

  const batchesAnEpoch = Math.ceil(splits.train.dataset.size / options.batchSize);
  const totalSteps = Math.ceil(batchesAnEpoch / options.gradientAccumulation) * options.epochs;
  // A prefix that is kept has no dropout, whether it was left out or is 0 in the configuration.
  const trainer = await startTrainer(options, totalSteps, prefix.isKept ? 'off' : prefix.dropout);
  const energy = await measureEnergy(options);
  const stopping = new EarlyStopping(options.earlyStopping);
  const epochs: EpochSummary[] = [];
  const losses: number[] = [];
  let tokens = 0;

  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    const before = phases.seconds('train');
    const epochLosses: number[] = [];
    let epochTokens = 0;
    const { store } = splits.train;
    const callOptions = { ...(store && { store }), ...(signal && { signal }) };
    const steps = optimizerSteps(trainer, epochBatches(options, splits.train, epoch), callOptions);
    for await (const step of phases.measureEach('train', steps)) {
      energy?.sample();
      epochLosses.push(step.loss);
      epochTokens += step.tokens;
      yield { type: 'step', step: losses.length + epochLosses.length, totalSteps, epoch, ...step };
    }
    losses.push(...epochLosses);
    tokens += epochTokens;
    const trainLoss = epochLosses.reduce((sum, loss) => sum + loss, 0) / epochLosses.length;
    const trainSeconds = phases.seconds('train') - before;
    yield { type: 'epoch', epoch, trainLoss, trainSeconds, tokens: epochTokens };

    const validation = await evaluateSplit(options, splits.validation, 'validation', epoch, phases);
    yield validation;
    epochs.push({
      epoch,
      trainLoss,
      trainSeconds,
      validationSeconds: validation.seconds,
      validation: validation.metrics,
    });
    if (stopping.update(epoch, validation.metrics)) {
      await model.takeSnapshot();
      yield { type: 'checkpoint', epoch, score: stopping.bestScore };
    }
    if (stopping.shouldStop(epoch)) break;
  }

  const memoryBytes = await model.memory();
  const energyUse = energy?.finish(tokens) ?? null;
  await model.restoreSnapshot();
  let test: EvaluationEvent | null = null;
  if (splits.test) {
    test = await evaluateSplit(options, splits.test, 'test', stopping.bestEpoch, phases);
    yield test;
  }
  signal?.throwIfAborted();
  return {
    epochs,
    bestEpoch: stopping.bestEpoch,
    bestScore: stopping.bestScore,
    stoppedEarly: epochs.length < options.epochs,
    steps: losses.length,
    tokens,
    losses,
    test: test?.metrics ?? null,
    seconds: phases.summary(),
    trainableParameters: frozen.trainableParameters,
    totalParameters: frozen.totalParameters,
    frozenDropout: prefix.dropout,
    prefixStore: cache
      ? { depth: model.frozenPrefix, precision: cache.precision, ...usageSince(cache, usedBefore) }
      : null,
    memoryBytes,
    energy: energyUse,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

/** Begins to measure, where that is wanted and possible. */
async function measureEnergy({ model, energy }: ParsedFinetuneOptions): Promise<EnergyMeasurement | null> {
  if (energy === false) return null;
  return beginEnergyMeasurement(energy.counters ?? energyCounters(model.device), energy.carbonIntensity);
}

/** The batches of one epoch, each packed when it is asked for. */
function* epochBatches(
  { seed, batchSize }: ParsedFinetuneOptions,
  { dataset }: Split,
  epoch: number,
): Generator<PackedBatch> {
  const order = epochOrder(dataset.size, seed, epoch - 1);
  for (const { batch, indices } of batchesOf(dataset, order, batchSize))
    yield { ...batch, examples: indices };
}

function encodeSplits(options: ParsedFinetuneOptions): {
  train: Split;
  validation: Split;
  test: Split | null;
} {
  const tokenizer = tokenizerOf(options.model);
  const labels = new LabelSet(options.model.labels);
  const maxLength = maxLengthFor(options.model, options.maxLength);
  const encode = (name: keyof EncodedSplits, sentences: readonly Sentence[]): Split => {
    const given = options.encoded?.[name];
    if (given) requireExamples(name, given, sentences);
    return { sentences, dataset: given ?? encodeDataset(sentences, tokenizer, labels, { maxLength }) };
  };
  return {
    train: encode('train', options.train),
    validation: encode('validation', options.validation),
    test: options.test ? encode('test', options.test) : null,
  };
}

function requireExamples(
  split: keyof EncodedSplits,
  { size }: EncodedDataset,
  sentences: readonly Sentence[],
): void {
  if (size === sentences.length) return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `finetune: encoded.${split}: expected the ${sentences.length} sentences encoded, got ${size} examples.`,
    { option: `encoded.${split}`, expected: sentences.length, got: size },
  );
}

interface PrefixHandling {
  dropout: 'on' | 'off';
  /** Whether each example's output is kept: it is always the same, and there is a prefix worth keeping. */
  isKept: boolean;
}

/** How the frozen prefix is computed under the present plan. */
function prefixHandling({ model, frozenDropout, prefixCache }: ParsedFinetuneOptions): PrefixHandling {
  const canKeep = model.frozenPrefix >= 1 && prefixCache !== false;
  const auto = canKeep ? 'off' : 'on';
  const dropout = frozenDropout === 'auto' ? auto : frozenDropout;
  const { hiddenDropout, attentionDropout } = model.config;
  const hasDropout = dropout === 'on' && (hiddenDropout > 0 || attentionDropout > 0);
  return { dropout, isKept: canKeep && !hasDropout };
}

/** Gives each split the store of its frozen prefix's outputs. */
function attachStores(options: ParsedFinetuneOptions, splits: (Split | null)[]): PrefixCache {
  const { model } = options;
  const onCard = options.model.device.startsWith('cuda');
  const cache = options.prefixCache || new PrefixCache({ deviceBytes: onCard ? CARD_BYTES : 0 });
  for (const split of splits) {
    if (split) {
      split.store = cache.storeFor(
        split.sentences,
        split.dataset,
        model.config.hiddenSize,
        model.frozenPrefix,
      );
    }
  }
  return cache;
}

/** Reads of this run alone, of a cache that runs may share. */
function usageSince(cache: PrefixCache, before = cache.usage()): PrefixStoreUsage {
  const now = cache.usage();
  return { ...now, hits: now.hits - before.hits, misses: now.misses - before.misses };
}

async function evaluateSplit(
  options: ParsedFinetuneOptions,
  { sentences, dataset, store }: Split,
  split: EvaluatedSplit,
  epoch: number,
  phases: Phases,
): Promise<EvaluationEvent> {
  const { model, signal } = options;
  const { metrics, seconds } = await phases.measure(split, () =>
    evaluate({ model, sentences, dataset, ...(store && { store }), ...(signal && { signal }) }),
  );
  return { type: 'evaluation', split, epoch, metrics, seconds };
}
