import { describe, expect, it } from 'vitest';
import { learnVocabulary } from '../../src/text/learn-vocabulary.js';
import { trainWordPiece } from '../../src/text/tokenizer.js';

const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const learn = (counts: Record<string, number>, vocabSize: number, minFrequency = 1) =>
  learnVocabulary(new Map(Object.entries(counts)), { vocabSize, minFrequency }).slice(SPECIALS.length);

/** The definition, counted anew for every joint: slow and plain. */
function byDefinition(counts: Record<string, number>, size: number, minFrequency: number): string[] {
  let words = Object.entries(counts).map(([piece, count]) => ({
    count,
    symbols: [...piece].map((character, i) => (i === 0 ? character : `##${character}`)),
  }));
  const tokens = [...new Set(words.flatMap(({ symbols }) => symbols))].sort();
  while (tokens.length < size) {
    const pairs = new Map<string, { left: string; right: string; count: number }>();
    for (const { symbols, count } of words) {
      for (let i = 0; i + 1 < symbols.length; i++) {
        const [left, right] = [symbols[i]!, symbols[i + 1]!];
        const key = JSON.stringify([left, right]);
        pairs.set(key, { left, right, count: (pairs.get(key)?.count ?? 0) + count });
      }
    }
    const rank = (token: string) => tokens.indexOf(token);
    const [best] = [...pairs.values()].sort(
      (a, b) => b.count - a.count || rank(a.left) - rank(b.left) || rank(a.right) - rank(b.right),
    );
    if (best === undefined || best.count < minFrequency) break;
    const joined = best.left + best.right.slice(2);
    if (!tokens.includes(joined)) tokens.push(joined);
    words = words.map(({ symbols, count }) => {
      const result: string[] = [];
      for (const symbol of symbols) {
        // A symbol that was just joined cannot be joined again in the same pass.
        if (symbol === best.right && result.at(-1) === best.left) result[result.length - 1] = `\0${joined}`;
        else result.push(symbol);
      }
      return { count, symbols: result.map((symbol) => symbol.replace('\0', '')) };
    });
  }
  return tokens;
}

describe('learnVocabulary', () => {
  it('begins with the special tokens, then the characters, then joins the most frequent neighbours', () => {
    const counts = new Map([
      ['low', 5],
      ['lower', 2],
      ['new', 3],
    ]);
    const tokens = learnVocabulary(counts, { vocabSize: 16 });
    expect(tokens.slice(0, 5)).toEqual(SPECIALS);
    expect(tokens.slice(5, 11)).toEqual(['##e', '##o', '##r', '##w', 'l', 'n']);
    expect(tokens.slice(11)).toEqual(['##ow', 'low', '##ew', 'new', '##er']);
  });

  it('agrees with the definition on random words', () => {
    let state = 1;
    const random = (n: number) => {
      state = (state * 48271) % 2147483647;
      return state % n;
    };
    for (let round = 0; round < 20; round++) {
      const counts: Record<string, number> = {};
      for (let i = 0; i < 60; i++) {
        const word = Array.from({ length: 1 + random(7) }, () => 'abcñ'[random(4)]).join('');
        counts[word] = 1 + random(9);
      }
      const minFrequency = 1 + random(4);
      expect(learn(counts, 65, minFrequency)).toEqual(byDefinition(counts, 60, minFrequency));
    }
  });

  it('does not depend on the order of the words', () => {
    const counts = { aba: 2, bab: 2, abba: 1, cab: 1 };
    const reversed = Object.fromEntries(Object.entries(counts).reverse());
    expect(learn(reversed, 30)).toEqual(learn(counts, 30));
  });

  it('joins nothing that is rarer than the minimum', () => {
    expect(learn({ ab: 3, cd: 2 }, 100, 3)).toEqual(['##b', '##d', 'a', 'c', 'ab']);
  });

  it('leaves out the rarest characters where they find no room', () => {
    expect(learn({ a: 5, b: 4, c: 1 }, 7)).toEqual(['a', 'b']);
  });

  it('counts astral characters as one', () => {
    expect(learn({ '😀😀': 2 }, 100)).toEqual(['##😀', '😀', '😀😀']);
  });

  it.each([
    [{ vocabSize: 5 }, 'vocabSize'],
    [{ vocabSize: 1.5 }, 'vocabSize'],
    [{ vocabSize: 100, minFrequency: 0 }, 'minFrequency'],
  ])('refuses %o', (options, option) => {
    expect(() => learnVocabulary(new Map(), options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(option) }),
    );
  });
});

describe('trainWordPiece', () => {
  it('learns from text as the tokenizer sees it, so that the training words come back whole', () => {
    const words = ['Frost-bite', 'FROST', 'Bité', 'frost', 'bite'];
    const tokenizer = trainWordPiece(words, { vocabSize: 60, lowercase: true, minFrequency: 2 });
    const tokens = tokenizer
      .encodeWords(['Frost', 'bite', '-'])
      .inputIds.map((token) => tokenizer.tokens()[token]);
    expect(tokens).toEqual(['[CLS]', 'frost', 'bite', '-', '[SEP]']);
    expect(tokenizer.lowercase).toBe(true);
  });

  it('takes any iterable and gives the same tokenizer for the same words', () => {
    function* words() {
      yield* ['aa', 'ab', 'aa'];
    }
    const options = { vocabSize: 20, lowercase: false };
    expect(trainWordPiece(words(), options).digest).toBe(trainWordPiece(['ab', 'aa', 'aa'], options).digest);
  });

  it('makes a tokenizer even of no words', () => {
    expect(trainWordPiece([], { vocabSize: 20, lowercase: false }).vocabSize).toBe(5);
  });
});
