import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWorkspace } from '../../src/experiment/workspace.js';
import { evaluate, finetune, type Sentence, Tagger, TokenClassifier } from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';
import { thrownBy } from '../helpers/thrown.js';

const task = smallTask();
const { train, validation } = task;
const optimizer = { learningRate: 5e-3, warmupRatio: 0.1 };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-continued-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A model fine-tuned for a while, saved. */
async function saved(name: string, options: { maxLength?: number; labels?: string[]; epochs?: number } = {}) {
  const { maxLength, labels = task.labels, epochs = 2 } = options;
  await using model = await task.createModel(1, { labels });
  const run = finetune({
    model,
    train,
    validation,
    epochs,
    batchSize: 8,
    earlyStopping: false,
    optimizer,
    ...(maxLength && { maxLength }),
  });
  const { bestScore } = await run.result;
  const directory = join(folder, name);
  await model.save(directory);
  return { directory, bestScore };
}

describe('a model that was fine-tuned', () => {
  it.each([8, 16, 128])('keeps its maximum length of %i for evaluation and tagging', async (maxLength) => {
    const { directory, bestScore } = await saved(`length-${maxLength}`, { maxLength });
    await using model = await TokenClassifier.load(directory, { threads: 1 });
    expect(model.trainedWith).toEqual({ maxLength });
    const { metrics } = await evaluate({ model, sentences: validation });
    expect(metrics.macro.f1).toBe(bestScore);
    expect(metrics.counts.truncatedWords > 0).toBe(maxLength < 128);
    const tagger = await Tagger.load(directory, { threads: 1 });
    const text = train
      .flatMap(({ words }) => words)
      .slice(0, 40)
      .join(' ');
    const narrow = await Tagger.load(directory, { threads: 1, maxLength });
    expect(await tagger.tag(text)).toEqual(await narrow.tag(text));
    await tagger.dispose();
    await narrow.dispose();
    const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'));
    expect(config.permafrost).toEqual({ maxLength });
  });

  it('is trained on at its maximum length, and a model of few positions at those', async () => {
    const { directory } = await saved('trained-on', { maxLength: 24 });
    const workspaceOf = (model: string) => openWorkspace({ preset: 'demo', threads: 1, model });
    expect((await workspaceOf(directory)).settings.training.maxLength).toBe(24);
    await using short = await task.createModel(1, { maxPositions: 32 });
    await short.save(join(folder, 'short'));
    expect((await workspaceOf(join(folder, 'short'))).settings.training.maxLength).toBe(32);
  });
});

describe('training on with other labels', () => {
  it('keeps the rows of the head by label, whatever their order, and says which are fresh', async () => {
    const { directory } = await saved('labels', { epochs: 6 });
    await using before = await TokenClassifier.load(directory, { threads: 1 });
    const weights = await before.readParameter('classifier.weight');
    const bias = await before.readParameter('classifier.bias');
    const width = before.config.hiddenSize;
    const labels = [...task.labels.filter((label) => !label.endsWith('MISC')).reverse(), 'B-NEW', 'I-NEW'];
    await using model = await TokenClassifier.load(directory, { labels, threads: 1, seed: 3 });
    expect(model.loadReport).toEqual({ fresh: [], unused: [], freshLabels: ['B-NEW', 'I-NEW'] });
    const now = await model.readParameter('classifier.weight');
    const nowBias = await model.readParameter('classifier.bias');
    for (const [id, label] of labels.entries()) {
      const old = task.labels.indexOf(label);
      const row = now.slice(id * width, (id + 1) * width);
      if (old >= 0) {
        expect(row, label).toEqual(weights.slice(old * width, (old + 1) * width));
        expect(nowBias[id]).toBe(bias[old]);
      } else {
        expect(row.some((value) => value !== 0)).toBe(true);
        expect(nowBias[id]).toBe(0);
      }
    }
    const events = [];
    const sentences = train.filter(({ tags }) => tags.every((tag) => labels.includes(tag)));
    const held = validation.filter(({ tags }) => tags.every((tag) => labels.includes(tag)));
    for await (const event of finetune({ model, train: sentences, validation: held, epochs: 1, optimizer }))
      events.push(event);
    expect(events[0]).toMatchObject({
      type: 'freeze',
      freshLabels: ['B-NEW', 'I-NEW'],
      freshParameters: 2 * (width + 1),
    });
  });

  it('scores at step 0 what the old model scores, where the labels only change their order', async () => {
    const { directory } = await saved('order', { epochs: 12 });
    const sentences = validation;
    await using old = await TokenClassifier.load(directory, { threads: 1 });
    await using reordered = await TokenClassifier.load(directory, {
      labels: [...task.labels].reverse(),
      threads: 1,
    });
    expect(reordered.loadReport.freshLabels).toEqual([]);
    const scores = await evaluate({ model: reordered, sentences });
    expect(scores.predicted).toEqual((await evaluate({ model: old, sentences })).predicted);
    expect(scores.metrics.entities.micro.f1).toBeGreaterThan(0);
  });
});

describe('what a training says', () => {
  it('counts sentences of which the tokenizer leaves nothing, and goes on', async () => {
    await using model = await task.createModel();
    const emptied: Sentence = { words: ['\u200b', '\u0007'], tags: ['O', 'O'] };
    const data = [emptied, ...train.slice(0, 20), emptied];
    const { warnings, steps } = await finetune({ model, train: data, validation, epochs: 2, batchSize: 1 })
      .result;
    expect(steps).toBe(2 * 20);
    expect(warnings[0]).toContain('2 of 22 training sentences were passed over');
    const error = await thrownBy(() => finetune({ model, train: [emptied], validation }).result);
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'train' } });
  });

  it('warns of best weights that answer nothing but O, and of no others', async () => {
    await using idle = await task.createModel();
    const run = finetune({
      ...{ model: idle, train, validation, epochs: 2, batchSize: 50, freezing: 'bottom-up:1' },
      optimizer: { learningRate: 5e-3, warmupRatio: 0.5 },
    });
    expect((await run.result).warnings).toEqual([expect.stringContaining('nothing but O')]);
    await using model = await task.createModel();
    const learned = finetune({
      model,
      train,
      validation,
      epochs: 12,
      batchSize: 8,
      optimizer,
      earlyStopping: false,
    });
    const { warnings, epochs, bestEpoch } = await learned.result;
    expect(epochs[bestEpoch - 1]!.validation.entities.micro.f1).toBeGreaterThan(0);
    expect(warnings).toEqual([]);
  });
});
