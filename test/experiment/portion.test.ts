import { describe, expect, it } from 'vitest';
import type { Sentence } from '../../src/data/sentence.js';
import { describeData, type Splits } from '../../src/experiment/dataset-source.js';
import { takePortion } from '../../src/experiment/portion.js';

const sentences = (name: string, count: number): Sentence[] =>
  Array.from({ length: count }, (_, index) => ({ words: [`${name}${index}`], tags: ['O'] }));
const wordsOf = (set: readonly Sentence[]) => set.map(({ words }) => words[0]!);

function whole(train = 40, validation = 20) {
  const splits: Splits = {
    train: sentences('train', train),
    validation: sentences('validation', validation),
    test: sentences('test', 5),
    tests: {},
  };
  return { splits, data: describeData(splits) };
}

describe('a number of training sentences', () => {
  const all = whole();
  const train = (trainSize: number) => takePortion(all, { trainSize }).splits.train;

  it('takes smaller sets from larger ones, in the order of the data', () => {
    const sets = [5, 10, 25, 40].map((size) => wordsOf(train(size)));
    expect(sets.map((set) => set.length)).toEqual([5, 10, 25, 40]);
    for (const [index, set] of sets.entries()) {
      if (index > 0) expect(set).toEqual(expect.arrayContaining(sets[index - 1]!));
      const places = set.map((word) => Number(word.replace('train', '')));
      expect(places).toEqual([...places].sort((a, b) => a - b));
    }
    // By chance, not from the beginning.
    expect(sets[1]).not.toEqual(wordsOf(all.splits.train).slice(0, 10));
  });

  it('is the same for the same data, and another choice for others', () => {
    const other = takePortion(whole(41), { trainSize: 5 }).splits.train;
    expect(wordsOf(takePortion(whole(), { trainSize: 5 }).splits.train)).toEqual(wordsOf(train(5)));
    expect(wordsOf(other)).not.toEqual(wordsOf(train(5)));
  });

  it('leaves the other splits and the digest of the whole, and describes what is left', () => {
    const { splits, data } = takePortion(all, { trainSize: 5 });
    expect(splits.validation).toBe(all.splits.validation);
    expect(splits.test).toBe(all.splits.test);
    expect(data).toMatchObject({ digest: all.data.digest, train: { sentences: 5, words: 5 } });
    expect(data.train.digest).not.toBe(all.data.train.digest);
  });

  it('is refused where there are fewer', () => {
    expect(() => train(41)).toThrowError(/`trainSizes`: expected at most the 40 training sentences/);
  });
});

describe('folds', () => {
  const all = whole();
  const folds = [1, 2, 3].map((index) => takePortion(all, { fold: { index, of: 3 } }).splits);

  it('measure every sentence of training and validation data once, and train on the others', () => {
    const everything = [...wordsOf(all.splits.train), ...wordsOf(all.splits.validation)].sort();
    expect(folds.flatMap(({ validation }) => wordsOf(validation)).sort()).toEqual(everything);
    for (const { train, validation } of folds) {
      expect(validation).toHaveLength(20);
      expect([...wordsOf(train), ...wordsOf(validation)].sort()).toEqual(everything);
    }
  });

  it('mix both splits, and are the same each time', () => {
    for (const { validation } of folds) {
      expect(new Set(wordsOf(validation).map((word) => word.replace(/\d+/, ''))).size).toBe(2);
    }
    const again = takePortion(whole(), { fold: { index: 2, of: 3 } }).splits;
    expect(wordsOf(again.validation)).toEqual(wordsOf(folds[1]!.validation));
  });

  it('can be fewer sentences, too', () => {
    const { splits } = takePortion(all, { fold: { index: 1, of: 3 }, trainSize: 7 });
    expect(splits.train).toHaveLength(7);
    expect(wordsOf(folds[0]!.train)).toEqual(expect.arrayContaining(wordsOf(splits.train)));
  });

  it('are refused where there are fewer sentences', () => {
    expect(() => takePortion(whole(2, 1), { fold: { index: 1, of: 4 } })).toThrowError(/`folds`/);
  });
});
