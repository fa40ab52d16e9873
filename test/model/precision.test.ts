import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bottomUp, TokenClassifier } from '../../src/index.js';
import { bf16Instructions, namedIn } from '../../src/model/bf16-instructions.js';
import { BUILT_INDEX, runChild } from '../helpers/child.js';
import { BATCH, changedNames, TINY, weightsOf, withModel } from '../helpers/with-model.js';

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

/** Many sequences, so that activations take more than weights, and threads have work. */
const LONG = {
  inputIds: Array.from({ length: 64 }, (_, row) =>
    Array.from({ length: 20 }, (_, t) => 1 + ((row * 7 + t) % 49)),
  ),
  labels: Array.from({ length: 64 }, () => Array.from({ length: 20 }, (_, t) => t % 3)),
};

describe("a processor's instructions for bf16", () => {
  it.each([
    ['flags\t\t: fpu sse2 avx2 avx512f', []],
    ['flags\t\t: fpu avx512_bf16 avx512f amx_bf16 amx_tile\nbugs:', ['avx512_bf16', 'amx_bf16']],
    ['processor: 0\nFeatures\t: fp asimd bf16 i8mm\n', ['bf16']],
    ['', []],
  ])('are read from what Linux says: %j', (text, expected) => {
    expect(namedIn(text)).toEqual(expected);
  });

  it('are warned of once where there are none', async () => {
    const { stdout } = await runChild(`
      const { TokenClassifier } = await import('${BUILT_INDEX}');
      process.on('warning', ({ code }) => console.log(code));
      for (let i = 0; i < 2; i++) {
        const model = await TokenClassifier.create(${JSON.stringify(TINY)}, { device: 'cpu', precision: 'bf16' });
        await model.dispose();
      }
    `);
    expect(stdout.trim()).toBe(bf16Instructions().length > 0 ? '' : 'PERMAFROST_BF16_SAVES_NO_TIME');
  });
});

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

  it('has the same bits on any number of threads', async () => {
    const trained = (threads: number) =>
      withModel(
        async (model) => {
          const trainer = await model.trainer({ learningRate: 1e-2 });
          for (let i = 0; i < 3; i++) await trainer.step(LONG);
          return (await model.logits(LONG)).data;
        },
        DROPOUT,
        { precision: 'bf16', seed: 3, threads },
      );
    expect(await trained(2)).toEqual(await trained(1));
  });

  it('takes less memory where activations outweigh the copies of the weights', async () => {
    const workspace = (precision: 'fp32' | 'bf16') =>
      withModel(
        async (model) => {
          const trainer = await model.trainer({ learningRate: 1e-3 });
          await trainer.step(LONG);
          return model.memory();
        },
        {},
        { precision },
      );
    const [exact, rounded] = [await workspace('fp32'), await workspace('bf16')];
    expect(rounded.workspace).toBeLessThan(0.7 * exact.workspace);
    // The copies that products read are counted.
    expect(rounded.parameters).toBeGreaterThan(1.3 * exact.parameters);
    expect(rounded.gradients).toBe(exact.gradients);
  });

  it('tells which instructions multiply it', async () => {
    const facts = await withModel((model) => model.deviceFacts(), {}, { precision: 'bf16', device: 'cpu' });
    expect(facts).toMatchObject({
      precision: 'bf16',
      attention: 'fused',
      bf16Instructions: bf16Instructions(),
    });
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
