import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packRagged } from '../../src/entries/data.js';
import {
  bottomUp,
  type PackedBatch,
  type RaggedBatch,
  TokenClassifier,
  type TrainerOptions,
} from '../../src/index.js';
import { rawTensors, writeTensorFile } from '../helpers/safetensors-file.js';
import { maxDifference } from '../helpers/tensors.js';
import { thrownBy } from '../helpers/thrown.js';
import { BATCH, changedNames, TINY, weightsOf, withModel } from '../helpers/with-model.js';

const DROPOUT = { hiddenDropout: 0.2, attentionDropout: 0.2, classifierDropout: 0.2 };
const FIRST: RaggedBatch = { inputIds: [BATCH.inputIds[0]!], labels: [BATCH.labels![0]!] };
const SECOND: RaggedBatch = { inputIds: [BATCH.inputIds[1]!], labels: [BATCH.labels![1]!] };

/** Trains some steps on one batch; gives the losses and the weights. */
function trainFresh(options: TrainerOptions & { modelSeed?: number; threads?: number; steps?: number } = {}) {
  const { modelSeed = 1, threads = 1, steps = 4, ...trainerOptions } = options;
  return withModel(
    async (model) => {
      const trainer = await model.trainer({ learningRate: 1e-2, ...trainerOptions });
      const losses: number[] = [];
      for (let i = 0; i < steps; i++) losses.push((await trainer.step(BATCH)).loss);
      return { losses, weights: await weightsOf(model) };
    },
    DROPOUT,
    { seed: modelSeed, threads },
  );
}

describe('a seed', () => {
  it('fixes initialisation and dropout to the bit', async () => {
    const [one, other] = [await trainFresh(), await trainFresh()];
    expect(other.losses).toEqual(one.losses);
    expect(changedNames(one.weights, other.weights)).toEqual([]);
  });

  it('of another value gives another model, or other dropout', async () => {
    const { losses } = await trainFresh();
    expect((await trainFresh({ modelSeed: 2 })).losses).not.toEqual(losses);
    expect((await trainFresh({ seed: 43 })).losses).not.toEqual(losses);
  });

  it('gives the same masks on any number of threads, so that only rounding may differ', async () => {
    const [one, two] = [await trainFresh(), await trainFresh({ threads: 2 })];
    expect(maxDifference(one.losses, two.losses)).toBeLessThan(1e-5);
  });
});

describe('gradient accumulation', () => {
  const options = { learningRate: 1e-2, maxGradNorm: 0.5 };

  it('of two batches equals one step on their union', async () => {
    const union = await withModel(async (model) => {
      const trainer = await model.trainer(options);
      const { loss, gradNorm } = await trainer.step(BATCH);
      return { loss, gradNorm, weights: await weightsOf(model) };
    });
    await withModel(async (model) => {
      const before = await weightsOf(model);
      const trainer = await model.trainer({ ...options, gradientAccumulation: 2 });
      const first = await trainer.step(FIRST);
      expect(first).toMatchObject({ updated: false, gradNorm: null, tokens: 5 });
      expect(changedNames(before, await weightsOf(model))).toEqual([]);
      const second = await trainer.step(SECOND);
      expect(second).toMatchObject({ updated: true, tokens: 4 });
      // Three labelled tokens in the one, two in the other.
      expect((3 * first.loss + 2 * second.loss) / 5).toBeCloseTo(union.loss, 6);
      expect(second.gradNorm!).toBeCloseTo(union.gradNorm!, 5);
      for (const [name, data] of await weightsOf(model)) {
        // The bias of keys takes no part in attention; its gradient is rounding noise, which AdamW blows up.
        if (name.endsWith('key.bias')) continue;
        expect(maxDifference(data, union.weights.get(name)!), name).toBeLessThan(1e-6);
      }
    });
  });

  it('is cut short by updateNow', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer({ ...options, gradientAccumulation: 8 });
      expect((await trainer.step(FIRST)).updated).toBe(false);
      expect((await trainer.step(SECOND, { updateNow: true })).updated).toBe(true);
      expect((await trainer.step(FIRST)).updated).toBe(false);
    });
  });

  it('begins anew after gradients()', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer({ ...options, gradientAccumulation: 2 });
      await trainer.step(FIRST);
      const before = await weightsOf(model);
      await trainer.gradients(BATCH);
      expect(changedNames(before, await weightsOf(model))).toEqual([]);
      expect((await trainer.step(SECOND)).updated).toBe(false);
    });
  });
});

