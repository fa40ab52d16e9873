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
 * Parts are told apart by Hugging Face's parameter names; see {@link partOf}.
 */
export function trainableTable(parameters: readonly ParameterInfo[], numLayers: number): TrainableRow[] {
  const layers = Array.from({ length: numLayers }, (_, layer) => emptyRow(`layer ${layer}`));
  const embeddings = emptyRow('embeddings');
  const head = emptyRow('head');
  const total = emptyRow('total');
  const rows = [embeddings, ...layers];
  for (const { name, trainable, count } of parameters) {
    const row = rows.find(({ part }) => part === partOf(name));
    for (const counted of [row ?? head, total]) {
      counted.total += count;
      if (trainable) counted.trainable += count;
    }
  }
  return [...rows, head, total];
}

/** `layer 0` … of a layer's parameter, `head` of the classifier's or predictor's, else `embeddings`. */
export function partOf(name: string): string {
  const layer = /(?:^|\.)(?:encoder|transformer)\.layer\.(\d+)\./.exec(name)?.[1];
  if (layer !== undefined) return `layer ${layer}`;
  return /^(?:classifier|cls|lm_head)\./.test(name) ? 'head' : 'embeddings';
}

function emptyRow(part: string): TrainableRow {
  return { part, trainable: 0, total: 0 };
}
