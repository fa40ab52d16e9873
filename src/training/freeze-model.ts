import type { Strategy } from '../freezing/strategy.js';
import type { EncoderModel } from '../model/encoder-model.js';
import type { FreezeEvent } from './events.js';

/**
 * Freezes a model before its first epoch.
 *
 * @returns what was frozen, with numbers of elements of the parameters.
 * @throws INVALID_PLAN
 */
export async function freezeModel(model: EncoderModel, strategy: Strategy): Promise<FreezeEvent> {
  const plan = strategy.plan(model.config.numLayers);
  await model.freeze(plan);
  const drawn = new Set(model.loadReport.fresh);
  let trainableParameters = 0;
  let totalParameters = 0;
  let freshParameters = 0;
  for (const { name, count, trainable } of model.parameters()) {
    totalParameters += count;
    if (trainable) trainableParameters += count;
    if (drawn.has(name)) freshParameters += count;
  }
  const { frozenPrefix } = model;
  return {
    type: 'freeze',
    epoch: 1,
    plan,
    trainableParameters,
    totalParameters,
    freshParameters,
    frozenPrefix,
  };
}
