import { PermafrostError } from '../errors/error.js';
import type { EncoderConfigInput } from '../model/config.js';
import type { DeviceOptions } from '../model/options.js';
import { TokenClassifier } from '../model/token-classifier.js';

/** What came of one training step on a device, against the same step by libtorch's own operations on the CPU. */
export interface SelfTest {
  device: string;
  ok: boolean;
  /** The larger relative difference of loss and gradient norm; null where the step failed. */
  difference: number | null;
  /** Code and message of what went wrong. */
  problem: { code: string; message: string } | null;
}

// Rounding of TF32 and of another order of summation; a wrong kernel is off by far more.
const TOLERANCE = 1e-2;

const MODEL: EncoderConfigInput = {
  vocabSize: 64,
  hiddenSize: 32,
  numLayers: 2,
  numHeads: 4,
  intermediateSize: 64,
  maxPositions: 32,
  hiddenDropout: 0,
  attentionDropout: 0,
  classifierDropout: 0,
  labels: ['O', 'B-X', 'I-X'],
};

const BATCH = {
  inputIds: [
    [2, 7, 8, 9, 10, 11, 3],
    [2, 40, 41, 3],
    [2, 5, 63, 3],
  ],
  labels: [
    [-100, 0, 1, 2, 0, 0, -100],
    [-100, 1, 2, -100],
    [-100, 0, 0, -100],
  ],
};

/** Trains a tiny model for one step on the device and compares. Never throws for a fault of the device. */
export async function selfTest(device: string): Promise<SelfTest> {
  try {
    const expected = await oneStep({ device: 'cpu', kernels: 'plain' });
    const got = await oneStep({ device });
    const difference = Math.max(
      relativeDifference(expected.loss, got.loss),
      relativeDifference(expected.gradNorm, got.gradNorm),
    );
    // Also false for NaN.
    const ok = difference <= TOLERANCE;
    const message = `expected loss ${expected.loss} and gradient norm ${expected.gradNorm}, got ${got.loss} and ${got.gradNorm}`;
    return { device, ok, difference, problem: ok ? null : { code: 'INTERNAL', message } };
  } catch (error) {
    if (!(error instanceof PermafrostError)) throw error;
    return { device, ok: false, difference: null, problem: { code: error.code, message: error.message } };
  }
}

async function oneStep(options: DeviceOptions): Promise<{ loss: number; gradNorm: number }> {
  const model = await TokenClassifier.create(MODEL, { seed: 7, threads: 1, ...options });
  try {
    const trainer = await model.trainer({ learningRate: 1e-3 });
    const first = await trainer.step(BATCH);
    // The second loss shows that the update arrived.
    const second = await trainer.step(BATCH);
    return { loss: second.loss, gradNorm: first.gradNorm ?? Number.NaN };
  } finally {
    await model.dispose();
  }
}

function relativeDifference(expected: number, got: number): number {
  return Math.abs(got - expected) / Math.abs(expected);
}
