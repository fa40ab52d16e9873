import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FRESH_TRAINING } from '../../src/experiment/training-settings.js';
import { openWorkspace } from '../../src/experiment/workspace.js';

let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-'));
  file = join(folder, 'tiny.conll');
  const sentences = Array.from(
    { length: 50 },
    (_, index) => `Aya${index} B-PER\nsings O\nin O\nOslo B-LOC\n`,
  );
  await writeFile(file, sentences.join('\n'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a workspace of a generated corpus', () => {
  it('has data, labels, a vocabulary of its own and a model of twelve layers', async () => {
    const workspace = await openWorkspace({ preset: 'demo' });
    expect(workspace.numLayers).toBe(12);
    expect(workspace.labels).toEqual([...workspace.labels].sort());
    expect(workspace.labels).toContain('O');
    expect(workspace.labels).toHaveLength(9);
    expect(workspace.data.test?.sentences).toBe(workspace.splits.test?.length);
    expect(workspace.tokenizer.vocabSize).toBeGreaterThan(100);
    expect(workspace.settings.model).toMatchObject({ kind: 'checkpoint', name: 'demo', numLayers: 12 });
  });

  it('starts from the checkpoint that the package brings, whose vocabulary knows its words', async () => {
    for (const preset of ['demo', 'demo-kk']) {
      const workspace = await openWorkspace({ preset });
      const model = await workspace.createModel(1);
      const { fresh } = model.loadReport;
      await model.dispose();
      expect(fresh, preset).toEqual(['classifier.weight', 'classifier.bias']);
      const { unkId } = workspace.tokenizer;
      const words = workspace.splits.train.flatMap((sentence) => sentence.words);
      const unknown = words.filter((word) => workspace.tokenizer.wordPieces(word).includes(unkId));
      expect(unknown.length / words.length, preset).toBeLessThan(0.001);
    }
  });

  it('has a fresh model where a shape is given, with settings for one', async () => {
    const { settings } = await openWorkspace({ preset: 'demo', shape: 'tiny' });
    expect(settings.model).toMatchObject({ kind: 'fresh', shape: { hiddenSize: 64 } });
    expect(settings.training.optimizer).toEqual(FRESH_TRAINING.optimizer);
    await expect(openWorkspace({ preset: 'demo', vocabSize: 500 })).rejects.toThrow(/`vocabSize`.*`shape`/);
  });

  it('is the same each time it is opened', async () => {
    const [first, second] = [await openWorkspace({}), await openWorkspace({ preset: 'demo' })];
    expect(second.data).toEqual(first.data);
    expect(second.tokenizer.digest).toBe(first.tokenizer.digest);
    expect(second.settings).toEqual(first.settings);
  });

  it('takes no files', async () => {
    await expect(openWorkspace({ preset: 'demo', data: file })).rejects.toThrow(/generates its own data/);
  });
});

describe("a workspace of the user's files", () => {
  it('splits one file by its seed', async () => {
    const open = (splitSeed: number) => openWorkspace({ data: file, shape: 'tiny', splitSeed });
    const [first, again, other] = [await open(1), await open(1), await open(2)];
    expect([first.data.train, first.data.validation, first.data.test].map((part) => part?.sentences)).toEqual(
      [40, 5, 5],
    );
    expect(again.data.digest).toBe(first.data.digest);
    expect(other.data.digest).not.toBe(first.data.digest);
    expect(first.labels).toEqual(['B-LOC', 'B-PER', 'O']);
  });

  it('uses settings that random weights learn with', async () => {
    const { settings } = await openWorkspace({ data: file, shape: 'tiny', epochs: 3 });
    expect(settings.training).toEqual({ ...FRESH_TRAINING, epochs: 3 });
  });

  it('keeps folders out of the scenario, so that a moved file changes nothing', async () => {
    const { settings } = await openWorkspace({ data: file, shape: 'tiny' });
    expect(JSON.stringify(settings)).not.toContain(folder);
    expect(settings.dataset).toMatchObject({ name: 'tiny', file: 'tiny.conll', split: [80, 10, 10] });
  });

  it('can do without test sentences', async () => {
    const workspace = await openWorkspace({ train: file, validation: file, shape: 'tiny' });
    expect(workspace.splits.test).toBeNull();
    expect(workspace.data.test).toBeNull();
  });

  it.each([
    [{ preset: 'kaznerd' }, /KazNERD.*`train`/s],
    [{ preset: 'demo-kz' }, /demo-kk/],
    [{ shape: 'mini', preset: 'conll2003' }, /eng\.train/],
  ])('says which options %j lacks', async (options, message) => {
    await expect(openWorkspace(options)).rejects.toThrow(message);
    await expect(openWorkspace(options)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('says that a model is missing', async () => {
    await expect(openWorkspace({ data: file })).rejects.toThrow(/`model`, a directory.*`shape`/s);
    await expect(openWorkspace({ data: file, preset: 'kaznerd' })).rejects.toThrow(/bert-base-uncased/);
  });

  it('refuses a split that leaves nothing to train or measure on', async () => {
    const small = join(folder, 'small.conll');
    await writeFile(small, 'Aya B-PER\n\nsings O\n');
    await expect(openWorkspace({ data: small, shape: 'tiny' })).rejects.toMatchObject({
      code: 'DATA_FORMAT',
    });
  });
});
