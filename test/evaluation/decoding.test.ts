import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findViolation } from '../../src/data/tag-scheme.js';
import { entitySpans } from '../../src/evaluation/entity-spans.js';
import { evaluate, finetune, Tagger, TokenClassifier } from '../../src/index.js';
import { tagWords } from '../../src/inference/tag-words.js';
import { smallTask } from '../helpers/corpus.js';

const task = smallTask();
const sentences = task.validation;
const isWellFormed = (tags: readonly string[]) => findViolation(tags, 'iob2') === null;
let model: TokenClassifier;
beforeAll(async () => {
  model = await task.createModel();
  const options = { model, train: task.train, validation: sentences, epochs: 8, batchSize: 8 };
  await finetune({ ...options, optimizer: { learningRate: 5e-3, warmupRatio: 0.1 }, earlyStopping: false })
    .result;
  // So that words by themselves begin entities with I-LOC.
  const bias = await model.readParameter('classifier.bias');
  bias[model.labels.indexOf('I-LOC')]! += 4;
  await model.writeParameter('classifier.bias', bias);
});
afterAll(() => model.dispose());

describe('Viterbi decoding', () => {
  it('gives well-formed tags, which are those of each word where these are well-formed', async () => {
    const single = await evaluate({ model, sentences });
    const joint = await evaluate({ model, sentences, decoding: 'viterbi' });
    expect(joint.loss).toBe(single.loss);
    let changed = 0;
    for (const [i, tags] of joint.predicted.entries()) {
      expect(isWellFormed(tags)).toBe(true);
      if (isWellFormed(single.predicted[i]!)) expect(tags).toEqual(single.predicted[i]);
      else changed++;
    }
    expect(changed).toBeGreaterThan(0);
  });

  it('does not depend on batches, and takes a sentence in windows as one chain', async () => {
    const { predicted } = await evaluate({ model, sentences, decoding: 'viterbi' });
    const small = await evaluate({ model, sentences, decoding: 'viterbi', maxTokens: 40 });
    expect(small.predicted).toEqual(predicted);
    const windows = { maxLength: 7, longSentences: 'windows' } as const;
    const cut = await evaluate({ model, sentences, decoding: 'viterbi', maxTokens: 9, ...windows });
    expect(cut.predicted.every(isWellFormed)).toBe(true);
    const truncated = await evaluate({ model, sentences, decoding: 'viterbi', maxLength: 5 });
    expect(truncated.metrics.counts.truncatedWords).toBeGreaterThan(0);
    expect(truncated.predicted.every(isWellFormed)).toBe(true);
  });

  it('is what a tagger and tagWords answer where they are asked for it', async () => {
    const { predicted } = await evaluate({ model, sentences, decoding: 'viterbi' });
    const rows = sentences.map(({ words }) => words);
    const tagged = await tagWords(model, rows, { decoding: 'viterbi' });
    expect(tagged.map(({ tags }) => tags)).toEqual(predicted);
    const tagger = Tagger.of(model, { decoding: 'viterbi' });
    for (const [i, words] of rows.entries()) {
      const found = (await tagger.tag(words)).map(({ type, text }) => [type, text]);
      const expected = entitySpans(predicted[i]!).map((span) => [
        span.type,
        words.slice(span.start, span.end).join(' '),
      ]);
      expect(found).toEqual(expected);
    }
    await tagger.dispose();
  });

  it('is remembered by a model that was measured by it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'permafrost-decoding-'));
    try {
      await using trained = await task.createModel();
      const options = { model: trained, train: task.train, validation: sentences, batchSize: 8 };
      const result = await finetune({ ...options, epochs: 1, decoding: 'viterbi' }).result;
      await trained.save(directory);
      await using again = await TokenClassifier.load(directory);
      expect(again.trainedWith?.decoding).toBe('viterbi');
      const { metrics, predicted } = await evaluate({ model: again, sentences });
      expect(metrics).toEqual(result.epochs[0]!.validation);
      expect(predicted).toEqual((await evaluate({ model: again, sentences, decoding: 'viterbi' })).predicted);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('a chain', () => {
  it('decodes by what it has learnt, and its entities have the probabilities that it gives', async () => {
    await using chain = await task.createModel(1, {}, { head: 'crf' });
    const size = chain.labels.length;
    const [outside, begin] = [chain.labels.indexOf('O'), chain.labels.indexOf('B-PER')];
    // Whatever the words: B-PER first, O behind it, nothing else.
    const transitions = new Float32Array(size * size).fill(-1000);
    transitions[begin * size + outside] = transitions[outside * size + outside] = 0;
    await chain.writeParameter('crf.transitions', transitions);
    const start = new Float32Array(size).fill(-1000);
    start[begin] = 0;
    await chain.writeParameter('crf.start_transitions', start);
    const { predicted } = await evaluate({ model: chain, sentences });
    for (const tags of predicted) expect(tags).toEqual(tags.map((_, word) => (word === 0 ? 'B-PER' : 'O')));
    const tagger = Tagger.of(chain);
    const words = sentences[0]!.words;
    const [entity, ...others] = await tagger.tag(words);
    expect(others).toEqual([]);
    expect(entity).toMatchObject({ type: 'PER', text: words[0] });
    // No other path has a share that counts.
    expect(entity!.score).toBeCloseTo(1, 5);
    await tagger.dispose();
  });
});

describe('a model that answers O everywhere', () => {
  it('is warned of', async () => {
    await using silent = await task.createModel();
    const bias = new Float32Array(silent.labels.length);
    bias[silent.labels.indexOf('O')] = 1000;
    await silent.writeParameter('classifier.bias', bias);
    const { warnings } = await evaluate({ model: silent, sentences });
    expect(warnings).toEqual([expect.stringMatching(/nothing but O/)]);
    expect((await evaluate({ model, sentences })).warnings).toEqual([]);
  });
});
