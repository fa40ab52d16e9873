import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPretraining } from '../../src/experiment/pretraining.js';
import type { PretrainingOptions } from '../../src/experiment/pretraining-options.js';
import { MaskedLanguageModel } from '../../src/index.js';
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

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'permafrost-pretraining-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function run(options: PretrainingOptions, out = 'run') {
  const events = runPretraining({ options, directory: join(directory, out) });
  for (;;) {
    const next = await events.next();
    if (next.done) return next.value;
  }
}

// Words of letters in all orders, so that there are a hundred pieces to learn.
const MANY = LINES.map(
  (line, i) =>
    `${line} ${[...'abcdefgh'].map((c) => c + WORDS[i % 7]!.split('').reverse().join('')).join(' ')}`,
);

describe('pretraining from files', () => {
  it('learns a vocabulary and a model from text, and records what it took', async () => {
    const record = await run({ ...SMALL, text: [write('a.txt', MANY.join('\n'))] }, 'text');
    expect(record).toMatchObject({
      kind: 'pretraining',
      tokenizer: { vocabSize: 100 },
      data: { train: { rows: 38 }, validation: { rows: 2 } },
      model: { kind: 'fresh' },
      bestEpoch: 1,
      resumed: false,
    });
    expect(JSON.parse(readFileSync(join(directory, 'text', 'record.json'), 'utf8'))).toEqual(record);
    await using model = await MaskedLanguageModel.load(join(directory, 'text', 'best'));
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
    const first = await run({ ...SMALL, data }, 'words');
    expect(first.data.train).toEqual(
      (await run({ ...SMALL, text: [write('b.txt', MANY.join('\n'))] }, 'same')).data.train,
    );
    const model = join(directory, 'words', 'best');
    const second = await run({ data, model, epochs: 1, freeze: 'bottom-up:1' }, 'on-top');
    expect(second.model).toMatchObject({ kind: 'checkpoint', name: 'best' });
    expect(second.trainableParameters).toBeLessThan(second.totalParameters);
    expect(second.tokenizer).toEqual(first.tokenizer);
  });

  it('begins with a deeper model that repeats the layers of a checkpoint', async () => {
    const model = join(directory, 'text', 'best');
    const text = [write('f.txt', MANY.join('\n'))];
    const deep = await run({ text, model, stack: 3, epochs: 1, learningRate: 1e-9 }, 'deep');
    const shallow = await MaskedLanguageModel.load(model);
    const best = await MaskedLanguageModel.load(join(directory, 'deep', 'best'));
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
    const model = join(directory, 'text', 'best');
    const other = await MaskedLanguageModel.load(model);
    const folder = join(directory, 'other');
    await other.save(folder);
    await other.dispose();
    const tokens = [...other.tokenizer!.tokens(), 'more'];
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
