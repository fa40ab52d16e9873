import { describe, expect, test } from 'vitest';
import { toReferenceText } from '../../src/text/reference-text.js';
import { Tokenizer } from '../../src/text/tokenizer.js';

const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

/** Tokens of a word, for a vocabulary of just these. */
function tokensOf(word: string, vocab: string[], lowercase: boolean): string[] {
  const tokenizer = Tokenizer.fromVocab([...SPECIALS, ...vocab], { lowercase });
  return [...tokenizer.wordPieces(word)].map((id) => tokenizer.tokens()[id]!);
}

describe('text is cut as the Python BertTokenizer cuts it', () => {
  test.each([
    ['a format character of a later Unicode', 'a\u0890b', ['ab']],
    ['a private-use character', 'a\ue000b', ['ab']],
    ['half of a surrogate pair', 'a\ud800b', ['ab']],
    ['an accent of a later Unicode', 'a\u0898b', ['ab']],
    ['punctuation of a later Unicode', 'a\u061db', ['a', '\u061d', 'b']],
    ['an ideograph of extension E', 'a\u{2b820}b', ['a', '\u{2b820}', 'b']],
    ['a tab', 'a\tb', ['a', 'b']],
  ])('%s', (_, word, expected) => {
    const vocab = ['a', 'b', 'ab', '##b', '##\u061d', '##\u{2b820}', '\u061d', '\u{2b820}'];
    expect(tokensOf(word, vocab, true)).toEqual(expected);
    expect(tokensOf(word, [...vocab, 'a\u0898b'], false)).toEqual(
      word.includes('\u0898') ? [word] : expected,
    );
  });

  test('a cased vocabulary has its composed letters found in text that comes decomposed', () => {
    expect(tokensOf('Cafe\u0301', ['Caf\u00e9', 'Cafe', '##\u0301'], false)).toEqual(['Caf\u00e9']);
  });

  test('an uncased vocabulary has its letters found without accents, whichever way they came', () => {
    expect(tokensOf('Cafe\u0301', ['cafe'], true)).toEqual(['cafe']);
    expect(tokensOf('CAF\u00c9', ['cafe'], true)).toEqual(['cafe']);
  });
});

describe('toReferenceText', () => {
  test('leaves printable ASCII alone', () => {
    const settings = { cleanText: true, handleChineseChars: true, stripAccents: true };
    expect(toReferenceText('U.S.-based [SEP]', settings)).toBe('U.S.-based [SEP]');
  });

  test('does no more than its settings ask for', () => {
    const settings = { cleanText: false, handleChineseChars: false, stripAccents: false };
    expect(toReferenceText('e\u0301\u200b\u{2b820}', settings)).toBe('\u00e9\u200b\u{2b820}');
  });
});
