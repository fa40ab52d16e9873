import type { ParameterInfo } from '../contract/results.js';

/** How much of one part of the model learns, in numbers (not tensors). */
export interface TrainableRow {
  /** `embeddings`, `layer 0` …, `head`, `total`. */
  part: string;
  trainable: number;
  total: number;
}

/**
 * Counts what learns, part by part: embeddings, each encoder layer, head, and a last row with the totals.
 *
 * Parts are told apart by Hugging Face's parameter names; what belongs to neither embeddings nor a layer is the head.
 */
export function trainableTable(parameters: readonly ParameterInfo[], numLayers: number): TrainableRow[] {
  const layers = Array.from({ length: numLayers }, (_, layer) => emptyRow(`layer ${layer}`));
  const embeddings = emptyRow('embeddings');
  const head = emptyRow('head');
  const total = emptyRow('total');
  for (const { name, trainable, count } of parameters) {
    const layer = /(?:^|\.)encoder\.layer\.(\d+)\./.exec(name)?.[1];
    const isEmbedding = /(?:^|\.)embeddings\./.test(name);
    const row = layer !== undefined ? layers[Number(layer)] : isEmbedding ? embeddings : head;
    for (const counted of [row ?? head, total]) {
      counted.total += count;
      if (trainable) counted.trainable += count;
    }
  }
  return [embeddings, ...layers, head, total];
}

function emptyRow(part: string): TrainableRow {
  return { part, trainable: 0, total: 0 };
}
