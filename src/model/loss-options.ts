import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { didYouMean } from '../errors/message.js';
import type { NativeLossOptions } from '../native/addon.js';

/** Weight of each label that is named; the others have 1. */
export const classWeightsSchema = z.record(z.string().min(1), z.number().positive());

/** How labelled tokens count in the loss; with nothing of it, all alike, and the loss is the mean cross-entropy. */
export const lossShape = {
  /**
   * Weight of each label in the loss: `{ O: 0.2, 'B-PER': 2 }`, 1 for those that are not named. The mean is divided by the
   * sum of the weights, as torch.nn.functional.cross_entropy has it. @default 1 each
   */
  classWeights: classWeightsSchema.optional(),
  /**
   * Share of the target that all labels have alike (Szegedy et al. 2016), as PyTorch's `label_smoothing` has it, also with
   * class weights. @default 0
   */
  labelSmoothing: z
    .number()
    .min(0)
    .lt(1)
    .optional()
    .describe('share of the target that all labels have alike (default: 0)'),
  /**
   * Exponent of the focal loss (1 - p)^gamma (-log p) of Lin et al. (2017), who take 2: tokens that are certain count
   * less. Class weights are its alpha. Not together with label smoothing. @default 0
   */
  focalGamma: z
    .number()
    .min(0)
    .optional()
    .describe('exponent of the focal loss, by which certain words count less (default: 0)'),
};

/** How labelled tokens count in the loss. */
export interface LossOptions extends z.input<z.ZodObject<typeof lossShape, z.core.$strict>> {}

/**
 * The same as the engine takes it.
 *
 * @param labels label of each id of the head.
 * @throws INVALID_OPTION where a weight is for a label that the head lacks, or smoothing meets the focal loss
 */
export function nativeLoss(loss: LossOptions, labels: readonly string[]): NativeLossOptions {
  const { classWeights = {}, labelSmoothing = 0, focalGamma = 0 } = loss;
  const unknown = Object.keys(classWeights).find((label) => !labels.includes(label));
  if (unknown !== undefined) {
    const meant = didYouMean(unknown, labels);
    throw new PermafrostError(
      'INVALID_OPTION',
      `\`loss.classWeights\`: ${JSON.stringify(unknown)} is not among the ${labels.length} labels ${labels.join(', ')}.` +
        `${meant ? ` Did you mean ${JSON.stringify(meant)}?` : ''}`,
      { option: 'loss.classWeights', got: unknown, labels },
    );
  }
  if (labelSmoothing > 0 && focalGamma > 0) {
    throw new PermafrostError(
      'INVALID_OPTION',
      '`loss.labelSmoothing` and `loss.focalGamma`: expected one of them, got both; together they have no common definition.',
      { option: 'loss.focalGamma' },
    );
  }
  const weights = Object.keys(classWeights).length > 0 ? labels.map((label) => classWeights[label] ?? 1) : [];
  const isWeighted = weights.some((weight) => weight !== 1);
  return { classWeights: Float32Array.from(isWeighted ? weights : []), labelSmoothing, focalGamma };
}
