import { PermafrostError } from '../errors/error.js';
import { tokenizerOf } from '../evaluation/encoding.js';
import { describeDifferences, differences } from '../io/difference.js';
import { digestArrays, digestOf } from '../io/digest.js';
import type { EncoderModel } from '../model/encoder-model.js';
import { addon } from '../native/addon.js';
import type { FrozenPrefix } from './prefix.js';
import type { TrainingSettings } from './settings.js';
import type { Task } from './task.js';

/** All that decides the bits of a training, as JSON; the model still holds the weights that it starts from. */
export async function identityOf(
  settings: TrainingSettings,
  task: Task<unknown>,
  prefix: FrozenPrefix,
): Promise<object> {
  const { model, epochs, maxSteps, gradientAccumulation, evaluateEvery, optimizer, earlyStopping, seed } =
    settings;
  const { gradientShards } = settings;
  const { name: _, ...device } = await model.deviceFacts();
  return {
    ...task.identity,
    ...{ epochs, maxSteps, gradientAccumulation, evaluateEvery, optimizer, earlyStopping, seed },
    ...(gradientShards !== undefined && { gradientShards }),
    freezing: settings.freezing.notation,
    frozenDropout: prefix.trainerDropout,
    prefixPrecision: prefix.precision === 'fp32' ? null : prefix.precision,
    precision: device.precision,
    config: model.config,
    tokenizer: tokenizerOf(model).digest,
    weights: await digestOfWeights(model),
  };
}

/** What must be alike on all ranks before their first step: what decides the bits, and what decides who waits for whom. */
export function factsOf(
  { model, saveSteps }: TrainingSettings,
  prefix: FrozenPrefix,
  identity: object,
): object {
  const { version, libtorch } = addon();
  const [device] = model.device.split(':');
  const kept = prefix.precision ?? 'none';
  return {
    ...identity,
    saveSteps,
    prefixCache: kept,
    permafrost: version,
    libtorch: libtorch.loadedVersion,
    device,
  };
}

/** @throws RUN_MISMATCH naming what differs */
export function requireSame(directory: string, was: object, is: object): void {
  const found = differences(was, is);
  if (found.length === 0) return;
  throw new PermafrostError(
    'RUN_MISMATCH',
    `${directory} holds a training with other settings: ${describeDifferences(found)}. Give those that it was started ` +
      'with, choose another directory, or begin anew with `restart: true`, which deletes it.',
    { directory, differences: found },
  );
}

async function digestOfWeights(model: EncoderModel): Promise<string> {
  const digests: Record<string, string> = {};
  for (const { name } of model.parameters()) digests[name] = digestArrays([await model.readParameter(name)]);
  return digestOf(digests);
}
