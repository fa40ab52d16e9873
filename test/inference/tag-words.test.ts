import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TokenClassifier, Tokenizer } from '../../src/index.js';
import { tagWords } from '../../src/inference/tag-words.js';
import { smallTask } from '../helpers/corpus.js';
import { thrownBy } from '../helpers/thrown.js';
import { TINY } from '../helpers/with-model.js';

const task = smallTask();
let model: TokenClassifier;
beforeAll(async () => {
  model = await task.createModel();
});
afterAll(() => model.dispose());

/** What the model says to words that fit in by themselves. */
async function alone(words: string[]): Promise<string[]> {
  const { inputIds, wordIds } = task.tokenizer.encodeWords(words);
  const [labels] = await model.predict([{ inputIds: [inputIds] }]);
  return words.map((_, word) => task.labels[labels![wordIds.indexOf(word)]!]!);
}

describe('tagWords', () => {
  it('gives each word of rows that fit the tag that the model gives', async () => {
    const rows = task.test.slice(0, 20).map(({ words }) => words);
    const tagged = await tagWords(model, [...rows, []]);
    expect(tagged.at(-1)).toEqual({ tags: [], empty: [], cut: [] });
    for (const [i, words] of rows.entries()) {
      expect(tagged[i]).toEqual({ tags: await alone(words), empty: [], cut: [] });
    }
  });

  it('gives every word of a long row a tag from a window', async () => {
    const words = task.test.flatMap((sentence) => sentence.words).slice(0, 300);
    const [tagged] = await tagWords(model, [words], { maxLength: 32 });
    const { tags } = tagged!;
    expect(tags).toHaveLength(300);
    // A row cut at the first window would be O behind it.
    expect(new Set(tags.slice(-100)).size).toBeGreaterThan(1);
    // The first and the last window begin and end with the row.
    const { inputIds, wordIds } = task.tokenizer.encodeWords(words, { maxLength: 32 });
    const [labels] = await model.predict([{ inputIds: [inputIds] }]);
    const kept = wordIds.at(-2)! - 6;
    for (let word = 0; word < kept; word++) {
      expect(tags[word]).toBe(task.labels[labels![wordIds.indexOf(word)]!]);
    }
  });

  it('says which words the tokenizer leaves nothing of, and tags them O', async () => {
    const [first] = task.test;
    const words = ['\u0001', ...first!.words, '\u200b'];
    const [tagged] = await tagWords(model, [words]);
    expect(tagged!.empty).toEqual([0, words.length - 1]);
    expect(tagged!.tags).toEqual(['O', ...(await alone(first!.words)), 'O']);
  });

  it('tags a word that is longer than a window by its beginning, and says so', async () => {
    const tokenizer = Tokenizer.fromVocab(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', '##a', 'b'], {
      lowercase: true,
    });
    const tiny = await TokenClassifier.create(TINY, { tokenizer, threads: 1 });
    try {
      const [tagged] = await tagWords(tiny, [['b', 'a'.repeat(60), 'b']]);
      expect(tagged).toMatchObject({ empty: [], cut: [1] });
      expect(tagged!.tags).toHaveLength(3);
      for (const tag of tagged!.tags) expect(TINY.labels).toContain(tag);
    } finally {
      await tiny.dispose();
    }
  });

  it('refuses more tokens than the model has positions for', async () => {
    const error = await thrownBy(() => tagWords(model, [['a']], { maxLength: 1000 }));
    expect(error.code).toBe('INVALID_OPTION');
  });
});
