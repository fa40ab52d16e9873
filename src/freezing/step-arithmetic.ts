import type { EncoderConfig } from '../contract/encoder-config.js';
import type { FreezePlan, LayerPart } from '../contract/freeze-plan.js';
import { frozenPrefixLength } from './frozen-prefix.js';
import { isLayerFrozen } from './parts.js';

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

/** Counts products, and multiplications: each weight costs each token one. */
class Tally {
  multiplications = 0;
  products = 0;

  add(tokens: number, ...maps: number[]): void {
    for (const weights of maps) this.multiplications += tokens * weights;
    this.products += maps.length;
  }
}

export interface ArithmeticOptions {
  /**
   * Tokens that the last layer goes on with behind attention, and that the head scores: those with a label, where the
   * others are left out.
   *
   * @default all
   */
  scoredTokens?: number;
  /** Whether the output of the frozen prefix is read instead of computed. @default false */
  prefixKept?: boolean;
}

/**
 * Counts the arithmetic of one training step: each linear map costs the same for its forward pass, for the gradient of
 * its input and for the gradient of its weights, as far as the plan wants them.
 *
 * The same rule as `relativeCost`, to the last product: the lowest layer that learns gives no gradient of its input
 * while the embeddings are frozen.
 *
 * @param numTokens tokens that the step computes, fillers included.
 */
export function stepArithmetic(
  sizes: LinearSizes,
  plan: FreezePlan,
  numTokens: number,
  { scoredTokens = numTokens, prefixKept = false }: ArithmeticOptions = {},
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
  // A frozen prefix gives the output of every token.
  const behindAttention = (layer: number) =>
    layer + 1 === numLayers && layer >= prefix ? scoredTokens : numTokens;
  for (let layer = prefixKept ? Math.max(prefix, 0) : 0; layer < numLayers; layer++) {
    forward.add(numTokens, maps.qkv);
    forward.add(behindAttention(layer), maps.output, maps.up, maps.down);
  }
  forward.add(scoredTokens, head);
  weights.add(scoredTokens, head);
  if (prefix < numLayers) activations.add(scoredTokens, head);
  for (let layer = Math.max(prefix, 0); layer < numLayers; layer++) {
    const tokens = { all: numTokens, behindAttention: behindAttention(layer) };
    addBackward(maps, tokens, learningParts(plan, layer), layer > prefix, activations, weights);
  }
  const operations = (...tallies: Tally[]) =>
    tallies.reduce((sum, { multiplications }) => sum + 2 * multiplications, 0);
  return {
    forward: operations(forward),
    activationGradients: operations(activations),
    weightGradients: operations(weights),
    flops: operations(forward, activations, weights),
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
  tokens: { all: number; behindAttention: number },
  learns: Record<WeightPart, boolean>,
  inputWanted: boolean,
  activations: Tally,
  weights: Tally,
): void {
  const throughAttention = inputWanted || learns.attention;
  const throughMiddle = throughAttention || learns.layerNorm;
  if (learns.feedForward) weights.add(tokens.behindAttention, maps.down, maps.up);
  if (learns.attention) weights.add(tokens.behindAttention, maps.output);
  if (learns.attention) weights.add(tokens.all, maps.qkv);
  if (throughMiddle || learns.feedForward) activations.add(tokens.behindAttention, maps.down);
  if (throughMiddle) activations.add(tokens.behindAttention, maps.up);
  if (throughAttention) activations.add(tokens.behindAttention, maps.output);
  if (inputWanted) activations.add(tokens.all, maps.qkv);
}
