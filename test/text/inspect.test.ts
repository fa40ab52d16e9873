import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readSentences } from '../../src/data/read-sentences.js';
import { findSharedSentences, inspectTokenization } from '../../src/text/inspect.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { describeShared, sharedPath } from '../helpers/shared.js';

const VOCAB = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'new', 'york', '##er', 'is', 'a', 'city', '-'];
const tokenizer = Tokenizer.fromVocab(VOCAB, { lowercase: true });

describe('inspectTokenization', () => {
  const sentences = [
    { words: ['New', 'Yorker', 'is', 'a', 'city'], tags: ['B-LOC', 'I-LOC', 'O', 'O', 'O'] },
    { words: ['\u200b', 'Paris-Nice', 'Yorker'], tags: ['O', 'I-EVENT', 'I-LOC'] },
  ];

  test('counts tokens, unknown tokens, labels and entities', () => {
    expect(inspectTokenization(sentences, tokenizer, { maxLength: 128 })).toMatchObject({
      sentences: 2,
      words: 8,
      subTokens: 11,
      subTokensPerWord: 11 / 8,
      unknownTokens: 2,
      unknownTokenRate: 2 / 11,
      wordsWithUnknown: 1,
      unknownWordRate: 1 / 8,
      wordsWithoutTokens: 1,
      truncatedSentences: 0,
      truncatedWords: 0,
      partialWords: 0,
      lengths: { mean: 7.5, median: 7.5, max: 8 },
      labels: { O: 4, 'B-LOC': 1, 'I-LOC': 2, 'I-EVENT': 1 },
      entities: { LOC: 2, EVENT: 1 },
      types: {
        O: { words: 4, subTokens: 3, unknownTokens: 0, wordsWithUnknown: 0, truncatedWords: 0 },
        LOC: { words: 3, subTokens: 5, subTokensPerWord: 5 / 3, unknownWordRate: 0 },
        EVENT: { words: 1, subTokens: 3, unknownTokens: 2, wordsWithUnknown: 1, unknownWordRate: 1 },
      },
    });
  });

  test.each([
    [8, { truncatedSentences: 0, truncatedWords: 0, partialWords: 0 }],
    [7, { truncatedSentences: 1, truncatedWords: 1, partialWords: 0 }],
    [6, { truncatedSentences: 2, truncatedWords: 2, partialWords: 1 }],
    [4, { truncatedSentences: 2, truncatedWords: 4, partialWords: 2 }],
  ])('counts what a maximum length of %i cuts off', (maxLength, expected) => {
    expect(inspectTokenization(sentences, tokenizer, { maxLength })).toMatchObject(expected);
  });

  test('counts the sentences that repeat an earlier one', () => {
    const repeated = [...sentences, sentences[0]!, sentences[0]!];
    expect(inspectTokenization(repeated, tokenizer).repeatedSentences).toBe(2);
    expect(inspectTokenization(sentences, tokenizer).repeatedSentences).toBe(0);
  });

  test('gives zeros, not NaN, for no sentences', () => {
    const report = inspectTokenization([], tokenizer);
    expect(report).toMatchObject({
      words: 0,
      subTokensPerWord: 0,
      unknownTokenRate: 0,
      lengths: { mean: 0 },
    });
  });
});

describe('findSharedSentences', () => {
  test('counts the sentences of a later split that an earlier one has, too', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((word) => ({ words: [word], tags: ['O'] }));
    const splits = { train: [a!, b!], validation: [a!, c!, a!], test: [c!] };
    expect(findSharedSentences(splits)).toEqual([
      { first: 'train', second: 'validation', sentences: 2 },
      { first: 'validation', second: 'test', sentences: 1 },
    ]);
  });

  test('is not misled by words that hold a space', () => {
    const splits = {
      train: [{ words: ['a b'], tags: ['O'] }],
      test: [{ words: ['a', 'b'], tags: ['O', 'O'] }],
    };
    expect(findSharedSentences(splits)).toEqual([]);
  });
});

describeShared('inspecting real text with the vocabulary of bert-base-uncased', () => {
  const facts = JSON.parse(readFileSync(sharedPath('fixtures', 'tokenization', 'labels.json'), 'utf8'));

  test.each([
    ['kaznerd_valid', ['kaznerd', 'IOB2_valid.txt']],
    ['wnut17_train', ['wnut17', 'wnut17train.conll']],
  ])('gives the figures of the whole of %s', async (name, path) => {
    const bert = await Tokenizer.load(sharedPath('data', 'bert-base-uncased'));
    const report = inspectTokenization(await readSentences(sharedPath('data', ...path)), bert);
    const expected = facts[name].whole_file;
    expect(report).toMatchObject({
      sentences: expected.sentences,
      words: expected.words,
      subTokens: expected.subtokens,
      wordsWithUnknown: expected.words_with_unk,
      wordsWithoutTokens: expected.words_without_subtokens,
      truncatedSentences: expected.truncated_at_128,
      lengths: { median: expected.p50, p99: expected.p99, max: expected.max },
    });
    expect(report.subTokensPerWord).toBeCloseTo(expected.mean_subtokens_per_word, 12);
    expect(report.unknownWordRate).toBeCloseTo(expected.unk_rate_per_word, 12);
    expect(report.lengths.mean).toBeCloseTo(expected.mean_len_with_specials, 12);
  });

  test('finds the share of unknown tokens in Kazakh text', async () => {
    const bert = await Tokenizer.load(sharedPath('data', 'bert-base-uncased'));
    const sentences = await readSentences(sharedPath('data', 'kaznerd', 'IOB2_valid.txt'));
    const report = inspectTokenization(sentences, bert);
    expect(report.subTokens + 2 * report.sentences).toBe(398_584);
    expect(report.unknownTokenRate).toBeCloseTo(0.142, 3);
    expect(report.entities).toMatchObject({ NON_HUMAN: 1, ADAGE: 18, CONTACT: 18 });
    expect(Object.values(report.entities).reduce((sum, count) => sum + count, 0)).toBe(13_483);
  });
});
