import { describe, expect, it } from 'vitest';
import { Tokenizer } from '../../src/index.js';
import type { TaggingRules } from '../../src/inference/options.js';
import { planText, tokenizeText, tokenizeWords } from '../../src/inference/tagged-text.js';

const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const WORDS = ['saw', 'ecole', 'jose', 'bjo', '##rk', 'oslo', '.'];
const tokenizer = Tokenizer.fromVocab([...SPECIALS, ...WORDS], { lowercase: true });
const LABELS = ['O', 'B-X'];
const WINDOW = { maxTokens: 100, overlap: 10 };

/** The entities where every word is one by itself. */
async function eachWord(text: string, rules: TaggingRules): Promise<string[]> {
  const tokens = await tokenizeText(text, tokenizer, rules);
  const plan = planText(tokens, WINDOW, rules);
  const scores = Float32Array.from(
    { length: tokens.inputIds.length * LABELS.length },
    (_, i) => i % LABELS.length,
  );
  const settings = { labels: LABELS, strategy: 'first' as const, ignoreLabels: [] };
  return plan.entities([scores], settings).map((entity) => entity.text);
}

describe('words', () => {
  const decomposed = 'Saw e\u0301cole, Jose\u0301 Bjo\u0308rk.';

  it('are whole by the numbers of the tokenizer, up to the marks of their last letter', async () => {
    expect(await eachWord(decomposed, 'whole-words')).toEqual([
      'Saw',
      'e\u0301cole',
      ',',
      'Jose\u0301',
      'Bjo\u0308rk',
      '.',
    ]);
  });

  it("melt together or lose their end by Hugging Face's rule, as its pipeline has it", async () => {
    expect(await eachWord(decomposed, 'huggingface')).toEqual([
      'Saw e\u0301cole',
      ',',
      'Jose',
      'Bjo\u0308rk',
      '.',
    ]);
  });

  it('are those that were given, at their places in the words joined by spaces', () => {
    const words = ['Bjo\u0308rk', '\u200b', 'Oslo.', '', 'saw'];
    const tokens = tokenizeWords(words, tokenizer);
    expect(tokens.text).toBe(words.join(' '));
    expect([...tokens.words]).toEqual([0, 0, 2, 2, 4]);
    const spans = Array.from(tokens.starts, (start, i) => tokens.text.slice(start, tokens.ends[i]));
    expect(spans).toEqual([words[0], words[0], 'Oslo.', 'Oslo.', 'saw']);
    expect(tokenizeWords([], tokenizer).inputIds.length).toBe(0);
  });
});

describe('windows by the rules of the other', () => {
  it('are put together by themselves, and the longer entity wins', async () => {
    const tokens = await tokenizeText('saw oslo saw oslo saw', tokenizer, 'huggingface');
    const plan = planText(tokens, { maxTokens: 3, overlap: 1 }, 'huggingface');
    expect(plan.windows).toEqual([
      { start: 0, end: 3 },
      { start: 2, end: 5 },
    ]);
    const settings = { labels: ['O', 'I-X'], strategy: 'simple' as const, ignoreLabels: ['O'] };
    const [entity, outside] = [
      [0.1, 0.9],
      [0.9, 0.1],
    ];
    const first = Float32Array.from([outside, outside, entity].flat() as number[]);
    const second = Float32Array.from([entity, entity, outside].flat() as number[]);
    const found = plan.entities([first, second], settings);
    expect(found.map(({ text, start }) => [text, start])).toEqual([['saw oslo', 9]]);
    const whole = planText(tokens, { maxTokens: 3, overlap: 1 }, 'whole-words');
    expect(whole.windows.length).toBe(2);
  });
});
