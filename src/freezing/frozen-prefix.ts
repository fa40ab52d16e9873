import type { FreezePlan } from '../contract/freeze-plan.js';
import { isLayerFrozen } from './parts.js';

/**
 * Length of the frozen prefix: the part of the encoder that needs no gradient and no backward pass.
 *
 * @returns the number of leading frozen layers, or -1 where the embeddings learn and there is no prefix at all.
 */
export function frozenPrefixLength(plan: FreezePlan): number {
  if (!plan.embeddings) return -1;
  let length = 0;
  while (length < plan.layers.length && isLayerFrozen(plan, length)) length++;
  return length;
}

/**
 * Depths at which outputs of frozen prefixes are worth keeping, in ascending order.
 *
 * @param plans those that may take effect.
 * @param deepest number of layers whose outputs stand still now; deeper ones would be lost before they are read.
 */
export function prefixDepths(
  plans: readonly FreezePlan[],
  deepest: number = Number.POSITIVE_INFINITY,
): number[] {
  const depths = new Set(plans.map(frozenPrefixLength));
  return [...depths].filter((depth) => depth >= 1 && depth <= deepest).sort((a, b) => a - b);
}
