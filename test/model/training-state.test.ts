import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bottomUp, full, type RaggedBatch, TokenClassifier, type Trainer } from '../../src/index.js';
import { thrownBy } from '../helpers/thrown.js';
import { BATCH, bytesOf, changedNames, TINY, weightsOf, withModel } from '../helpers/with-model.js';

const DROPOUT = { hiddenDropout: 0.2, attentionDropout: 0.2, classifierDropout: 0.2 };
const OPTIONS = { learningRate: 1e-2, warmupSteps: 2, totalSteps: 10, gradientAccumulation: 3 };

const directory = mkdtempSync(join(tmpdir(), 'permafrost-state-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** The batch of a step: its words change with its number. */
const batchOf = (number: number): RaggedBatch => ({
  ...BATCH,
  inputIds: BATCH.inputIds.map((ids) => Array.from(ids, (id, t) => 1 + ((id + t + number * 7) % 49))),
});

async function stepOver(trainer: Trainer, first: number, end: number): Promise<number[]> {
  const losses: number[] = [];
  for (let i = first; i < end; i++) losses.push((await trainer.step(batchOf(i))).loss);
  return losses;
}

/** Gives another model and its trainer the weights, the moments and the position. */
async function handOver(
  [model, trainer]: [TokenClassifier, Trainer],
  [other, otherTrainer]: [TokenClassifier, Trainer],
): Promise<void> {
  for (const { name } of model.parameters()) {
    await other.writeParameter(name, await model.readParameter(name));
    const moments = await trainer.readMoments(name);
    if (moments) await otherTrainer.writeMoments(name, moments);
  }
  await otherTrainer.seek(await trainer.position());
}

/** What `write` puts into a fresh file. */
async function written(write: (file: FileHandle) => Promise<unknown>): Promise<Buffer> {
  const path = join(directory, 'written');
  const file = await open(path, 'w');
  try {
    await write(file);
  } finally {
    await file.close();
  }
  return readFile(path);
}

describe('a trainer that is given the state of another', () => {
  it.each([
    [6, 'fp32'],
    [7, 'fp32'],
    [8, 'fp32'],
    [7, 'bf16'],
  ] as const)('goes on in its bits from %d batches on, three an update, in %s', async (taken, precision) => {
    await withModel(
      async (model) => {
        const trainer = await model.trainer(OPTIONS);
        await stepOver(trainer, 0, taken);
        expect(await trainer.position()).toEqual({ updates: 2, passes: 6 });
        const other = await TokenClassifier.create(
          { ...TINY, ...DROPOUT },
          { threads: 1, seed: 9, precision },
        );
        try {
          const resumed = await other.trainer(OPTIONS);
          // Waits for an update that shall not come.
          await resumed.step(batchOf(90));
          await handOver([model, trainer], [other, resumed]);
          const losses = await stepOver(trainer, taken, 15);
          expect((await stepOver(resumed, 6, 15)).slice(taken - 6)).toEqual(losses);
          expect(changedNames(await weightsOf(model), await weightsOf(other))).toEqual([]);
          expect(await resumed.position()).toEqual(await trainer.position());
          for (const { name } of model.parameters()) {
            const [one, two] = [(await trainer.readMoments(name))!, (await resumed.readMoments(name))!];
            expect(two.step).toBe(one.step);
            expect(bytesOf(two.expAvg)).toBe(bytesOf(one.expAvg));
            expect(bytesOf(two.expAvgSq)).toBe(bytesOf(one.expAvgSq));
          }
        } finally {
          await other.dispose();
        }
      },
      DROPOUT,
      { precision },
    );
  });

  it('counts a look at the gradients, which draws masks too and drops what was accumulated', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer(OPTIONS);
      await stepOver(trainer, 0, 4);
      await trainer.gradients(BATCH);
      expect(await trainer.position()).toEqual({ updates: 1, passes: 5 });
      expect(await trainer.step(BATCH)).toMatchObject({ updated: false });
      expect(await trainer.position()).toEqual({ updates: 1, passes: 5 });
    }, DROPOUT);
  });
});

