import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { encodeDataset, LabelSet } from '../../src/entries/data.js';
import { computeMetrics } from '../../src/entries/metrics.js';
import { type EvaluateOptions, evaluate, finetune, full, TokenClassifier } from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';
import { thrownBy } from '../helpers/thrown.js';

const task = smallTask();
const sentences = task.validation;
let model: TokenClassifier;
beforeAll(async () => {
  model = await task.createModel();
  const optimizer = { learningRate: 5e-3, warmupRatio: 0.1 };
  const options = {
    model,
    train: task.train,
    validation: sentences,
    optimizer,
    earlyStopping: false,
  } as const;
  await finetune({ ...options, epochs: 12, batchSize: 8 }).result;
});
afterAll(() => model.dispose());

describe('evaluate', () => {
  it('gives one tag a word, in the order of the sentences, and the metrics of these tags', async () => {
    const started = performance.now();
    const { predicted, metrics, seconds } = await evaluate({ model, sentences });
    const elapsed = (performance.now() - started) / 1000;
    expect(predicted.map((tags) => tags.length)).toEqual(sentences.map(({ words }) => words.length));
    expect(new Set(predicted.flat()).size).toBeGreaterThan(1);
    expect(metrics).toEqual(
      computeMetrics(
        sentences.map(({ tags }) => tags),
        predicted,
        metrics.counts,
      ),
    );
    expect(metrics.counts.sentences).toBe(sentences.length);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(elapsed);
  });

  it('takes the highest logit of the first sub-token of each word', async () => {
    const sentence = sentences[3]!;
    const { inputIds, wordIds } = model.tokenizer!.encodeWords(sentence.words, { maxLength: 128 });
    const { data, shape } = await model.logits({ inputIds: [inputIds] });
    const expected = sentence.words.map((_, word) => {
      const token = wordIds.indexOf(word);
      const row = [...data.subarray(token * shape[1], (token + 1) * shape[1])];
      return model.labels[row.indexOf(Math.max(...row))];
    });
    expect((await evaluate({ model, sentences: [sentence] })).predicted).toEqual([expected]);
  });

  it('does not depend on how many tokens are predicted at once, nor on the order', async () => {
    const { predicted } = await evaluate({ model, sentences });
    for (const maxTokens of [1, 64, 100_000]) {
      expect((await evaluate({ model, sentences, maxTokens })).predicted).toEqual(predicted);
    }
    const backwards = await evaluate({ model, sentences: [...sentences].reverse() });
    expect(backwards.predicted.reverse()).toEqual(predicted);
  });

  it('takes sentences that were encoded before', async () => {
    const dataset = encodeDataset(sentences, model.tokenizer!, new LabelSet(model.labels), {
      maxLength: 128,
    });
    const fresh = await evaluate({ model, sentences });
    expect((await evaluate({ model, sentences, dataset })).metrics).toEqual(fresh.metrics);
    const error = await thrownBy(() => evaluate({ model, sentences: sentences.slice(1), dataset }));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toMatch(/`dataset`: expected the 39 sentences encoded, got 40 examples/);
  });

  it('counts words that truncation cut, as predicted O', async () => {
    const { metrics, predicted } = await evaluate({ model, sentences, maxLength: 5 });
    const cut = sentences.map(({ words }) => model.tokenizer!.encodeWords(words, { maxLength: 5 }));
    const truncatedWords = cut.reduce((sum, example) => sum + example.truncatedWords, 0);
    expect(truncatedWords).toBeGreaterThan(0);
    expect(metrics.counts.truncatedWords).toBe(truncatedWords);
    const { predicted: whole } = await evaluate({ model, sentences });
    expect(whole.flatMap((tags) => tags.slice(3)).some((tag) => tag !== 'O')).toBe(true);
    expect(metrics.counts.words).toBe(sentences.reduce((sum, { words }) => sum + words.length, 0));
    for (const [i, tags] of predicted.entries()) {
      expect(tags).toHaveLength(sentences[i]!.words.length);
      expect(new Set(tags.slice(3))).toEqual(tags.length > 3 ? new Set(['O']) : new Set());
    }
  });

  it('leaves the model and its training alone', async () => {
    const batch = { inputIds: [[2, 5, 6, 3]], labels: [[-100, 0, 0, -100]] };
    const lossesWith = async (between: () => Promise<unknown>) => {
      await model.freeze(full().plan(model.config.numLayers));
      await model.takeSnapshot();
      const trainer = await model.trainer({ learningRate: 1e-3, seed: 1 });
      const losses: number[] = [];
      for (let i = 0; i < 3; i++) {
        losses.push((await trainer.step(batch)).loss);
        await between();
      }
      await model.restoreSnapshot();
      return losses;
    };
    const undisturbed = await lossesWith(async () => {});
    expect(new Set(undisturbed).size).toBe(3);
    expect(await lossesWith(() => evaluate({ model, sentences }))).toEqual(undisturbed);
  });

  it('stops at an abort with its reason', async () => {
    const reason = new Error('later');
    const controller = new AbortController();
    const many = { model, sentences: Array(40).fill(sentences).flat(), maxTokens: 64 };
    const predict = vi.spyOn(model, 'predictWithLoss');
    try {
      await evaluate(many);
      expect(predict.mock.calls.length).toBeGreaterThan(4);

      predict.mockClear();
      predict.mockImplementation((...args) => {
        const labels = TokenClassifier.prototype.predictWithLoss.apply(model, args);
        if (predict.mock.calls.length === 2) controller.abort(reason);
        return labels;
      });
      await expect(evaluate({ ...many, signal: controller.signal })).rejects.toBe(reason);
      expect(predict).toHaveBeenCalledTimes(2);
    } finally {
      predict.mockRestore();
    }
    await expect(evaluate({ model, sentences, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  const wrong: [string, Record<string, unknown>, string, RegExp][] = [
    ['an unknown option', { batchSize: 3 }, 'INVALID_OPTION', /evaluate: there is no option 'batchSize'/],
    [
      'no sentences',
      { sentences: [] },
      'INVALID_OPTION',
      /`sentences`: expected an array of at least one sentence/,
    ],
    ['another kind of model', { model: {} }, 'INVALID_OPTION', /`model`: expected a TokenClassifier/],
    ['a budget of no tokens', { maxTokens: 0 }, 'INVALID_OPTION', /`maxTokens`: .*above 0, got 0/],
    [
      'a length without room for a word',
      { maxLength: 2 },
      'INVALID_OPTION',
      /`maxLength`: .*at least 3, got 2/,
    ],
    [
      'a tag that the head lacks',
      { sentences: [{ words: ['x'], tags: ['B-CITY'] }] },
      'LABEL_MISMATCH',
      /"B-CITY" is not among the model's/,
    ],
    ['words without tags', { sentences: [{ words: ['x', 'y'], tags: ['O'] }] }, 'DATA_FORMAT', /2.*1|1.*2/],
  ];
  it.each(wrong)('refuses %s', async (_, options, code, message) => {
    const error = await thrownBy(() => evaluate({ model, sentences, ...options } as EvaluateOptions));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});
