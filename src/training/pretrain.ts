import { join } from 'node:path';
import { maskTokens } from '../batching/mask-tokens.js';
import { epochOrder, lengthSortedOrder } from '../batching/order.js';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { PermafrostError } from '../errors/error.js';
import { Random } from '../io/random.js';
import { type EventRun, startRun } from './event-run.js';
import { freezeModel } from './freeze-model.js';
import { optimizerSteps } from './optimizer-steps.js';
import { countSteps, digestOfTraining, encodeText, packed } from './pretrain-data.js';
import type { PretrainEpoch, PretrainEvent, PretrainResult } from './pretrain-events.js';
import {
  type ParsedPretrainOptions,
  type PretrainOptions,
  parsePretrainOptions,
} from './pretrain-options.js';
import { startTrainer } from './start-trainer.js';
import { Phases } from './timing.js';
import { loadTrainState, saveTrainState } from './train-state.js';

/** A pretraining under way: its events, and its result. */
export type PretrainRun = EventRun<PretrainEvent, PretrainResult>;

/** All that a state remembers of a training beside weights and moments. */
interface Progress {
  /** Epoch under way, 1-based, and the optimizer steps that it has done. */
  epoch: number;
  stepsOfEpoch: number;
  tokensOfEpoch: number;
  secondsOfEpoch: number;
  losses: number[];
  epochs: PretrainEpoch[];
  bestEpoch: number;
  bestLoss: number;
}

/** Batches that are measured in one call, between which an abort takes effect. */
const BATCHES_A_CALL = 16;

/**
 * Teaches a model to predict hidden tokens. Starts at once, or goes on where an earlier process stopped.
 *
 * The tokens to predict are drawn anew in every epoch from the seed. In the end the model holds the weights of
 * the epoch with the lowest validation loss. Leaving the iteration does not stop the training; `signal` does.
 *
 * @throws INVALID_OPTION, INVALID_PLAN, WEIGHTS_MISMATCH where tokenizer and model have other vocabularies,
 *   NON_FINITE, WRITE_FAILED and what the model throws, as rejections
 */
export function pretrain(options: PretrainOptions): PretrainRun {
  return startRun<PretrainEvent, PretrainResult>(
    () => train(parsePretrainOptions(options)),
    (result) => ({ type: 'done', result }),
  );
}

