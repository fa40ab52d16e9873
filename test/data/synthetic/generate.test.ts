import { describe, expect, it } from 'vitest';
import type { Sentence } from '../../../src/data/sentence.js';
import { englishGrammar } from '../../../src/data/synthetic/english.js';
import { type CorpusName, corpusStream, generateCorpus } from '../../../src/data/synthetic/generate.js';
import { kazakhGrammar } from '../../../src/data/synthetic/kazakh.js';
import { isHeldOutName } from '../../../src/data/synthetic/names.js';
import {
  countTypes,
  entityF1,
  invalidTags,
  mostFrequentTags,
  nameListTags,
  quantile,
  unseenShare,
} from './corpus-measures.js';

const CONLL_TYPES = 'LOC MISC ORG PER'.split(' ');
const KAZNERD_TYPES = (
  'ADAGE ART CARDINAL CONTACT DATE DISEASE EVENT FACILITY GPE LANGUAGE LAW LOCATION MISCELLANEOUS MONEY ' +
  'NON_HUMAN NORP ORDINAL ORGANISATION PERCENTAGE PERSON POSITION PRODUCT PROJECT QUANTITY TIME'
).split(' ');

const EXPECTED = {
  demo: { types: CONLL_TYPES, meanWords: [12.5, 15.5], medianWords: [12, 14], withoutEntities: [0.2, 0.35] },
  'demo-kk': {
    types: KAZNERD_TYPES,
    meanWords: [10.3, 12.5],
    medianWords: [9, 12],
    withoutEntities: [0.22, 0.38],
  },
} as const;

function texts(sentences: readonly Sentence[]): string[] {
  return sentences.map(({ words }) => words.join(' '));
}

function firstOf(name: CorpusName, seed: number, count: number): Sentence[] {
  const stream = corpusStream(name, seed);
  return Array.from({ length: count }, () => stream.next().value);
}

describe.each(['demo', 'demo-kk'] as const)('the generated corpus %s', (name) => {
  const corpus = generateCorpus(name, { seed: 1 });
  const all = [...corpus.train, ...corpus.validation, ...corpus.test];
  const expected = EXPECTED[name];

  it('has 1,200 sentences to train on and 300 in each other split, or the sizes asked for', () => {
    expect([corpus.train, corpus.validation, corpus.test].map((split) => split.length)).toEqual([
      1200, 300, 300,
    ]);
    const small = generateCorpus(name, { seed: 1, sizes: { train: 40, validation: 7, test: 3 } });
    expect([small.train, small.validation, small.test].map((split) => split.length)).toEqual([40, 7, 3]);
  });

  it('is the same for the same seed and another for another seed', () => {
    expect(generateCorpus(name, { seed: 1 })).toEqual(corpus);
    const other = new Set(texts(generateCorpus(name, { seed: 2 }).train));
    expect(texts(corpus.train).filter((text) => other.has(text)).length).toBeLessThan(60);
  });

  it('keeps validation and test as they are when train grows', () => {
    const test = new Set(texts(corpus.test));
    const grown = generateCorpus(name, { seed: 1, sizes: { train: 2400, validation: 300, test: 300 } });
    expect(texts(grown.test).filter((text) => test.has(text)).length).toBeGreaterThan(280);
  });

  it('has valid IOB2 tags, one for each word', () => {
    expect(all.flatMap(invalidTags)).toEqual([]);
    expect(all.filter(({ words, tags }) => words.length !== tags.length || words.length === 0)).toEqual([]);
  });

  it('is lower case and has no white space or template marks in its words', () => {
    const odd = all
      .flatMap(({ words }) => words)
      .filter((word) => /[\s{}[\]+_*|]|^$/.test(word) || word !== word.toLowerCase());
    expect(odd).toEqual([]);
  });

  it('has exactly the types of the real corpus, each of them in train for any seed', () => {
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const types = [...countTypes(generateCorpus(name, { seed }).train).keys()].sort();
      expect(types).toEqual(expected.types);
    }
  });

  it('repeats no sentence, within a split or across splits', () => {
    expect(new Set(texts(all)).size).toBe(all.length);
  });

  it('builds about half of the entities held out from names that train does not have', () => {
    for (const split of [corpus.validation, corpus.test]) {
      expect(unseenShare(corpus.train, split)).toBeGreaterThan(0.4);
      expect(unseenShare(corpus.train, split)).toBeLessThan(0.6);
    }
  });

  it('cannot be solved by looking words or names up, even with much more text to train on', () => {
    const large = generateCorpus(name, { seed: 1, sizes: { train: 10_000, validation: 10, test: 300 } });
    for (const { train, test } of [corpus, large]) {
      expect(entityF1(test, mostFrequentTags(train, test))).toBeLessThan(0.7);
      expect(entityF1(test, nameListTags(train, test))).toBeLessThan(0.7);
    }
  });

  it('rewards a lookup a little, so that names are worth knowing', () => {
    expect(entityF1(corpus.test, mostFrequentTags(corpus.train, corpus.test))).toBeGreaterThan(0.15);
  });

  it('has words that take several types, and names that are ordinary words elsewhere', () => {
    const types = new Map<string, Set<string>>();
    for (const { words, tags } of corpus.train) {
      words.forEach((word, i) => {
        types.set(word, (types.get(word) ?? new Set()).add(tags[i]!.replace(/^[BI]-/, '')));
      });
    }
    const sets = [...types.values()];
    expect(sets.filter((set) => set.size > 1).length).toBeGreaterThan(100);
    expect(sets.filter((set) => set.has('O') && set.size > 2).length).toBeGreaterThan(20);
  });

  it('has sentences as long as those of the real corpus, and as many without entities', () => {
    const lengths = corpus.train.map(({ words }) => words.length);
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    const empty = corpus.train.filter(({ tags }) => tags.every((tag) => tag === 'O')).length / lengths.length;
    expectWithin(mean, expected.meanWords);
    expectWithin(quantile(lengths, 0.5), expected.medianWords);
    expectWithin(empty, expected.withoutEntities);
  });

  it('streams without end, apart from the splits, the same for the same seed', () => {
    expect(firstOf(name, 3, 200)).toEqual(firstOf(name, 3, 200));
    expect(texts(firstOf(name, 3, 200))).not.toEqual(texts(firstOf(name, 4, 200)));
    expect(texts(firstOf(name, 1, 50))).not.toEqual(texts(corpus.train.slice(0, 50)));
  });

  it('does not show the names of the held-out splits in its stream', () => {
    const streamed = new Set(firstOf(name, 3, 20_000).flatMap(({ words }) => words));
    expect(unseenShare([{ words: [...streamed], tags: [] }], corpus.test)).toBeGreaterThan(0.25);
  });

  it('uses every one of its rules', () => {
    const grammar = name === 'demo' ? englishGrammar() : kazakhGrammar();
    const used = new Set([...grammar.references()].map(([, rule]) => rule).concat('sentence'));
    expect(grammar.ruleNames.filter((rule) => !used.has(rule))).toEqual([]);
  });
});

