import { describe, expect, it } from 'vitest';
import { splitWords } from '../../src/data/split-words.js';

describe('words of running text', () => {
  it('are runs of letters, marks and digits, and every other character by itself', () => {
    expect(splitWords("Don't  go:\tÉmile, қала 2.5 e\u0301te")).toEqual([
      'Don',
      "'",
      't',
      'go',
      ':',
      'Émile',
      ',',
      'қала',
      '2',
      '.',
      '5',
      'e\u0301te',
    ]);
  });

  it.each([
    ['a zero-width non-joiner', 'می\u200cخواهم', ['می\u200cخواهم']],
    ['a zero-width joiner', 'क\u094d\u200dष', ['क\u094d\u200dष']],
    ['a soft hyphen', 'soft\u00adhyphen.', ['soft\u00adhyphen', '.']],
    ['a word joiner', 'a\u2060b', ['a\u2060b']],
    ['a variation selector', '\u2764\ufe0f!', ['\u2764\ufe0f', '!']],
    ['joiners between symbols', '👩\u200d👧 👩🏽\u200d🚀', ['👩\u200d👧', '👩🏽\u200d🚀']],
    ['the frame of a keycap', '#\ufe0f\u20e3 1\ufe0f\u20e3', ['#\ufe0f\u20e3', '1\ufe0f\u20e3']],
  ])('hold %s', (_, text, words) => {
    expect(splitWords(text)).toEqual(words);
  });

  it.each(['', '  \t', '\u200d', '\ufe0f \u200c', '\u00ad\u00ad', '\u{e0100}'])('are none in %j', (text) => {
    expect(splitWords(text)).toEqual([]);
  });

  it('take no more than a moment to find in text of one kind', () => {
    const started = performance.now();
    for (const unit of ['\u200d', 'x', '👩\u200d', '.', '\ufe0f']) splitWords(unit.repeat(200_000));
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
