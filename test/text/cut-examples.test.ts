import { describe, expect, it } from 'vitest';
import { type EncodedDataset, encodeDataset, IGNORED_LABEL, LabelSet } from '../../src/entries/data.js';
import { type Sentence, Tokenizer } from '../../src/index.js';
import { encodeWordsDataset } from '../../src/text/encode.js';

const LETTERS = [...'abcdefghij'];
const tokenizer = Tokenizer.fromVocab(
  ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...LETTERS, ...LETTERS.map((letter) => `##${letter}`)],
  { lowercase: true },
);
const FIRST_LETTER = 5;
const labels = new LabelSet(['O']);

/** A sentence of words whose letters are their tokens. */
function sentence(text: string, more: Partial<Sentence> = {}): Sentence {
  const words = text.split(' ');
  return { words, tags: words.map(() => 'O'), ...more };
}

/** The letters of each example, a capital where a label is asked for. */
function shown(dataset: EncodedDataset): string[] {
  const { size, offsets, inputIds } = dataset;
  return Array.from({ length: size }, (_, example) => {
    const [start, end] = [offsets[example]!, offsets[example + 1]! - 1];
    expect([inputIds[start], inputIds[end]]).toEqual([tokenizer.clsId, tokenizer.sepId]);
    const letters = Array.from(inputIds.subarray(start + 1, end), (id, i) => {
      const letter = LETTERS[(id - FIRST_LETTER) % LETTERS.length]!;
      return dataset.labels[start + 1 + i] === IGNORED_LABEL ? letter : letter.toUpperCase();
    });
    return letters.join('');
  });
}

/** Words that are asked for, as sentence and word, in the order of the examples. */
function asked({ size, offsets, labels: ids, wordIds, sentences }: EncodedDataset): string[] {
  return Array.from({ length: size }, (_, example) =>
    Array.from({ length: offsets[example + 1]! - offsets[example]! }, (_, i) => offsets[example]! + i)
      .filter((token) => ids[token] !== IGNORED_LABEL)
      .map((token) => `${sentences![example]}:${wordIds[token]}`),
  ).flat();
}

const encode = (sentences: Sentence[], options: Parameters<typeof encodeDataset>[3]) =>
  encodeDataset(sentences, tokenizer, labels, options);

describe('sentences in windows', () => {
  const windows = { maxLength: 10, longSentences: 'windows' } as const;

  it('ask for each word once, in the window that shows more around it', () => {
    const dataset = encode([sentence('a b c d e f g h i j a b c d e f g h i j'), sentence('a b')], windows);
    expect(shown(dataset)).toEqual(['ABCDEFGh', 'gHIJABCd', 'cDEFGHIJ', 'AB']);
    expect(asked(dataset)).toEqual([...Array.from({ length: 20 }, (_, word) => `0:${word}`), '1:0', '1:1']);
    expect([...dataset.sentences!]).toEqual([0, 0, 0, 1]);
    expect([[...dataset.wordCounts], [...dataset.truncatedWords]]).toEqual([
      [20, 2],
      [0, 0],
    ]);
  });

  it('are cut between words, and a word longer than a window is asked for at its beginning alone', () => {
    const dataset = encode([sentence('ab cde fgh ij ab'), sentence('a bcdefghijabc d e')], windows);
    expect(shown(dataset)).toEqual(['AbCdeFgh', 'fghIjAb', 'A', 'Bcdefghi', 'jabcDE']);
    expect(asked(dataset)).toEqual(['0:0', '0:1', '0:2', '0:3', '0:4', '1:0', '1:1', '1:2', '1:3']);
  });

  it('are what they are without windows where they have room', () => {
    const short = [sentence('ab c'), sentence('d'), sentence('efghijab')];
    const { sentences, ...cut } = encode(short, windows);
    expect(cut).toEqual(encode(short, { maxLength: 10 }));
    expect([...sentences!]).toEqual([0, 1, 2]);
  });
});

describe('sentences with context', () => {
  const text = ['ab cd', 'e fgh i', 'j a', 'b cd', 'efg'].map((words) => sentence(words));

  it.each([
    ['as many whole words as are wanted', 20, 2, ['AbCde', 'cdEFghIja', 'iJAb', 'jaBCd', 'cdEfg']],
    ['words of several sentences', 20, 4, ['AbCdefgh', 'abcdEFghIjab', 'fghiJAbcd', 'ijaBCdefg', 'abcdEfg']],
    ['no more than there is room for', 7, 8, ['AbCde', 'EFghI', 'iJAb', 'jaBCd', 'cdEfg']],
    [
      'all of the document',
      20,
      100,
      [
        'AbCdefghijabcdefg',
        'abcdEFghIjabcdefg',
        'abcdefghiJAbcdefg',
        'abcdefghijaBCdefg',
        'abcdefghijabcdEfg',
      ],
    ],
  ])('see %s and ask for their own words alone', (_, maxLength, contextTokens, expected) => {
    const dataset = encode(text, { maxLength, contextTokens });
    expect(shown(dataset)).toEqual(expected);
    expect(asked(dataset)).toEqual(text.flatMap(({ words }, i) => words.map((_, word) => `${i}:${word}`)));
  });

  it('see nothing of another document or file', () => {
    const parted = [
      sentence('a', { document: '1' }),
      sentence('b', { document: '1' }),
      sentence('c', { document: '2' }),
      sentence('d', { document: '2', file: 'other' }),
      sentence('e', { file: 'other' }),
      sentence('f', { file: 'other' }),
    ];
    expect(shown(encode(parted, { maxLength: 20, contextTokens: 9 }))).toEqual([
      'Ab',
      'aB',
      'C',
      'D',
      'Ef',
      'eF',
    ]);
  });

  it('are cut as without where they are too long, or are windows', () => {
    const long = [sentence('a b'), sentence('c d e f g h i'), sentence('j')];
    const cut = encode(long, { maxLength: 6, contextTokens: 3 });
    expect(shown(cut)).toEqual(['ABcd', 'CDEF', 'ghiJ']);
    expect([...cut.truncatedWords]).toEqual([0, 3, 0]);
    const windows = encode(long, { maxLength: 6, contextTokens: 3, longSentences: 'windows' });
    expect(shown(windows).slice(1, -1).join('')).toMatch(/^C.*I$/);
    expect(new Set(asked(windows)).size).toBe(10);
  });

  it('part documents by rows without words where there are no tags', () => {
    const rows = ['a', 'b', '', 'c', 'd'].map((row) => (row === '' ? [] : [row]));
    const { wordIds, inputIds, offsets, size } = encodeWordsDataset(rows, tokenizer, {
      maxLength: 9,
      contextTokens: 4,
    });
    const letters = Array.from({ length: size }, (_, example) =>
      Array.from(
        inputIds.subarray(offsets[example]! + 1, offsets[example + 1]! - 1),
        (id) => LETTERS[id - FIRST_LETTER],
      ).join(''),
    );
    expect(letters).toEqual(['ab', 'ab', '', 'cd', 'cd']);
    expect(wordIds.filter((word) => word >= 0)).toHaveLength(4);
  });
});
