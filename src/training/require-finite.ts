import { PermafrostError } from '../errors/error.js';
import type { EvaluatedSplit } from './events.js';

/** @throws NON_FINITE where the weights give a split a loss that is no number. */
export function requireFinite(loss: number, split: EvaluatedSplit): void {
  if (Number.isFinite(loss)) return;
  throw new PermafrostError(
    'NON_FINITE',
    `The ${split} loss is not finite. Lower the learning rate, or look for damaged weights.`,
    { split },
  );
}
