import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bottomUp, TokenClassifier } from '../../src/index.js';
import { BATCH, changedNames, weightsOf, withModel } from '../helpers/with-model.js';

const DROPOUT = { hiddenDropout: 0.2, attentionDropout: 0.2, classifierDropout: 0.2 };

const train = (precision: 'fp32' | 'bf16', steps: number) =>
  withModel(
    async (model) => {
      const trainer = await model.trainer({ learningRate: 1e-2, schedule: 'constant' });
      const losses: number[] = [];
      for (let i = 0; i < steps; i++) losses.push((await trainer.step(BATCH)).loss);
      const { data } = await model.logits(BATCH);
      return { losses, logits: [...data] };
    },
    DROPOUT,
    { precision, seed: 3 },
  );

describe('bf16', () => {
  it('trains as fp32 does within its rounding, on the same dropout masks', async () => {
    const [exact, rounded] = [await train('fp32', 20), await train('bf16', 20)];
    expect(rounded.losses).not.toEqual(exact.losses);
    for (const [i, loss] of rounded.losses.entries()) {
      expect(Math.abs(loss - exact.losses[i]!)).toBeLessThan(0.03 * exact.losses[0]!);
    }
    expect(rounded.losses.at(-1)!).toBeLessThan(0.7 * rounded.losses[0]!);
  });

  it('is the same to the bit for the same seed', async () => {
    expect(await train('bf16', 4)).toEqual(await train('bf16', 4));
  });

  it('keeps the bytes of what is frozen, and weights finer than bf16 of what learns', async () => {
    await withModel(
      async (model) => {
        await model.freeze(bottomUp(2).plan(4));
        const before = await weightsOf(model);
        const trainer = await model.trainer({ learningRate: 1e-3 });
        for (let i = 0; i < 3; i++) await trainer.step(BATCH);
        const changed = changedNames(before, await weightsOf(model));
        const learning = model.parameters().filter(({ trainable }) => trainable);
        expect(changed.length).toBeGreaterThan(0);
        expect(learning.map(({ name }) => name)).toEqual(expect.arrayContaining(changed));
        const weight = await model.readParameter('bert.encoder.layer.3.output.dense.weight');
        const bits = new Uint32Array(weight.buffer, weight.byteOffset, weight.length);
        expect(bits.some((word) => (word & 0xffff) !== 0)).toBe(true);
      },
      {},
      { precision: 'bf16' },
    );
  });

  it('reads weights that are written after the first pass', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'permafrost-precision-'));
    try {
      const expected = await withModel(
        async (model) => {
          const trainer = await model.trainer({ learningRate: 1e-2 });
          await model.takeSnapshot();
          const before = await model.logits(BATCH);
          await trainer.step(BATCH);
          expect((await model.logits(BATCH)).data).not.toEqual(before.data);
          await model.restoreSnapshot();
          expect((await model.logits(BATCH)).data).toEqual(before.data);
          await model.save(directory);
          return before.data;
        },
        {},
        { precision: 'bf16' },
      );
      const loaded = await TokenClassifier.load(directory, { precision: 'bf16', threads: 1 });
      expect((await loaded.logits(BATCH)).data).toEqual(expected);
      await loaded.dispose();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("device 'auto'", () => {
  it('computes somewhere on every machine', async () => {
    await withModel(
      async (model) => expect((await model.logits(BATCH)).shape).toEqual([9, 3]),
      {},
      {
        device: 'auto',
      },
    );
  });
});
