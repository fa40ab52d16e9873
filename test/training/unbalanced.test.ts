import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findViolation } from '../../src/data/tag-scheme.js';
import { evaluate, type FinetuneOptions, finetune, type Sentence, TokenClassifier } from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';
import { thrownBy } from '../helpers/thrown.js';

const task = smallTask();
const { train, validation } = task;
const NO_DROPOUT = { hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0 };
type Given = Partial<Omit<FinetuneOptions, 'model'>>;

async function trained(options: Given, head?: 'softmax' | 'crf') {
  await using model = await task.createModel(1, NO_DROPOUT, head ? { head } : {});
  return await finetune({ model, train, validation, epochs: 1, batchSize: 16, ...options }).result;
}

const lossesOf = async (options: Given) => (await trained(options)).losses;

/** Label frequencies of the words that the tokenizer leaves something of, which here are all. */
function countsOf(sentences: readonly Sentence[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const tag of sentences.flatMap(({ tags }) => tags)) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return counts;
}

describe('the loss of a fine-tuning', () => {
  it('weighs labels by their frequency as scikit-learn does', async () => {
    const counts = countsOf(train);
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const weights = Object.fromEntries(
      [...counts].map(([label, count]) => [label, total / (counts.size * count)]),
    );
    const balanced = await lossesOf({ loss: { classWeights: 'balanced' } });
    expect(balanced).toEqual(await lossesOf({ loss: { classWeights: weights } }));
    expect(balanced).not.toEqual(await lossesOf({}));
  });

  it('reads weights from text, as the command line gives them', async () => {
    const text = await lossesOf({ loss: { classWeights: 'O=0.25,B-PER=2' as never } });
    expect(text).toEqual(await lossesOf({ loss: { classWeights: { O: 0.25, 'B-PER': 2 } } }));
    for (const wrong of ['O', 'O=', '=2', 'O=-1', 'O=much']) {
      const error = await thrownBy(() => lossesOf({ loss: { classWeights: wrong as never } }));
      expect(error.code, wrong).toBe('INVALID_OPTION');
    }
  });

  it('has the same bits where nothing of it says anything', async () => {
    const plain = await lossesOf({});
    const neutral = { classWeights: { O: 1 }, labelSmoothing: 0, focalGamma: 0 };
    expect(await lossesOf({ loss: neutral, labelSubTokens: 'first' })).toEqual(plain);
    expect(await lossesOf({ train: train.map((sentence) => ({ ...sentence, weight: 1 })) })).toEqual(plain);
  });

  it('passes over a sentence of weight 0, and says so', async () => {
    const without = train.slice(0, 100);
    const zero = train.map((sentence, i) => ({ ...sentence, weight: i < 100 ? 1 : 0 }));
    const result = await trained({ train: zero });
    const expected = await lossesOf({ train: without });
    expect(result.losses).toHaveLength(expected.length);
    for (const [i, loss] of expected.entries()) expect(result.losses[i]).toBeCloseTo(loss, 4);
    expect(result.warnings).toContainEqual(
      expect.stringMatching(/^20 of 120 training sentences have the weight 0/),
    );
  });

  it('takes sentences by their weight, also over batches that make up one step', async () => {
    const weighted = train.map((sentence, i) => ({ ...sentence, weight: i % 2 === 0 ? 3 : 0.5 }));
    const [whole] = await lossesOf({ train: weighted, batchSize: 32, maxSteps: 1 });
    const [parts] = await lossesOf({ train: weighted, batchSize: 16, gradientAccumulation: 2, maxSteps: 1 });
    const [plain] = await lossesOf({ batchSize: 32, maxSteps: 1 });
    expect(Math.abs(whole! - plain!)).toBeGreaterThan(1e-4);
    expect(parts).toBeCloseTo(whole!, 5);
  });

  it('labels all sub-tokens where it is asked to', async () => {
    const [first, all] = [await lossesOf({}), await lossesOf({ labelSubTokens: 'all' })];
    expect(all).not.toEqual(first);
  });

  it('is a part of what a directory holds a training of', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'permafrost-loss-'));
    try {
      const given = { directory, maxSteps: 1, loss: { labelSmoothing: 0.1 } };
      const { losses } = await trained(given);
      expect((await trained(given)).losses).toEqual(losses);
      const error = await thrownBy(() => trained({ ...given, loss: { labelSmoothing: 0.2 } }));
      expect(error.code).toBe('RUN_MISMATCH');
      expect(error.message).toMatch(/labelSmoothing/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('refuses weights that are no numbers from 0, and none at all', async () => {
    const first = { ...train[0]!, file: 'train.jsonl', line: 3, weight: -1 };
    const error = await thrownBy(() => trained({ train: [first, ...train.slice(1)] }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION' });
    expect(error.message).toMatch(/train\.jsonl:3: expected a weight from 0, got -1/);
    const nothing = train.map((sentence) => ({ ...sentence, weight: 0 }));
    expect((await thrownBy(() => trained({ train: nothing }))).message).toMatch(/weight 0/);
  });
});

describe('a fine-tuning of a chain', () => {
  it('learns, answers well-formed tags, and its directory is used as it was trained', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'permafrost-chain-'));
    try {
      await using model = await task.createModel(1, {}, { head: 'crf' });
      const options = { model, train, validation, epochs: 14, batchSize: 8 };
      const optimizer = { learningRate: 5e-3, headLearningRate: 1e-2, warmupRatio: 0.1 };
      const result = await finetune({ ...options, optimizer, earlyStopping: false }).result;
      expect(result.losses.at(-1)).toBeLessThan(0.5 * result.losses[0]!);
      // Nothing but O has 0.10.
      expect(result.bestScore).toBeGreaterThan(0.15);
      const { transitions } = (await model.chainScores())!;
      expect(Math.max(...transitions.map(Math.abs))).toBeGreaterThan(0.1);
      const { predicted, loss } = await evaluate({ model, sentences: validation });
      for (const tags of predicted) expect(findViolation(tags, 'iob2')).toBeNull();
      expect(loss).toBeGreaterThan(0);
      await model.save(directory);
      await using again = await TokenClassifier.load(directory);
      expect((await evaluate({ model: again, sentences: validation })).predicted).toEqual(predicted);
      const byThemselves = await evaluate({ model: again, sentences: validation, decoding: 'argmax' });
      expect(byThemselves.loss).toBe(loss);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('refuses what only a token by itself can have', async () => {
    const refused = async (options: Given) => (await thrownBy(() => trained(options, 'crf'))).message;
    expect(await refused({ loss: { classWeights: 'balanced' } })).toMatch(/`loss`.*chain/);
    expect(await refused({ labelSubTokens: 'all' })).toMatch(/`labelSubTokens`.*chain/);
  });
});
