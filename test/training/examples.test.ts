import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPredictions } from '../../src/entries/metrics.js';
import {
  evaluate,
  type FinetuneOptions,
  finetune,
  PrefixCache,
  type Sentence,
  TokenClassifier,
  type TrainingEvent,
} from '../../src/index.js';
import { tagWords } from '../../src/inference/tag-words.js';
import { smallTask } from '../helpers/corpus.js';
import { thrownBy } from '../helpers/thrown.js';
import { changedNames, weightsOf } from '../helpers/with-model.js';

const task = smallTask();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-examples-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every four sentences of a split joined: most are longer than the examples of these tests. */
function joined(sentences: readonly Sentence[]): Sentence[] {
  return Array.from({ length: sentences.length / 4 }, (_, i) => {
    const four = sentences.slice(4 * i, 4 * i + 4);
    return { words: four.flatMap(({ words }) => words), tags: four.flatMap(({ tags }) => tags) };
  });
}

const long = {
  train: joined(task.train),
  validation: joined(task.validation),
  test: joined(task.test),
  maxLength: 16,
  epochs: 2,
  batchSize: 8,
  earlyStopping: false,
  optimizer: { learningRate: 5e-3 },
} satisfies Omit<FinetuneOptions, 'model'>;

async function trained(
  options: Partial<FinetuneOptions>,
  stopAt: (event: TrainingEvent) => boolean = () => false,
) {
  const model = options.model ?? (await task.createModel());
  const controller = new AbortController();
  try {
    const run = finetune({ ...long, ...options, model, signal: controller.signal });
    for await (const event of run) if (stopAt(event)) controller.abort(new Error('enough'));
    return { result: await run.result, weights: await weightsOf(model) };
  } finally {
    if (!options.model) await model.dispose();
  }
}

const countWords = (sentences: readonly Sentence[]) =>
  sentences.reduce((sum, { words }) => sum + words.length, 0);

describe('training on long sentences', () => {
  it('in windows learns and scores every word, truncated not, and says what it lost', async () => {
    const { result: cut } = await trained({ epochs: 8 });
    const { result: whole } = await trained({ longSentences: 'windows', epochs: 8 });
    expect(cut.evaluations[0]!.metrics.counts.truncatedWords).toBeGreaterThan(100);
    expect(cut.warnings[0]).toMatch(/^\d+ words .* behind 16 tokens .*longSentences: 'windows'/);
    expect(whole.evaluations[0]!.metrics.counts).toMatchObject({
      words: countWords(long.validation),
      truncatedWords: 0,
    });
    expect(whole.warnings).toEqual([]);
    expect(whole.tokens).toBeGreaterThan(8 * (countWords(long.train) + 2 * long.train.length));
    // What was cut off counts as O, and is most of it.
    expect(whole.bestScore).toBeGreaterThan(cut.bestScore);
  });

  it('is remembered by the model, whose evaluation and tagging see the same windows', async () => {
    const directory = join(folder, 'remembered');
    const { result } = await trained({ longSentences: 'windows', contextTokens: 3, directory });
    const config = JSON.parse(await readFile(join(directory, 'best', 'config.json'), 'utf8'));
    expect(config.permafrost).toEqual({ maxLength: 16, longSentences: 'windows', contextTokens: 3 });
    await using model = await TokenClassifier.load(join(directory, 'best'), { threads: 1 });
    const { metrics, predicted, loss } = await evaluate({ model, sentences: long.test });
    expect(metrics).toEqual(result.test);
    expect(loss).toBeGreaterThan(0);
    const predictions = await readPredictions(join(directory, 'predictions', 'test.jsonl'));
    expect(predictions.map((one) => one.predicted)).toEqual(predicted);
    const tagged = await tagWords(
      model,
      long.test.map(({ words }) => words),
    );
    expect(tagged.map(({ tags }) => tags)).toEqual(predicted);
    // Asked for otherwise, it does otherwise.
    expect(
      (await evaluate({ model, sentences: long.test, longSentences: 'truncate' })).metrics.counts
        .truncatedWords,
    ).toBeGreaterThan(0);
    const { result: further } = await trained({ model, epochs: 1 });
    expect(further.evaluations[0]!.metrics.counts.truncatedWords).toBe(0);
  });

  it('gives the same bits with the frozen layers kept, and where it is stopped and goes on', async () => {
    const options = {
      longSentences: 'windows',
      contextTokens: 6,
      freezing: 'bottom-up:1',
      frozenDropout: 'off',
    } as const;
    const computed = await trained({ ...options, prefixCache: false });
    const kept = await trained({ ...options, prefixCache: new PrefixCache() });
    expect(kept.result.prefixStore!.hits).toBeGreaterThan(0);
    expect(kept.result.losses).toEqual(computed.result.losses);
    expect(changedNames(computed.weights, kept.weights)).toEqual([]);
    const directory = join(folder, 'stopped');
    const stopped = trained({ ...options, directory }, (event) => event.type === 'step' && event.step === 5);
    await expect(stopped).rejects.toThrow('enough');
    const resumed = await trained({ ...options, directory });
    expect(resumed.result).toMatchObject({
      resumed: true,
      losses: computed.result.losses,
      test: computed.result.test,
    });
    const other = await thrownBy(() => trained({ ...options, contextTokens: 5, directory }));
    expect(other.code).toBe('RUN_MISMATCH');
    expect(other.message).toContain('contextTokens');
  });
});

