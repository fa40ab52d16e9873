import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LabelSet } from '../../src/data/label-set.js';
import type { Sentence } from '../../src/data/sentence.js';
import { encodeDataset, encodeWordsDataset } from '../../src/text/encode.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { describeShared, fixturePath, sharedPath } from '../helpers/shared.js';

interface Encoded extends Sentence {
  case: string;
  tokens: string[];
  input_ids: number[];
  word_ids: (number | null)[];
  labels: number[];
}

const VOCAB = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'new', 'york', '##er', 'is', 'a', 'city'];
const tokenizer = Tokenizer.fromVocab(VOCAB, { lowercase: true });
const labels = new LabelSet(['B-LOC', 'I-LOC', 'O']);

function readFixture(file: string): Encoded[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Encoded);
}

describeShared('encoding with the vocabulary of bert-base-uncased', () => {
  const sets = JSON.parse(readFileSync(sharedPath('fixtures', 'tokenization', 'labels.json'), 'utf8'));

  test.each([
    ['crafted', 17],
    ['kaznerd_valid', 400],
    ['wnut17_train', 300],
    ['wnut17_dev_odd', 60],
  ])('gives the ids, word indices and labels of every sentence of %s', async (name, count) => {
    const real = await Tokenizer.load(sharedPath('data', 'bert-base-uncased', 'vocab.txt'));
    const expected = readFixture(sharedPath('fixtures', 'tokenization', `${name}.jsonl`));
    expect(expected.length).toBe(count);
    const dataset = encodeDataset(expected, real, new LabelSet(sets[name].labels), { maxLength: 128 });
    for (const [i, sentence] of expected.entries()) {
      const part = (array: Int32Array) => [...array.subarray(dataset.offsets[i]!, dataset.offsets[i + 1]!)];
      expect(part(dataset.inputIds), sentence.words.join(' ')).toEqual(sentence.input_ids);
      expect(part(dataset.wordIds).map((word) => (word === -1 ? null : word))).toEqual(sentence.word_ids);
      expect(part(dataset.labels)).toEqual(sentence.labels);
      const single = real.encodeWords(sentence.words, { maxLength: 128 });
      expect(single.inputIds).toEqual(sentence.input_ids);
      expect(single.wordIds).toEqual(sentence.word_ids);
      expect(single.truncatedWords).toBe(dataset.truncatedWords[i]);
    }
  });
});

describe('sentences crafted for the odd cases of tokenization', () => {
  const crafted = readFixture(fixturePath('tokenization', 'crafted.jsonl'));
  const cutOff = ['##b', '##ffa', '##ble'];
  const used = new Set([...VOCAB.slice(0, 5), ...crafted.flatMap(({ tokens }) => tokens), ...cutOff]);
  // Of the longest match at each place nothing changes when the tokens that none of the sentences has are left out.
  const small = Tokenizer.fromVocab([...used], { lowercase: true });

  test.each(crafted.map((sentence) => [sentence.case, sentence] as const))('%s', (_, sentence) => {
    const set = new LabelSet(['B-X', 'B-Y', 'I-X', 'I-Y', 'O']);
    const { inputIds, wordIds, labels } = encodeDataset([sentence], small, set);
    expect([...inputIds].map((id) => small.tokens()[id])).toEqual(sentence.tokens);
    expect([...wordIds]).toEqual(sentence.word_ids.map((word) => word ?? -1));
    expect([...labels]).toEqual(sentence.labels);
  });
});

describe('encodeDataset', () => {
  test('lays the sentences end to end, with each label on the first sub-token of its word', () => {
    const dataset = encodeDataset(
      [
        { words: ['New', 'Yorker'], tags: ['B-LOC', 'I-LOC'] },
        { words: [], tags: [] },
        { words: ['A', '\u200b', 'city'], tags: ['O', 'I-LOC', 'B-LOC'] },
      ],
      tokenizer,
      labels,
    );
    expect(dataset).toEqual({
      size: 3,
      inputIds: Int32Array.of(2, 5, 6, 7, 3, 2, 3, 2, 9, 10, 3),
      labels: Int32Array.of(-100, 0, 1, -100, -100, -100, -100, -100, 2, 0, -100),
      wordIds: Int32Array.of(-1, 0, 1, 1, -1, -1, -1, -1, 0, 2, -1),
      offsets: Int32Array.of(0, 5, 7, 11),
      wordCounts: Int32Array.of(2, 0, 3),
      truncatedWords: Int32Array.of(0, 0, 0),
    });
  });

  test('counts a word as truncated only when its first sub-token did not fit', () => {
    const words = ['new', 'yorker', 'city', '\u200b'];
    const truncated = (maxLength: number) =>
      encodeWordsDataset([words], tokenizer, { maxLength }).truncatedWords[0];
    expect([6, 5, 4, 3].map(truncated)).toEqual([0, 1, 1, 2]);
  });

  test('holds more tokens than any of its first buffers', () => {
    const sentence = { words: Array<string>(100).fill('Yorker'), tags: Array<string>(100).fill('B-LOC') };
    const dataset = encodeDataset(Array<Sentence>(50).fill(sentence), tokenizer, labels, { maxLength: 512 });
    expect(dataset.inputIds.length).toBe(50 * 202);
    expect(dataset.labels.filter((label) => label === 0).length).toBe(50 * 100);
    expect([...dataset.inputIds.subarray(-3)]).toEqual([6, 7, 3]);
  });

  test('names file, line and word of a tag that the labels lack', () => {
    const sentence = { words: ['a', 'city'], tags: ['O', 'B-LOK'], file: 'train.txt', line: 7 };
    expect(() => encodeDataset([sentence], tokenizer, labels)).toThrow(
      expect.objectContaining({
        code: 'LABEL_MISMATCH',
        message: expect.stringMatching(
          /^train\.txt:8 .*"city".*"B-LOK".*B-LOC, I-LOC, O.*Did you mean "B-LOC"/,
        ),
      }),
    );
  });

  test('names the one line of a sentence that came from a JSON lines file', () => {
    const sentence = { words: ['a', 'city'], tags: ['O', 'X'], file: 'train.jsonl', line: 7 };
    expect(() => encodeDataset([sentence], tokenizer, labels)).toThrow(/^train\.jsonl:7 /);
  });

  test('names the position of a sentence that came from no file', () => {
    const sentences = [
      { words: ['a'], tags: ['O'] },
      { words: ['a', 'city'], tags: ['O', 'X'] },
    ];
    expect(() => encodeDataset(sentences, tokenizer, labels)).toThrow(/^sentence 1, word 1 \("city"\)/);
  });

  test('refuses a sentence with more words than tags', () => {
    const sentence = { words: ['a', 'city'], tags: ['O'] };
    expect(() => encodeDataset([sentence], tokenizer, labels)).toThrow(
      expect.objectContaining({ code: 'DATA_FORMAT' }),
    );
  });

  test.each([2, 0, 3.5, Number.NaN])('refuses a maximum length of %s', (maxLength) => {
    expect(() => encodeDataset([], tokenizer, labels, { maxLength })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
  });
});

describe('encodeWordsDataset', () => {
  test('encodes the same tokens without labels', () => {
    const words = ['New', 'Yorker'];
    const plain = encodeWordsDataset([words], tokenizer);
    expect([...plain.inputIds]).toEqual([2, 5, 6, 7, 3]);
    expect([...plain.labels]).toEqual([-100, -100, -100, -100, -100]);
    expect([...plain.wordIds]).toEqual([-1, 0, 1, 1, -1]);
  });
});