async function* train(options: ParsedPretrainOptions): AsyncGenerator<PretrainEvent, PretrainResult> {
  const { model, signal, directory } = options;
  signal?.throwIfAborted();
  const phases = new Phases();
  const data = phases.measureSync('encode', () => encodeText(options));
  const frozen = await freezeModel(model, options.freezing);
  yield frozen;

  const totalSteps = countSteps(options, data.train);
  const trainer = await startTrainer(options, totalSteps);

  const digest = await digestOfTraining(options, data);
  const best = directory === undefined ? null : join(directory, 'best');
  const last = directory === undefined ? null : join(directory, 'last', 'state.safetensors');
  const found = last === null ? null : await loadTrainState<Progress>(last, model, trainer, digest);
  const progress: Progress = found ?? start();
  async function* save(state: Progress): AsyncGenerator<PretrainEvent> {
    if (last === null) return;
    await saveTrainState(last, model, trainer, { digest, progress: state });
    yield { type: 'state', path: last, kind: 'last', step: state.losses.length };
  }
  if (found) {
    if (found.bestEpoch > 0) await snapshotOf(options, best!);
    yield { type: 'resume', path: last!, epoch: found.epoch, step: found.losses.length };
  }

  for (; progress.epoch <= options.epochs; progress.epoch++) {
    const { epoch } = progress;
    const masked = maskTokens(data.train, data.masking, new Random(options.seed, `mask/${epoch}`));
    const done = progress.stepsOfEpoch * options.gradientAccumulation;
    const batches = packed(
      masked,
      epochOrder(masked.size, options.seed, epoch - 1),
      options.batchTokens,
      done,
    );
    const earlierSeconds = progress.secondsOfEpoch - phases.seconds('train');
    const steps = optimizerSteps(trainer, batches, signal ? { signal } : {});
    for await (const step of phases.measureEach('train', steps)) {
      progress.losses.push(step.loss);
      progress.stepsOfEpoch++;
      progress.tokensOfEpoch += step.tokens;
      progress.secondsOfEpoch = earlierSeconds + phases.seconds('train');
      yield { type: 'step', step: progress.losses.length, totalSteps, epoch, ...step };
      if (progress.stepsOfEpoch % options.saveSteps === 0) yield* save(progress);
    }
    const summary = epochSummary(progress);
    yield { type: 'epoch', ...summary };

    const before = phases.seconds('validation');
    const loss = await phases.measure('validation', () => lossOf(options, data.validation));
    const validationSeconds = phases.seconds('validation') - before;
    if (!Number.isFinite(loss)) throw divergedAt(epoch);
    const perplexity = Math.exp(loss);
    yield { type: 'validation', epoch, loss, perplexity, seconds: validationSeconds };
    progress.epochs.push({ ...summary, validationLoss: loss, perplexity, validationSeconds });
    if (loss < progress.bestLoss) {
      progress.bestLoss = loss;
      progress.bestEpoch = epoch;
      await model.takeSnapshot();
      if (best !== null) {
        await model.save(best);
        yield { type: 'state', path: best, kind: 'best', step: progress.losses.length };
      }
    }
    Object.assign(progress, { stepsOfEpoch: 0, tokensOfEpoch: 0, secondsOfEpoch: 0 });
    // What the next epoch starts from: a kill before this line repeats the epoch's end with the same bits.
    yield* save({ ...progress, epoch: epoch + 1 });
  }

  await model.restoreSnapshot();
  signal?.throwIfAborted();
  const sum = (of: (epoch: PretrainEpoch) => number) =>
    progress.epochs.reduce((all, epoch) => all + of(epoch), 0);
  return {
    epochs: progress.epochs,
    bestEpoch: progress.bestEpoch,
    bestLoss: progress.bestLoss,
    steps: progress.losses.length,
    tokens: sum(({ tokens }) => tokens),
    losses: progress.losses,
    examples: { train: data.train.size, validation: data.validation.size },
    validationTokens: data.validationTokens,
    seconds: {
      train: sum(({ trainSeconds }) => trainSeconds),
      validation: sum(({ validationSeconds }) => validationSeconds),
    },
    trainableParameters: frozen.trainableParameters,
    totalParameters: frozen.totalParameters,
    resumed: found !== null,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

function start(): Progress {
  return {
    epoch: 1,
    stepsOfEpoch: 0,
    tokensOfEpoch: 0,
    secondsOfEpoch: 0,
    losses: [],
    epochs: [],
    bestEpoch: 0,
    bestLoss: Number.MAX_VALUE,
  };
}

function epochSummary({ epoch, stepsOfEpoch, tokensOfEpoch, secondsOfEpoch, losses }: Progress) {
  const ofEpoch = losses.slice(losses.length - stepsOfEpoch);
  const trainLoss = ofEpoch.reduce((sum, loss) => sum + loss, 0) / ofEpoch.length;
  return { epoch, trainLoss, trainSeconds: secondsOfEpoch, tokens: tokensOfEpoch };
}

async function lossOf(
  { model, batchTokens, signal }: ParsedPretrainOptions,
  data: EncodedDataset,
): Promise<number> {
  const batches = [...packed(data, lengthSortedOrder(data), batchTokens)];
  let sum = 0;
  let labelled = 0;
  for (let at = 0; at < batches.length; at += BATCHES_A_CALL) {
    const part = await model.loss(batches.slice(at, at + BATCHES_A_CALL), signal ? { signal } : {});
    sum += part.loss * part.labelled;
    labelled += part.labelled;
  }
  return sum / labelled;
}

function divergedAt(epoch: number): PermafrostError {
  return new PermafrostError(
    'NON_FINITE',
    `The validation loss after epoch ${epoch} is not finite. Lower the learning rate, or look for damaged weights.`,
    { epoch },
  );
}

/** Takes the weights that an earlier process left as the best ones into the model's snapshot. */
async function snapshotOf({ model }: ParsedPretrainOptions, directory: string): Promise<void> {
  const present = new Map<string, Float32Array>();
  for (const { name } of model.parameters()) present.set(name, await model.readParameter(name));
  await model.loadWeights(directory);
  await model.takeSnapshot();
  for (const [name, values] of present) await model.writeParameter(name, values);
}