describe('the optimizer', () => {
  it('scales gradients down to maxGradNorm, and reports the norm before', async () => {
    // With epsilon far above the gradients, AdamW's update is proportional to them.
    const options = { learningRate: 1, weightDecay: 0, eps: 1e6 };
    const step = (maxGradNorm: number) =>
      withModel(async (model) => {
        const before = await weightsOf(model);
        const { gradNorm } = await (await model.trainer({ ...options, maxGradNorm })).step(BATCH);
        const bias = 'classifier.bias';
        const moved = maxDifference(await model.readParameter(bias), before.get(bias)!);
        return { gradNorm: gradNorm!, moved };
      });
    const free = await step(0);
    const clipped = await step(free.gradNorm / 4);
    const loose = await step(free.gradNorm * 4);
    expect(clipped.gradNorm).toBe(free.gradNorm);
    expect(loose.moved).toBe(free.moved);
    expect(free.moved).toBeGreaterThan(0);
    expect(clipped.moved / free.moved).toBeCloseTo(0.25, 2);
  });

  it('lets the norm be that of the gradients it reports one by one', async () => {
    await withModel(async (model) => {
      await model.freeze(bottomUp(1).plan(TINY.numLayers));
      const trainer = await model.trainer({ learningRate: 0 });
      const norms = await trainer.gradients(BATCH);
      const { gradNorm } = await trainer.step(BATCH);
      expect(Math.hypot(...norms.values())).toBeCloseTo(gradNorm!, 5);
    });
  });

  const rates = (options: TrainerOptions, steps: number) =>
    withModel(async (model) => {
      const trainer = await model.trainer({ learningRate: 0.8, ...options });
      const result: number[] = [];
      for (let i = 0; i < steps; i++) result.push((await trainer.step(BATCH)).learningRate);
      return result.map((rate) => Number(rate.toFixed(12)));
    });

  it('follows the linear schedule with warm-up, whose first rate is 0', async () => {
    expect(await rates({ schedule: 'linear', warmupSteps: 2, totalSteps: 6 }, 7)).toEqual([
      0, 0.4, 0.8, 0.6, 0.4, 0.2, 0,
    ]);
    expect(await rates({ totalSteps: 4 }, 4)).toEqual([0.8, 0.6, 0.4, 0.2]);
  });

  it('follows the constant schedule with and without warm-up', async () => {
    expect(await rates({ schedule: 'constant', warmupSteps: 2 }, 4)).toEqual([0, 0.4, 0.8, 0.8]);
    expect(await rates({}, 2)).toEqual([0.8, 0.8]);
  });

  it('does not move a weight at rate 0', async () => {
    await withModel(async (model) => {
      const before = await weightsOf(model);
      const trainer = await model.trainer({ learningRate: 0.8, warmupSteps: 2, totalSteps: 6 });
      await trainer.step(BATCH);
      expect(changedNames(before, await weightsOf(model))).toEqual([]);
    });
  });

  it('counts accumulated batches as one update in its schedule', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer({ learningRate: 1, totalSteps: 2, gradientAccumulation: 2 });
      const result: number[] = [];
      for (let i = 0; i < 4; i++) result.push((await trainer.step(BATCH)).learningRate);
      expect(result).toEqual([1, 1, 0.5, 0.5]);
    });
  });

  it.each([
    [{ learningRate: -1 }, /`learningRate`: .*at least 0, got -1/],
    [{ learningRate: Number.NaN }, /learningRate/],
    [{ betas: [0.9, 1] }, /`betas\.1`: .*below 1, got 1/],
    [{ betas: [0.9] }, /betas/],
    [{ eps: 0 }, /`eps`: expected a number above 0, got 0/],
    [{ gradientAccumulation: 0 }, /`gradientAccumulation`: .*above 0, got 0/],
    [{ warmupSteps: 1.5 }, /warmupSteps/],
    [{ schedule: 'step' }, /`schedule`: expected one of linear, cosine, constant, .*, got "step"/],
    [{ schedule: 'linear' }, /`schedule` 'linear' needs `totalSteps`/],
    [{ frozenDropout: true }, /frozenDropout/],
    [{ learning_rate: 1 }, /there is no option 'learning_rate'\. Did you mean `learningRate`\?/],
  ])('refuses %j', async (options, message) => {
    await withModel(async (model) => {
      const error = await thrownBy(() => model.trainer(options as never));
      expect(error.code).toBe('INVALID_OPTION');
      expect(error.message).toMatch(message);
    });
  });
});

