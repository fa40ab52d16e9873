import { expect } from 'vitest';
import { only, type RaggedBatch, type TokenClassifier, type Trainer } from '../../src/index.js';

/** One freezing case of a fixture. */
export interface ParityCase {
  name: string;
  embeddings_frozen: boolean;
  frozen_layers: number[];
  max_grad_norm: number;
  trainable: string[];
  trainable_count: number;
  grad_l2: Record<string, number>;
  grad_total_l2: number;
  losses: number[];
  lrs: number[];
  grad_norms_before_clipping: number[];
  params_file: string;
}

/** A fixture's `expected.json`. */
export interface ExpectedRun {
  batch0_loss: number;
  lr: number;
  betas: [number, number];
  eps: number;
  weight_decay: number;
  warmup_steps: number;
  total_steps: number;
  cases: ParityCase[];
  /** Tensors whose true gradient is 0: what is computed is rounding noise that Adam turns into steps. */
  leave_out: string[];
  relative_position_buckets?: number[];
}

/** Freezes as the case says and gives a trainer with the fixture's settings. */
export async function trainerOf(
  model: TokenClassifier,
  expected: ExpectedRun,
  testCase: ParityCase,
): Promise<Trainer> {
  await model.freeze(
    only({ embeddings: testCase.embeddings_frozen, layers: testCase.frozen_layers }).plan(
      model.config.numLayers,
    ),
  );
  return model.trainer({
    learningRate: expected.lr,
    betas: expected.betas,
    eps: expected.eps,
    weightDecay: expected.weight_decay,
    maxGradNorm: testCase.max_grad_norm,
    schedule: 'linear',
    warmupSteps: expected.warmup_steps,
    totalSteps: expected.total_steps,
  });
}

/** Trains on the batches, in order; each step must have the reference's loss, learning rate and gradient norm. */
export async function expectSameSteps(
  trainer: Trainer,
  batches: readonly RaggedBatch[],
  testCase: Pick<ParityCase, 'losses' | 'lrs' | 'grad_norms_before_clipping'>,
): Promise<void> {
  for (const [i, batch] of batches.entries()) {
    const step = await trainer.step(batch);
    expect(Math.abs(step.loss - testCase.losses[i]!), `loss ${i}`).toBeLessThan(5e-6);
    expect(step.learningRate).toBeCloseTo(testCase.lrs[i]!, 12);
    const norm = testCase.grad_norms_before_clipping[i]!;
    expect(Math.abs(step.gradNorm! - norm), `norm ${i}`).toBeLessThan(1e-5 * norm + 5e-6);
  }
}

/** How far a parameter may lie from the reference: by the largest noise that the reference itself shows for it. */
export function parameterTolerance(noise: unknown, tensor: string): number {
  const values: number[] = [];
  const collect = (node: unknown, isTensor: boolean) => {
    if (isTensor && typeof node === 'number') values.push(node);
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node)) collect(value, isTensor || key === tensor);
  };
  collect(noise, false);
  return 2e-6 + 5 * Math.max(0, ...values);
}