describe('the Kazakh-like corpus', () => {
  const { train } = generateCorpus('demo-kk', { seed: 1 });
  const words = train.flatMap((sentence) => sentence.words);

  it('uses every letter that Kazakh adds to the Cyrillic alphabet', () => {
    const letters = new Set(words.join(''));
    expect([...'әғқңөұүһі'].filter((letter) => !letters.has(letter))).toEqual([]);
  });

  it.each([
    ['back', 'адам азамат бала қала тұрғын маман ғалым оқушы жауап орман', /^[лдт]ар([ыа]|[дтғқмн][ыа])?/],
    ['front', 'мектеп дүкен дәрігер кәсіпкер мұғалім көше көпір өзен үй', /^[лдт]ер([іе]|[дтгкмн][іе])?/],
  ])('gives plurals of stems with %s vowels endings of that harmony', (_, stems, ending) => {
    const plural = new RegExp(`^(?:${stems.replaceAll(' ', '|')})(\\p{L}{3,})$`, 'u');
    const endings = words
      .flatMap((word) => plural.exec(word)?.[1] ?? [])
      .filter((text) => /^[лдт][ае]р/.test(text));
    expect(endings.length).toBeGreaterThan(20);
    expect(endings.filter((text) => !ending.test(text))).toEqual([]);
  });

  it('has rare types', () => {
    const counts = countTypes(train);
    for (const type of ['ADAGE', 'NON_HUMAN', 'CONTACT', 'MISCELLANEOUS']) {
      expect(counts.get(type)).toBeLessThan(20);
    }
    expect(counts.get('PERSON')).toBeGreaterThan(150);
  });
});

describe('names', () => {
  it('fall on both sides in like numbers', () => {
    const made = Array.from({ length: 2000 }, (_, i) => `name${i}`);
    const share = made.filter(isHeldOutName).length / made.length;
    expectWithin(share, [0.45, 0.55]);
  });
});

function expectWithin(value: number, [low, high]: readonly [number, number]): void {
  expect(value).toBeGreaterThanOrEqual(low);
  expect(value).toBeLessThanOrEqual(high);
}
