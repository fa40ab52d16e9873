import type { FreezePlan, LayerPart } from '../contract/freeze-plan.js';
import { frozenPrefixLength } from './frozen-prefix.js';
import { isLayerFrozen } from './parts.js';

/** Arithmetic of one training step, in units of one layer's forward pass. */
export interface RelativeCost {
  forward: number;
  /** Backward pass through activations: from the last layer down to the lowest one that learns. */
  activationGradients: number;
  weightGradients: number;
  /**
   * How many times faster than with only the embeddings frozen; an upper bound, since embeddings, head and optimizer
   * count nothing.
   */
  speedup: number;
  /** The same where the output of the frozen prefix is kept; Infinity where nothing but the head is left. */
  speedupWithPrefixKept: number;
}

/**
 * Share of a layer's weight gradients that freezing a part saves: of 12 hidden² weights, attention has 4 hidden², the
 * feed-forward block with the usual intermediate size of 4 hidden has 8 hidden²; LayerNorms and biases count nothing.
 */
const WEIGHT_SHARE: Readonly<Record<LayerPart, number>> = {
  attention: 1 / 3,
  feedForward: 2 / 3,
  layerNorm: 0,
  bias: 0,
};

/**
 * Bound by arithmetic on what freezing saves: per layer 1 for the forward pass, 1 for the gradient of its activations,
 * 1 for the gradient of its weights.
 *
 * A frozen layer above one that learns still costs its activation gradient.
 */
export function relativeCost(plan: FreezePlan): RelativeCost {
  const numLayers = plan.layers.length;
  const prefix = Math.max(frozenPrefixLength(plan), 0);
  const activationGradients = numLayers - prefix;
  let weightGradients = 0;
  for (let layer = 0; layer < numLayers; layer++) weightGradients += learningShare(plan, layer);
  const backward = activationGradients + weightGradients;
  const baseline = 3 * numLayers;
  return {
    forward: numLayers,
    activationGradients,
    weightGradients,
    speedup: baseline / (numLayers + backward),
    speedupWithPrefixKept: baseline / (numLayers - prefix + backward),
  };
}

/**
 * The paper's own cost model (equation 5): time in proportion to the share of parameters that learn.
 *
 * It leaves out the forward pass through frozen layers and the backward pass through those above layers that learn.
 *
 * @returns seconds against full fine-tuning, from 0 to 1.
 */
export function trainableShare(trainableParameters: number, totalParameters: number): number {
  return trainableParameters / totalParameters;
}

function learningShare(plan: FreezePlan, layer: number): number {
  if (isLayerFrozen(plan, layer)) return 0;
  const saved = (plan.parts?.[layer] ?? []).reduce((sum, part) => sum + WEIGHT_SHARE[part], 0);
  return Math.max(0, 1 - saved);
}
