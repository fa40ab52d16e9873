import type { EncoderConfig } from '../contract/encoder-config.js';
import type { FreezePlan, LayerPart } from '../contract/freeze-plan.js';
import { frozenPrefixLength } from '../freezing/frozen-prefix.js';
import { isLayerFrozen } from '../freezing/parts.js';

/** What the matrix products of a linear map depend on. */
export type LinearSizes = Pick<EncoderConfig, 'numLayers' | 'hiddenSize' | 'intermediateSize'> & {
  numLabels: number;
};

/** The matrix products of one training step, those within attention left out. */
export interface StepArithmetic {
  /** Floating-point operations, two for each multiplication with its addition. */
  forward: number;
  activationGradients: number;
  weightGradients: number;
  /** The three together. */
  flops: number;
  /** Number of products. */
  products: number;
}

/** Weights of a layer's linear maps; query, key and value are one map. */
interface LayerMaps {
  qkv: number;
  output: number;
  up: number;
  down: number;
}

/** Counts weights, each of which costs every token one multiplication. */
class Tally {
  weights = 0;
  products = 0;

  add(...maps: number[]): void {
    for (const weights of maps) this.weights += weights;
    this.products += maps.length;
  }
}

/**
 * Counts the arithmetic of one training step: each linear map costs the same for its forward pass, for the gradient of
 * its input and for the gradient of its weights, as far as the plan wants them.
 *
 * The same rule as `relativeCost`, to the last product: the lowest layer that learns gives no gradient of its input
 * while the embeddings are frozen.
 *
 * @param numTokens tokens that the step computes, fillers included.
 * @param prefixKept whether the output of the frozen prefix is read instead of computed.
 */
export function stepArithmetic(
  sizes: LinearSizes,
  plan: FreezePlan,
  numTokens: number,
  prefixKept = false,
): StepArithmetic {
  const { hiddenSize: hidden, intermediateSize: intermediate, numLayers, numLabels } = sizes;
  const maps: LayerMaps = {
    qkv: 3 * hidden * hidden,
    output: hidden * hidden,
    up: hidden * intermediate,
    down: hidden * intermediate,
  };
  const head = hidden * numLabels;
  const [forward, activations, weights] = [new Tally(), new Tally(), new Tally()];
  const prefix = frozenPrefixLength(plan);
  for (let layer = prefixKept ? Math.max(prefix, 0) : 0; layer < numLayers; layer++) {
    forward.add(maps.qkv, maps.output, maps.up, maps.down);
  }
  forward.add(head);
  weights.add(head);
  if (prefix < numLayers) activations.add(head);
  for (let layer = Math.max(prefix, 0); layer < numLayers; layer++) {
    addBackward(maps, learningParts(plan, layer), layer > prefix, activations, weights);
  }
  const perWeight = 2 * numTokens;
  return {
    forward: perWeight * forward.weights,
    activationGradients: perWeight * activations.weights,
    weightGradients: perWeight * weights.weights,
    flops: perWeight * (forward.weights + activations.weights + weights.weights),
    products: forward.products + activations.products + weights.products,
  };
}

type WeightPart = Exclude<LayerPart, 'bias'>;

/** Which weights of a layer learn. Biases have no products of their own. */
function learningParts(plan: FreezePlan, layer: number): Record<WeightPart, boolean> {
  const whole = !isLayerFrozen(plan, layer);
  const frozen = plan.parts?.[layer] ?? [];
  const learns = (part: WeightPart) => whole && !frozen.includes(part);
  return {
    attention: learns('attention'),
    feedForward: learns('feedForward'),
    layerNorm: learns('layerNorm'),
  };
}

/** From the layer's output down to the lowest part of it that wants a gradient. */
function addBackward(
  maps: LayerMaps,
  learns: Record<WeightPart, boolean>,
  inputWanted: boolean,
  activations: Tally,
  weights: Tally,
): void {
  const throughAttention = inputWanted || learns.attention;
  const throughMiddle = throughAttention || learns.layerNorm;
  if (learns.feedForward) weights.add(maps.down, maps.up);
  if (learns.attention) weights.add(maps.output, maps.qkv);
  if (throughMiddle || learns.feedForward) activations.add(maps.down);
  if (throughMiddle) activations.add(maps.up);
  if (throughAttention) activations.add(maps.output);
  if (inputWanted) activations.add(maps.qkv);
}