describe('context of neighbouring sentences', () => {
  it('is seen by the model and changes what it answers, without a label of its own', async () => {
    const [before, sentence, behind] = task.test.slice(4, 7) as [Sentence, Sentence, Sentence];
    await using model = await task.createModel();
    await finetune({
      ...long,
      train: task.train,
      validation: task.validation,
      test: undefined,
      model,
      maxLength: 128,
    }).result;
    const { tokenizer } = task;
    const around = [...before.words, ...sentence.words, ...behind.words];
    const { inputIds, wordIds } = tokenizer.encodeWords(around, { maxLength: 128 });
    const first = before.words.length;
    const [ids] = await model.predict([{ inputIds: [inputIds] }]);
    const expected = sentence.words.map((_, word) => model.labels[ids![wordIds.indexOf(first + word)]!]);
    const { predicted, metrics } = await evaluate({
      model,
      sentences: [before, sentence, behind],
      contextTokens: 100,
      maxLength: 128,
    });
    expect(predicted[1]).toEqual(expected);
    expect(metrics.counts.words).toBe(around.length);
    const [alone, withContext] = await Promise.all(
      [0, 100].map((contextTokens) =>
        evaluate({ model, sentences: task.test, contextTokens, maxLength: 128 }),
      ),
    );
    expect(withContext!.loss).not.toBe(alone!.loss);
    expect(withContext!.metrics.counts).toEqual(alone!.metrics.counts);
  });

  it('is learnt from: the loss is that of the words of the sentence alone', async () => {
    await using model = await task.createModel(1, {
      hiddenDropout: 0,
      attentionDropout: 0,
      classifierDropout: 0,
    });
    const three = task.train.slice(0, 3);
    const before = await evaluate({ model, sentences: three, contextTokens: 20, maxLength: 64 });
    const run = finetune({
      ...long,
      model,
      train: three,
      validation: three,
      test: undefined,
      epochs: 1,
      contextTokens: 20,
      maxLength: 64,
    });
    const { losses } = await run.result;
    expect(losses).toHaveLength(1);
    expect(losses[0]).toBeCloseTo(before.loss!, 5);
  });
});

describe('the validation loss', () => {
  it('is the training loss without dropout, of the same pass as the predictions', async () => {
    await using model = await task.createModel(1, {
      hiddenDropout: 0,
      attentionDropout: 0,
      classifierDropout: 0,
    });
    const data = { train: task.train.slice(0, 16), validation: task.train.slice(0, 16), batchSize: 16 };
    const run = finetune({ ...long, ...data, test: task.test, model, maxLength: 64, epochs: 3 });
    const evaluations: (number | null)[] = [];
    for await (const event of run) if (event.type === 'evaluation') evaluations.push(event.loss);
    const { losses, epochs, evaluations: kept } = await run.result;
    // One step an epoch: the loss before step n + 1 is the validation loss behind step n.
    expect(evaluations[0]).toBeCloseTo(losses[1]!, 5);
    expect(evaluations[1]).toBeCloseTo(losses[2]!, 5);
    expect(epochs.map(({ validationLoss }) => validationLoss)).toEqual(evaluations.slice(0, 3));
    expect(kept.map(({ loss }) => loss)).toEqual(evaluations.slice(0, 3));
    expect(evaluations).toHaveLength(4);
    const { loss } = await evaluate({ model, sentences: task.test, maxLength: 64 });
    expect(loss).toBeCloseTo(evaluations[3]!, 6);
  });

  it('does not depend on how many tokens are computed at once, and is null without a labelled word', async () => {
    await using model = await task.createModel();
    const { loss } = await evaluate({ model, sentences: task.test });
    for (const maxTokens of [1, 100]) {
      expect((await evaluate({ model, sentences: task.test, maxTokens })).loss).toBeCloseTo(loss!, 6);
    }
    expect((await evaluate({ model, sentences: [{ words: ['\u0001'], tags: ['O'] }] })).loss).toBeNull();
  });
});
