import { batchesOf } from '../batching/batches.js';
import { epochOrder } from '../batching/order.js';
import type { PackedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';
import { parseStrategy } from '../freezing/notation.js';
import { partOf } from '../freezing/trainable-table.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import type { Workspace } from './workspace.js';

/** What the gradients of several batches say of a part of the model. */
export interface PartGradients {
  /** `embeddings`, `layer 0`, …, `head`. */
  part: string;
  parameters: number;
  /** Whether the scenario froze it. */
  frozen: boolean;
  /** L2 norm of the mean gradient g, freed of what chance adds to it: sqrt(max(0, |mean g_b|^2 - variance / batches)). */
  norm: number;
  /** Root of the mean squared norm of a batch's gradient. */
  batchNorm: number;
  /** Trace of the covariance of the batches' gradients, with n - 1: sum over the parameters of their variances. */
  variance: number;
  /** variance / norm^2: by what factor a batch would have to grow for chance to weigh as much as the gradient itself. */
  noise: number | null;
}

/** The gradients at certain weights. */
export interface GradientStudy {
  /** Scenario whose best weights they are; null for the weights that all start from. */
  strategy: string | null;
  batches: number;
  parts: PartGradients[];
}

export interface MeasureGradientsOptions {
  workspace: Workspace;
  model: TokenClassifier;
  /** Scenario whose weights the model has; null for the weights that all start from. */
  strategy: string | null;
  /** Decides which sentences are in which batch, and the dropout masks. */
  seed: number;
  /** Batches of training sentences, at least 2. */
  batches: number;
  signal?: AbortSignal | undefined;
}

/**
 * Measures norm and variance of the gradient, part by part, over batches of training sentences with dropout as in
 * training. Nothing is frozen while it measures: what frozen layers would have learnt is what says whether they may be.
 *
 * The variance of the gradient is that of the paper's equation 4; its ratio to the squared norm is the gradient noise
 * scale of McCandlish et al. (2018). One copy of the gradients is in memory, however many batches there are.
 *
 * @throws INVALID_OPTION for fewer than 2 batches, or more than the training data give; NON_FINITE; `signal.reason`
 */
export async function measureGradients(options: MeasureGradientsOptions): Promise<GradientStudy> {
  const { workspace, model, strategy, batches: count, seed, signal } = options;
  const batches = await trainingBatches(workspace, seed, count);
  await model.freeze('full');
  const { maxGradNorm: _, ...optimizer } = workspace.settings.training.optimizer;
  const trainer = await model.trainer({ ...optimizer, totalSteps: 1, seed });
  const moments = await trainer.gradientMoments(batches, signal ? { signal } : {});
  const numLayers = model.config.numLayers;
  const plan = strategy === null ? null : parseStrategy(strategy).plan(numLayers);
  const parts = new Map<string, { parameters: number; square: number; ofMean: number }>();
  for (const { name, count } of model.parameters()) {
    const part = partOf(name);
    const sums = parts.get(part) ?? { parameters: 0, square: 0, ofMean: 0 };
    const { meanSquaredNorm, squaredNormOfMean } = moments.get(name)!;
    sums.parameters += count;
    sums.square += meanSquaredNorm;
    sums.ofMean += squaredNormOfMean;
    parts.set(part, sums);
  }
  const isFrozen = (part: string) => {
    if (plan === null || part === 'head') return false;
    return part === 'embeddings' ? plan.embeddings : plan.layers[Number(part.split(' ')[1])]!;
  };
  return {
    strategy,
    batches: batches.length,
    parts: [...parts].map(([part, sums]) => ({ part, frozen: isFrozen(part), ...statisticsOf(sums, count) })),
  };
}

function statisticsOf(
  { parameters, square, ofMean }: { parameters: number; square: number; ofMean: number },
  batches: number,
): Omit<PartGradients, 'part' | 'frozen'> {
  const variance = Math.max(0, ((square - ofMean) * batches) / (batches - 1));
  const squaredNorm = Math.max(0, ofMean - variance / batches);
  return {
    parameters,
    norm: Math.sqrt(squaredNorm),
    batchNorm: Math.sqrt(square),
    variance,
    noise: squaredNorm === 0 ? null : variance / squaredNorm,
  };
}

/** The first batches of the seed's first epoch. */
async function trainingBatches(workspace: Workspace, seed: number, count: number): Promise<PackedBatch[]> {
  const { train } = await workspace.portion({}).encoded();
  const { batchSize } = workspace.settings.training;
  const available = Math.floor(train.size / batchSize);
  if (count < 2 || count > available) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `\`batches\`: expected 2 to ${available}, as many as there are whole batches of ${batchSize} training sentences, got ` +
        `${count}. Take fewer, or a smaller \`batchSize\`.`,
      { option: 'batches', expected: available, got: count },
    );
  }
  const order = epochOrder(train.size, seed, 0).subarray(0, count * batchSize);
  return Array.from(batchesOf(train, order, batchSize), ({ batch }) => batch);
}
