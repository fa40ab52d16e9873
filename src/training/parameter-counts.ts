import type { EncoderModel } from '../model/encoder-model.js';

/** Numbers of elements of the parameters that learn, and of all. */
export function countParameters(model: EncoderModel): { trainable: number; total: number } {
  let trainable = 0;
  let total = 0;
  for (const parameter of model.parameters()) {
    total += parameter.count;
    if (parameter.trainable) trainable += parameter.count;
  }
  return { trainable, total };
}
