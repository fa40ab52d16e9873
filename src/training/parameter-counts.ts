import type { EncoderModel } from '../model/encoder-model.js';

export interface ParameterCounts {
  trainable: number;
  total: number;
  /** Drawn from the seed, since no checkpoint had them. */
  fresh: number;
}

/** Numbers of elements of the parameters. */
export function countParameters(model: EncoderModel): ParameterCounts {
  const drawn = new Set(model.loadReport.fresh);
  let trainable = 0;
  let total = 0;
  let fresh = 0;
  for (const parameter of model.parameters()) {
    total += parameter.count;
    if (parameter.trainable) trainable += parameter.count;
    if (drawn.has(parameter.name)) fresh += parameter.count;
  }
  return { trainable, total, fresh };
}