describe('the moments of a trainer', () => {
  it('are counted by parameter: those that learn, from their first update on', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer({ learningRate: 1e-2 });
      expect(await trainer.momentSteps()).toEqual(new Map());
      await model.freeze(bottomUp(3).plan(4));
      await stepOver(trainer, 0, 2);
      await model.freeze(full().plan(4));
      await stepOver(trainer, 2, 3);
      const steps = await trainer.momentSteps();
      expect([...steps.keys()]).toEqual(model.parameters().map(({ name }) => name));
      expect(steps.get('classifier.weight')).toBe(3);
      expect(steps.get('bert.encoder.layer.2.output.dense.weight')).toBe(1);
      await model.freeze(bottomUp(4).plan(4));
      expect([...(await trainer.momentSteps()).keys()]).toEqual(['classifier.weight', 'classifier.bias']);
    });
  });

  it('need as many elements as the parameter', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer();
      const moments = { step: 1, expAvg: new Float32Array(3), expAvgSq: new Float32Array(2) };
      const error = await thrownBy(() => trainer.writeMoments('classifier.bias', moments));
      expect(error.code).toBe('WEIGHTS_MISMATCH');
    });
  });
});

describe('tensors that go straight into a file', () => {
  it('are appended in the order asked for, between what others write', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer({ learningRate: 1e-2 });
      await stepOver(trainer, 0, 2);
      const name = 'bert.embeddings.word_embeddings.weight';
      const key = 'bert.encoder.layer.1.attention.self.key.weight';
      const bytes = await written(async (file) => {
        await file.write('head');
        await trainer.dumpState(file.fd, [
          { kind: 'expAvgSq', parameter: name },
          { kind: 'weight', parameter: key },
          { kind: 'expAvg', parameter: key },
        ]);
        await file.write('tail');
      });
      const expected = [
        (await trainer.readMoments(name))!.expAvgSq,
        await model.readParameter(key),
        (await trainer.readMoments(key))!.expAvg,
      ];
      const parts = expected.map(({ buffer }) => Buffer.from(buffer));
      expect(bytes.equals(Buffer.concat([Buffer.from('head'), ...parts, Buffer.from('tail')]))).toBe(true);
    });
  });

  it('are rounded to the nearest halves, ties to even', async () => {
    await withModel(async (model) => {
      // One and a half, ties beside it, the largest half and what rounds to it or beyond, subnormal halves.
      const values = [
        1.5,
        1 + 2 ** -11,
        1 + 3 * 2 ** -11,
        65504,
        65519,
        65520,
        2 ** -24,
        2 ** -25,
        3 * 2 ** -25,
        -0,
      ];
      const halves = [0x3e00, 0x3c00, 0x3c02, 0x7bff, 0x7bff, 0x7c00, 0x0001, 0x0000, 0x0002, 0x8000];
      const bias = 'bert.encoder.layer.0.output.dense.bias';
      const all = new Float32Array(16);
      all.set(values);
      await model.writeParameter(bias, all);
      const bytes = await written((file) => model.dumpWeights(file.fd, [bias], 'F16'));
      const got = new Uint16Array(Uint8Array.from(bytes).buffer);
      expect([...got.subarray(0, values.length)]).toEqual(halves);
      expect(got).toHaveLength(16);
    });
  });

  it('are refused where there is no room, no such parameter or no moment', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer();
      const file = await open('/dev/full', 'w');
      try {
        const full = await thrownBy(() => model.dumpWeights(file.fd, ['classifier.bias'], 'F32'));
        expect(full.code).toBe('WRITE_FAILED');
        expect(full.message).toMatch(
          /Cannot write \/dev\/full: No space left.*The disk is full: free some space/,
        );
        const unknown = await thrownBy(() => model.dumpWeights(file.fd, ['classifier'], 'F32'));
        expect(unknown.code).toBe('INVALID_OPTION');
        const missing = await thrownBy(() =>
          trainer.dumpState(file.fd, [{ kind: 'expAvg', parameter: 'classifier.bias' }]),
        );
        expect(missing.code).toBe('INVALID_OPTION');
        expect(missing.message).toMatch(/'classifier.bias' has no moments/);
      } finally {
        await file.close();
      }
    });
  });
});

describe('a snapshot', () => {
  it('brings back what was thawed and what was written after it', async () => {
    await withModel(async (model) => {
      await model.freeze(bottomUp(4).plan(4));
      const trainer = await model.trainer({ learningRate: 0.1 });
      const before = await weightsOf(model);
      await model.takeSnapshot();
      await model.freeze(full().plan(4));
      await stepOver(trainer, 0, 2);
      expect(changedNames(before, await weightsOf(model))).toHaveLength(before.size);
      await model.writeParameter('classifier.bias', new Float32Array(3));
      await model.restoreSnapshot();
      expect(changedNames(before, await weightsOf(model))).toEqual([]);
    });
  });
});
