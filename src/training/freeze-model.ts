import type { EncoderModel } from '../model/encoder-model.js';
import { isLabelHead } from '../model/heads.js';
import type { FreezeEvent, Stage } from './events.js';

/**
 * Freezes a model by the plan of a stage.
 *
 * @returns what was frozen, with numbers of elements of the parameters.
 * @throws INVALID_PLAN
 */
export async function freezeModel(model: EncoderModel, stage: Stage): Promise<FreezeEvent> {
  await model.freeze(stage.plan);
  const { fresh, unused, freshLabels = [], freshTokens = [] } = model.loadReport;
  const drawn = new Set(fresh);
  let [trainableParameters, totalParameters, freshParameters] = [0, 0, 0];
  for (const { name, count, trainable } of model.parameters()) {
    totalParameters += count;
    if (trainable) trainableParameters += count;
    if (drawn.has(name)) freshParameters += count;
    else if (isLabelHead(name)) freshParameters += (count / model.config.labels.length) * freshLabels.length;
  }
  const { frozenPrefix, device } = model;
  const counts = { trainableParameters, totalParameters, freshParameters };
  const found = stage.stage === 1 && {
    ...(unused.length > 0 && { unused }),
    ...(freshTokens.length > 0 && { freshTokens }),
  };
  return { type: 'freeze', ...stage, ...counts, freshLabels, frozenPrefix, device, ...found };
}

/** Names of the parameters that learn. */
export function namesOfLearning(model: EncoderModel): Set<string> {
  const learning = model.parameters().filter(({ trainable }) => trainable);
  return new Set(learning.map(({ name }) => name));
}
