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

  it('tells scores, alternatives and entities of the same tags, in windows, too', async () => {
    const long = task.test.flatMap((sentence) => sentence.words).slice(0, 200);
    const rows = [
      ...task.test.slice(0, 10).map(({ words }) => words),
      long,
      [],
      ['\u0001', 'Oslo', '\u200b'],
    ];
    const plain = await tagWords(model, rows, { maxLength: 32 });
    const told = await tagWords(model, rows, {
      maxLength: 32,
      scores: true,
      alternatives: task.labels.length,
      aggregation: 'first',
    });
    for (const [row, { tags, scores, alternatives, entities, ...rest }] of told.entries()) {
      expect({ tags, ...rest }).toEqual(plain[row]);
      for (const [word, all] of alternatives!.entries()) {
        if (rest.empty.includes(word)) {
          expect([all, scores![word]]).toEqual([[], null]);
          continue;
        }
        expect(all.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5);
        expect(all[0]).toEqual({ tag: tags[word], score: scores![word] });
        expect(new Set(all.map(({ tag }) => tag)).size).toBe(task.labels.length);
      }
      const covered = entities!.flatMap(({ first, last, type }) =>
        tags.slice(first, last + 1).map((tag) => [tag.slice(2), type]),
      );
      for (const [own, type] of covered) expect(own).toBe(type);
      expect(covered).toHaveLength(tags.filter((tag) => tag !== 'O').length);
    }
    expect(told[10]!.entities!.length).toBeGreaterThan(10);
  });

  it('decodes whole rows where asked for, with and without scores alike', async () => {
    const long = task.test.flatMap((sentence) => sentence.words).slice(0, 120);
    const rows = [...task.test.slice(0, 10).map(({ words }) => words), long, ['\u0001', 'Oslo']];
    const options = { maxLength: 32, decoding: 'viterbi' } as const;
    const told = await tagWords(model, rows, { ...options, scores: true, aggregation: 'first' });
    const isOpen = (tag: string | undefined, type: string) => tag === `B-${type}` || tag === `I-${type}`;
    for (const { tags, entities } of told) {
      for (const [i, tag] of tags.entries()) {
        if (tag.startsWith('I-')) expect(isOpen(tags[i - 1], tag.slice(2)), tags.join(' ')).toBe(true);
      }
      expect(entities).toHaveLength(tags.filter((tag) => tag.startsWith('B-')).length);
    }
    const plain = await tagWords(model, rows, options);
    expect(told.map(({ tags }) => tags)).toEqual(plain.map(({ tags }) => tags));
    expect(plain).not.toEqual(await tagWords(model, rows, { ...options, decoding: 'argmax' }));
  });

  it('refuses options that are not, or are out of range', async () => {
    for (const options of [
      { score: true },
      { minScore: 1.5 },
      { alternatives: 0 },
      { aggregation: 'best' },
    ]) {
      expect((await thrownBy(() => tagWords(model, [], options as object))).code).toBe('INVALID_OPTION');
    }
  });
});