describe('a batch', () => {
  const good: PackedBatch = packRagged(BATCH);
  const ids = good.inputIds;
  const cases: [string, unknown, RegExp][] = [
    [
      'borders that do not start at 0',
      { ...good, cuSeqlens: Int32Array.of(1, 5, 9) },
      /cuSeqlens must start at 0, got 1/,
    ],
    [
      'borders that do not end at T',
      { ...good, cuSeqlens: Int32Array.of(0, 5, 8) },
      /must end at the number of tokens, 9, got 8/,
    ],
    [
      'borders beyond T',
      { ...good, cuSeqlens: Int32Array.of(0, 5, 10) },
      /must end at the number of tokens, 9, got 10/,
    ],
    [
      'descending borders',
      { ...good, cuSeqlens: Int32Array.of(0, 7, 5, 9) },
      /must ascend: sequence 1 goes from 7 to 5/,
    ],
    [
      'an empty sequence',
      { ...good, cuSeqlens: Int32Array.of(0, 5, 5, 9) },
      /must ascend: sequence 1 goes from 5 to 5/,
    ],
    ['no borders', { ...good, cuSeqlens: new Int32Array() }, /at least two borders, got 0/],
    ['one border', { ...good, cuSeqlens: Int32Array.of(0) }, /at least two borders, got 1/],
    [
      'an id as large as the vocabulary',
      { ...good, inputIds: ids.with(3, 50) },
      /Token id 50 at token 3 lies outside the vocabulary of 50/,
    ],
    ['a negative id', { ...good, inputIds: ids.with(0, -1) }, /Token id -1 at token 0/],
    [
      'a label that the head lacks',
      { ...good, labels: good.labels!.with(1, 3) },
      /Label 3 at token 1 is neither -100 nor one of the head's 3/,
    ],
    [
      'a negative label that is not -100',
      { ...good, labels: good.labels!.with(1, -1) },
      /Label -1 at token 1/,
    ],
    [
      'labels of another length',
      { ...good, labels: Int32Array.of(0, 1) },
      /batch\.labels must be as long as batch\.inputIds, 9, got 2/,
    ],
    ['no labels', { inputIds: ids, cuSeqlens: good.cuSeqlens }, /needs labels/],
    [
      'only ignored labels',
      { ...good, labels: new Int32Array(9).fill(-100) },
      /No token of the batch has a label: all are -100/,
    ],
    [
      'a sequence longer than the positions',
      { inputIds: [Array(25).fill(1)], labels: [Array(25).fill(0)] },
      /Sequence 0 has 25 tokens, but the model has 24 positions/,
    ],
    ['no sequences', { inputIds: [] }, /at least one sequence/],
    ['an empty row', { inputIds: [[1], []] }, /sequence 1 is empty/],
    ['ids that are no whole numbers', { inputIds: [[1, 2.5]] }, /2\.5 at token 1 of sequence 0/],
    ['flat ids', { inputIds: [1, 2] }, /expected \{ inputIds, labels\?, cuSeqlens \}/],
    ['nothing at all', undefined, /got undefined/],
    ['null', null, /got null/],
    ['an empty object', {}, /expected \{ inputIds/],
  ];
  it.each(cases)('with %s is INVALID_BATCH, and the trainer goes on', async (_, batch, message) => {
    await withModel(async (model) => {
      const before = await weightsOf(model);
      const trainer = await model.trainer({ learningRate: 0.1 });
      const error = await thrownBy(() => trainer.step(batch as PackedBatch));
      expect(error.code).toBe('INVALID_BATCH');
      expect(error.message).toMatch(message);
      expect(changedNames(before, await weightsOf(model))).toEqual([]);
      expect((await trainer.step(BATCH)).updated).toBe(true);
    });
  });

  it('must stand in an array for predict', async () => {
    await withModel(async (model) => {
      const error = await thrownBy(() => model.predict(BATCH as never));
      expect(error.code).toBe('INVALID_BATCH');
      expect(error.message).toMatch(/Put it in \[ \]/);
      expect(await model.predict([])).toEqual([]);
    });
  });

  it('is checked before any of several is predicted', async () => {
    await withModel(async (model) => {
      const error = await thrownBy(() => model.predict([BATCH, { inputIds: [[50]] }]));
      expect(error.message).toMatch(/Token id 50/);
    });
  });
});

describe('predict', () => {
  it('gives the label of the highest logit of each token, batch by batch', async () => {
    await withModel(async (model) => {
      const { data, shape } = await model.logits(BATCH);
      const expected = Array.from({ length: shape[0] }, (_, t) => {
        const row = [...data.subarray(t * shape[1], (t + 1) * shape[1])];
        return row.indexOf(Math.max(...row));
      });
      const [both, first, second] = await model.predict([BATCH, FIRST, SECOND]);
      expect([...both!]).toEqual(expected);
      expect([...first!, ...second!]).toEqual(expected);
    });
  });
});

describe('what is not finite', () => {
  it('ends the step with NON_FINITE and leaves the weights as they were', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer({ learningRate: 1e30, weightDecay: 0, maxGradNorm: 0 });
      await trainer.step(BATCH);
      const before = await weightsOf(model);
      const error = await thrownBy(() => trainer.step(BATCH));
      expect(error.code).toBe('NON_FINITE');
      expect(error.message).toMatch(
        /of step 2 is not finite; the weights are those of the step before\. Lower the learning rate/,
      );
      expect(changedNames(before, await weightsOf(model))).toEqual([]);
    });
  });

  it('is found in a checkpoint at the first step', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'permafrost-nan-'));
    try {
      await withModel((model) => model.save(directory));
      const file = join(directory, 'model.safetensors');
      const tensors = rawTensors(file);
      const spoiled = tensors.find(({ name }) => name === 'bert.encoder.layer.1.output.dense.weight')!;
      spoiled.bytes.set(new Uint8Array(Float32Array.of(Number.NaN).buffer), 0);
      writeTensorFile(file, tensors);
      const model = await TokenClassifier.load(directory, { threads: 1 });
      const trainer = await model.trainer({ learningRate: 0.1 });
      const before = await weightsOf(model);
      const error = await thrownBy(() => trainer.step(BATCH));
      expect(error.code).toBe('NON_FINITE');
      expect(error.message).toMatch(/damaged weights/);
      expect(changedNames(before, await weightsOf(model))).toEqual([]);
      await model.dispose();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('a snapshot', () => {
  it('brings back the weights that learned, once', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer({ learningRate: 0.1 });
      const before = await weightsOf(model);
      await model.takeSnapshot();
      await trainer.step(BATCH);
      expect(changedNames(before, await weightsOf(model))).toHaveLength(before.size);
      await model.restoreSnapshot();
      expect(changedNames(before, await weightsOf(model))).toEqual([]);
      const error = await thrownBy(() => model.restoreSnapshot());
      expect(error.code).toBe('INVALID_OPTION');
      expect(error.message).toMatch(/no snapshot to restore; take one first/);
    });
  });
});
