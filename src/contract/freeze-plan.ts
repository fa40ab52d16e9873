/**
 * A part of an encoder layer that can be frozen by itself.
 *
 * - `attention`: weights and biases of query, key, value and the attention output projection
 * - `feedForward`: weights and biases of the two linear maps of the feed-forward block
 * - `layerNorm`: weights and biases of the layer's LayerNorms
 * - `bias`: every bias of the layer, those of its LayerNorms included
 */
export type LayerPart = 'attention' | 'feedForward' | 'layerNorm' | 'bias';

export const LAYER_PARTS: readonly LayerPart[] = ['attention', 'feedForward', 'layerNorm', 'bias'];

/** Which parts of a model are frozen right now. The head always learns. */
export interface FreezePlan {
  /** Whether the embeddings (and their LayerNorm) are frozen. */
  embeddings: boolean;
  /** For each encoder layer, whether all of it is frozen; shape [numLayers]. */
  layers: boolean[];
  /** For each encoder layer, the parts that are frozen beside what `layers` freezes; shape [numLayers]. */
  parts?: LayerPart[][];
}
