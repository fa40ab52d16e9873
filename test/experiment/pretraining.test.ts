import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PretrainRecord, runPretraining } from '../../src/experiment/pretraining.js';
import type { PretrainingOptions } from '../../src/experiment/pretraining-options.js';
import { MaskedLanguageModel, Tokenizer } from '../../src/index.js';
import { temporaryFiles } from '../helpers/temporary-file.js';
import { thrownBy } from '../helpers/thrown.js';

const write = temporaryFiles();
const WORDS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven'];
const LINES = Array.from({ length: 40 }, (_, i) => WORDS.slice(i % 3, 4 + (i % 4)).join(' '));
const SMALL = {
  shape: 'layers=1,hidden=16,heads=2,positions=32',
  vocabSize: 100,
  minFrequency: 1,
  epochs: 1,
};

// Words of letters in all orders, so that there are a hundred pieces to learn.
const MANY = LINES.map(
  (line, i) =>
    `${line} ${[...'abcdefgh'].map((c) => c + WORDS[i % 7]!.split('').reverse().join('')).join(' ')}`,
);

const directory = mkdtempSync(join(tmpdir(), 'permafrost-pretraining-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** What a pretraining leaves behind, in a directory of its own. */
async function run(options: PretrainingOptions): Promise<{ record: PretrainRecord; out: string }> {
  const out = mkdtempSync(join(directory, 'run-'));
  const events = runPretraining({ options, directory: out });
  for (;;) {
    const next = await events.next();
    if (next.done) return { record: next.value, out };
  }
}

/** A pretraining that tests look at and start from, and that none of them changes. */
let learnt: { record: PretrainRecord; out: string; best: string };
beforeAll(async () => {
  const { record, out } = await run({ ...SMALL, text: [write('learnt.txt', MANY.join('\n'))] });
  learnt = { record, out, best: join(out, 'best') };
});

describe('pretraining from files', () => {
  it('learns a vocabulary and a model from text, and records what it took', async () => {
    const { record, out, best } = learnt;
    expect(record).toMatchObject({
      kind: 'pretraining',
      tokenizer: { vocabSize: 100 },
      data: { train: { rows: 38 }, validation: { rows: 2 } },
      model: { kind: 'fresh' },
      bestEpoch: 1,
      resumed: false,
    });
    expect(JSON.parse(readFileSync(join(out, 'record.json'), 'utf8'))).toEqual(record);
    await using model = await MaskedLanguageModel.load(best);
    expect(model.config.vocabSize).toBe(100);
    expect(model.tokenizer!.digest).toBe(record.tokenizer.digest);
  });

  it('reads the words of annotated files, and goes on from a checkpoint', async () => {
    const columns = MANY.map(
      (line) =>
        `${line
          .split(' ')
          .map((word) => `${word} O`)
          .join('\n')}\n`,
    ).join('\n');
    const data = [write('a.conll', columns)];
    const { record: first, out } = await run({ ...SMALL, data });
    expect(first.data).toEqual(learnt.record.data);
    const model = join(out, 'best');
    const { record: second } = await run({ data, model, epochs: 1, freeze: 'bottom-up:1' });
    expect(second.model).toMatchObject({ kind: 'checkpoint', name: 'best' });
    expect(second.trainableParameters).toBeLessThan(second.totalParameters);
    expect(second.tokenizer).toEqual(first.tokenizer);
  });

  it('begins with a deeper model that repeats the layers of a checkpoint', async () => {
    const text = [write('f.txt', MANY.join('\n'))];
    const { best: model } = learnt;
    const { record: deep, out } = await run({ text, model, stack: 3, epochs: 1, learningRate: 1e-9 });
    const shallow = await MaskedLanguageModel.load(model);
    const best = await MaskedLanguageModel.load(join(out, 'best'));
    try {
      expect(best.config).toEqual({ ...shallow.config, numLayers: 3 });
      expect(deep.totalParameters).toBeGreaterThan(
        shallow.parameters().reduce((sum, { count }) => sum + count, 0),
      );
      const name = (layer: number) => `bert.encoder.layer.${layer}.output.dense.weight`;
      const original = await shallow.readParameter(name(0));
      for (const layer of [0, 1, 2]) {
        const copy = await best.readParameter(name(layer));
        expect(copy.every((x, i) => Math.abs(x - original[i]!) < 1e-6)).toBe(true);
      }
    } finally {
      await shallow.dispose();
      await best.dispose();
    }
  });

  it('refuses a vocabulary that the text does not have', async () => {
    const error = await thrownBy(() =>
      run({ ...SMALL, vocabSize: 5000, text: [write('c.txt', LINES.join('\n'))] }),
    );
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'vocabSize', expected: 5000 } });
    expect(error.message).toMatch(/vocabulary of \d+ tokens/);
  });

  it('refuses a checkpoint whose tokenizer has another vocabulary', async () => {
    const folder = mkdtempSync(join(directory, 'other-'));
    cpSync(learnt.best, folder, { recursive: true });
    const tokens = [...(await Tokenizer.load(folder)).tokens(), 'more'];
    rmSync(join(folder, 'tokenizer.json'));
    writeFileSync(join(folder, 'vocab.txt'), tokens.join('\n'));
    const error = await thrownBy(() => run({ model: folder, text: [write('d.txt', LINES.join('\n'))] }));
    expect(error).toMatchObject({ code: 'WEIGHTS_MISMATCH', details: { expected: 100, got: 101 } });
  });

  it.each([
    [{}, 'text'],
    [{ text: ['a'], data: ['b'] }, 'data'],
    [{ text: ['a'], validation: 'b', validationShare: 5 }, 'validationShare'],
    [{ text: ['a'], model: 'm', vocabSize: 200 }, 'vocabSize'],
    [{ text: ['a'], stack: 12 }, 'stack'],
  ])('refuses options that do not go together: %j', async (options, option) => {
    expect(await thrownBy(() => run(options))).toMatchObject({ code: 'INVALID_OPTION', details: { option } });
  });

  it('needs enough rows to hold some out', async () => {
    const error = await thrownBy(() => run({ ...SMALL, text: [write('e.txt', 'one line\n')] }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { rows: 1 } });
  });
});
