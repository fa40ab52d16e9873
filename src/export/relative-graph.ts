import type { RelativePositions } from '../contract/encoder-config.js';
import { bytesOf } from '../io/bytes-of.js';
import { layerNorm, tensor } from './arithmetic.js';
import type { GraphContext } from './encoder-graph.js';
import type { LayerNames } from './tensor-names.js';

// Attention that also compares contents with distances (He et al., "DeBERTa", 2021), of any length.

/** What all layers share. */
export interface DistanceRows {
  /** Embeddings of distances, [rows, hidden]. */
  table: string;
  /** Row of each query and key, int32 [batch, heads, length, length]; and of each key and query. */
  byQuery: string;
  byKey: string;
}

/** Row of the table for the distance of each query to each key. */
export function distanceRows(context: GraphContext, inputIds: string): DistanceRows {
  const { graph, config, names, weights } = context;
  const relative = config.relativePositions!;
  graph.scope = 'distances/';
  const stored = tensor(graph, weights, `${names.relative!.embeddings}.weight`);
  const table = names.relative!.norm === null ? stored : layerNorm(context, stored, names.relative!.norm);
  const rows = rowOfDistance(relative);
  const last = (rows.length - 1) / 2;
  const shape = graph.node('Shape', [inputIds]);
  const length = graph.node('Squeeze', [graph.node('Slice', [shape, graph.list(1), graph.list(2)])]);
  const places = graph.node('Range', [graph.scalar('int64', 0), length, graph.scalar('int64', 1)]);
  const query = graph.node('Unsqueeze', [places, graph.list(1)]);
  const distance = graph.node('Sub', [query, places]);
  const number = graph.node('Add', [distance, graph.scalar('int64', last)]);
  const bounded = graph.node('Max', [
    graph.node('Min', [number, graph.scalar('int64', 2 * last)]),
    graph.scalar('int64', 0),
  ]);
  const lookup = graph.initializer('row_of_distance', 'int32', [rows.length], () => [bytesOf(rows)]);
  const index = graph.node('Gather', [lookup, bounded], { axis: 0 });
  const batch = graph.node('Slice', [shape, graph.list(0), graph.list(1)]);
  const lengths = graph.node('Reshape', [length, graph.list(1)]);
  const whole = graph.node('Concat', [batch, graph.list(config.numHeads), lengths, lengths], { axis: 0 });
  return {
    table,
    byQuery: graph.node('Expand', [index, whole]),
    byKey: graph.node('Expand', [graph.node('Transpose', [index], { perm: [1, 0] }), whole]),
  };
}

/** The scores of contents with contents, and those of contents with distances added. */
export function relativeTerms(
  { graph, config, arithmetic }: GraphContext,
  layer: LayerNames,
  { table, byQuery, byKey }: DistanceRows,
  query: string,
  key: string,
  products: string,
): string {
  const { contentToPosition, positionToContent } = config.relativePositions!;
  // [heads, size, rows]: the layer's own maps, of distances instead of tokens
  const projected = (name: string) => {
    const split = graph.list(-1, config.numHeads, config.hiddenSize / config.numHeads);
    const heads = graph.node('Reshape', [arithmetic.linear(graph, table, name), split]);
    return graph.node('Transpose', [heads], { perm: [1, 2, 0] });
  };
  const chosen = (contents: string, name: string, rows: string) =>
    graph.node('GatherElements', [graph.node('MatMul', [contents, projected(name)]), rows], { axis: 3 });
  let scores = products;
  if (contentToPosition) scores = graph.node('Add', [scores, chosen(query, layer.key, byQuery)]);
  if (positionToContent) {
    const ofKey = graph.node('Transpose', [chosen(key, layer.query, byKey)], { perm: [0, 1, 3, 2] });
    scores = graph.node('Add', [scores, ofKey]);
  }
  return scores;
}

/**
 * Row of the table for the distances -n … n, beyond which it stays the same: a row each up to half of the buckets, then
 * rows that ever more distances share.
 */
export function rowOfDistance({ buckets, maxDistance }: RelativePositions): Int32Array {
  const span = buckets || maxDistance;
  const middle = buckets / 2;
  const bucketOf = (magnitude: number) => {
    if (buckets === 0 || magnitude <= middle) return magnitude;
    const share = Math.log(magnitude / middle) / Math.log((maxDistance - 1) / middle);
    return Math.ceil(share * (middle - 1)) + middle;
  };
  const last = Math.max(span, maxDistance);
  return Int32Array.from({ length: 2 * last + 1 }, (_, index) => {
    const distance = index - last;
    const row = Math.sign(distance) * bucketOf(Math.abs(distance)) + span;
    return Math.min(Math.max(row, 0), 2 * span - 1);
  });
}
