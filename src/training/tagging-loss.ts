import { z } from 'zod';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { IGNORED_LABEL } from '../contract/packed-batch.js';
import { classWeightsSchema, type LossOptions, lossShape } from '../model/loss-options.js';

const BALANCED = 'balanced';

/** How labelled words count in the loss of a fine-tuning. */
export const taggingLossShape = {
  ...lossShape,
  /**
   * Weight of each label in the loss, 1 for those that are not named: `{ O: 0.2, 'B-PER': 2 }`, or as text
   * `O=0.2,B-PER=2`. `balanced` gives label l n / (k n_l), n being the labelled training tokens, n_l those of label l, and
   * k the labels that occur (scikit-learn's `balanced`). @default 1 each
   */
  classWeights: z
    .preprocess(fromText, z.union([z.literal(BALANCED), classWeightsSchema]))
    .optional()
    .meta({
      description:
        'weight of labels in the loss: balanced, by their frequency, or O=0.2,B-PER=2 (default: 1 each)',
      value: 'weights',
    }),
};

export const taggingLossSchema = z.strictObject(taggingLossShape);

/** How labelled words count in the loss of a fine-tuning. */
export interface TaggingLossOptions extends z.input<typeof taggingLossSchema> {}

/** The loss with weights of frequencies worked out on the training data. */
export function lossFor(
  { classWeights, ...loss }: z.output<typeof taggingLossSchema>,
  dataset: EncodedDataset,
  labels: readonly string[],
): LossOptions {
  if (classWeights === undefined) return loss;
  return {
    ...loss,
    classWeights: classWeights === BALANCED ? balancedWeights(dataset, labels) : classWeights,
  };
}

/** n / (k n_l) for each label that occurs, so that all of them have the same part in the loss. */
function balancedWeights(dataset: EncodedDataset, labels: readonly string[]): Record<string, number> {
  const counts = new Array<number>(labels.length).fill(0);
  for (const label of dataset.labels) if (label !== IGNORED_LABEL) counts[label]!++;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const occurring = counts.filter((count) => count > 0).length;
  const entries = labels.map((label, id) => [label, total / (occurring * counts[id]!)] as const);
  return Object.fromEntries(entries.filter((_, id) => counts[id]! > 0));
}

/** The weights of a text `O=0.2,B-PER=2`; other values are checked as they are. */
function fromText(value: unknown): unknown {
  if (typeof value !== 'string' || value === BALANCED) return value;
  const entries = value.split(',').map((part) => {
    const border = part.lastIndexOf('=');
    const number = part.slice(border + 1).trim();
    return [part.slice(0, Math.max(0, border)).trim(), number === '' ? Number.NaN : Number(number)] as const;
  });
  return Object.fromEntries(entries);
}
