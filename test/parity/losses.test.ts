import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packRagged } from '../../src/batching/pack.js';
import { TokenClassifier, type TrainerOptions } from '../../src/index.js';
import { fixturePath } from '../helpers/shared.js';
import { maxDifference, ragged } from '../helpers/tensors.js';
import { bytesOf, weightsOf } from '../helpers/with-model.js';

interface LossCase {
  name: string;
  weights?: number[];
  smoothing?: number;
  gamma?: number;
  sentences?: number[];
  crf?: boolean;
  loss: number;
  weight: number;
  gradients: Record<string, number[]>;
}

const folder = fixturePath('parity');
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const { chain, cases } = json(join(fixturePath('losses'), 'expected.json')) as {
  chain: Record<string, number[]>;
  cases: LossCase[];
};
const batch = packRagged(ragged(json(join(folder, 'batches.json'))[0]));

/** AdamW's first moment is the gradient itself with these. */
const LOOKING: TrainerOptions = { learningRate: 0, betas: [0, 0.999], maxGradNorm: 0 };

async function load(head: 'softmax' | 'crf', kernels: 'fused' | 'plain') {
  const model = await TokenClassifier.load(folder, { head, kernels, threads: 1 });
  if (head === 'crf') {
    for (const [name, scores] of Object.entries(chain))
      await model.writeParameter(name, Float32Array.from(scores));
  }
  return model;
}

function optionsOf({ weights, smoothing, gamma }: LossCase, labels: readonly string[]): TrainerOptions {
  const loss = {
    ...(weights && { classWeights: Object.fromEntries(labels.map((label, id) => [label, weights[id]!])) }),
    ...(smoothing && { labelSmoothing: smoothing }),
    ...(gamma && { focalGamma: gamma }),
  };
  return Object.keys(loss).length > 0 ? { loss } : {};
}

describe.each(['fused', 'plain'] as const)('with %s kernels', (kernels) => {
  it.each(cases)('$name: loss and gradients are those of PyTorch in float64', async (expected) => {
    const model = await load(expected.crf ? 'crf' : 'softmax', kernels);
    try {
      const trainer = await model.trainer({ ...LOOKING, ...optionsOf(expected, model.labels) });
      const weights = expected.sentences && { weights: Float32Array.from(expected.sentences) };
      const result = await trainer.step({ ...batch, ...weights });
      expect(Math.abs(result.loss - expected.loss)).toBeLessThan(1e-5);
      expect(Math.abs(result.weight - expected.weight)).toBeLessThan(1e-4);
      for (const [name, gradient] of Object.entries(expected.gradients)) {
        const { expAvg } = (await trainer.readMoments(name))!;
        expect(maxDifference(expAvg, gradient), name).toBeLessThan(1e-5);
      }
    } finally {
      await model.dispose();
    }
  });
});

describe('a chain', () => {
  it('is saved beside the classifier and loaded again', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'permafrost-crf-'));
    const model = await load('crf', 'fused');
    try {
      await model.save(directory);
      expect(json(join(directory, 'config.json')).architectures).toEqual(['BertForTokenClassification']);
      await using again = await TokenClassifier.load(directory);
      expect(again.head).toBe('crf');
      expect(again.loadReport).toEqual({ fresh: [], unused: [] });
      const [before, after] = [await weightsOf(model), await weightsOf(again)];
      expect([...after.keys()]).toEqual([...before.keys()]);
      for (const [name, data] of before) expect(bytesOf(after.get(name)!), name).toBe(bytesOf(data));

      await using token = await TokenClassifier.load(directory, { head: 'softmax' });
      expect(token.head).toBe('softmax');
      expect(token.loadReport.unused.sort()).toEqual(Object.keys(chain).sort());

      const reversed = [...model.labels].reverse();
      await using other = await TokenClassifier.load(directory, { labels: reversed });
      expect(other.loadReport.fresh.sort()).toEqual(Object.keys(chain).sort());
      const bias = await other.readParameter('classifier.bias');
      expect([...bias].reverse()).toEqual([...before.get('classifier.bias')!]);
    } finally {
      await model.dispose();
      rmSync(directory, { recursive: true });
    }
  });

  it('begins at 0 on a checkpoint of the other head, whose labels it keeps', async () => {
    await using model = await TokenClassifier.load(folder, { head: 'crf' });
    expect(model.loadReport.fresh.sort()).toEqual(Object.keys(chain).sort());
    const { start, transitions, end } = (await model.chainScores())!;
    expect([...start, ...transitions, ...end].every((score) => score === 0)).toBe(true);
    await using token = await TokenClassifier.load(folder);
    expect(await token.chainScores()).toBeNull();
    const [ofChain, ofTokens] = [await model.loss([batch]), await token.loss([batch])];
    expect(Math.abs(ofChain.loss - ofTokens.loss)).toBeLessThan(1e-5);
  });
});

describe('a loss that cannot be', () => {
  it.each([
    [{ classWeights: { 'B-PERS': 2 } }, /"B-PERS" is not among the 9 labels.*Did you mean "B-PER"/],
    [{ classWeights: { O: 0 } }, /classWeights/],
    [{ labelSmoothing: 1 }, /labelSmoothing/],
    [{ labelSmoothing: 0.1, focalGamma: 2 }, /one of them/],
  ])('%j is refused', async (loss, message) => {
    await using model = await TokenClassifier.load(folder);
    const error = await model.trainer({ loss }).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'INVALID_OPTION' });
    expect(error.message).toMatch(message);
  });

  it('weights of labels are refused for a chain, and sentences of no weight', async () => {
    await using model = await TokenClassifier.load(folder, { head: 'crf' });
    await expect(model.trainer({ loss: { classWeights: { O: 0.5 } } })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
    const trainer = await model.trainer();
    const weights = new Float32Array(batch.cuSeqlens.length - 1);
    await expect(trainer.step({ ...batch, weights })).rejects.toMatchObject({ code: 'INVALID_BATCH' });
  });
});
