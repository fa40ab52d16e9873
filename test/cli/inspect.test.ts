import { describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { temporaryFiles } from '../helpers/temporary-file.js';

const write = temporaryFiles();
const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

async function run(args: string[]): Promise<{ code: number; out: string }> {
  let out = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  try {
    return { code: await main(['inspect', ...args]), out };
  } finally {
    spy.mockRestore();
  }
}

describe('permafrost inspect', () => {
  const data = write('towns.conll', 'Anna B-PER\nlives O\nin O\nAlmaty B-LOC\n\n'.repeat(20));
  const words = write('words.txt', [...SPECIALS, 'anna', 'lives', 'in', 'almaty'].join('\n'));
  const letters = write('letters.txt', [...SPECIALS, 'anna', 'lives', 'i', '##n'].join('\n'));

  it('puts several tokenizers side by side, with figures for each type', async () => {
    const tokenizers = ['--tokenizer', words, '--tokenizer', letters, '--tokenizer', 'trained'];
    const { code, out } = await run(['--data', data, ...tokenizers, '--vocab-size', '120', '--json']);
    expect(code).toBe(0);
    const studies = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(studies.map(({ tokenizer }) => tokenizer)).toEqual([words, letters, 'trained']);
    const [first, second, third] = studies.map(({ splits }) => splits.all);
    expect(first).toMatchObject({ words: 80, subTokens: 80, unknownTokens: 0, repeatedSentences: 19 });
    expect(second).toMatchObject({ words: 80, subTokens: 100, unknownTokens: 20 });
    expect(second.types).toMatchObject({
      LOC: { words: 20, unknownWordRate: 1 },
      PER: { words: 20, unknownWordRate: 0 },
      O: { words: 40, subTokensPerWord: 1.5 },
    });
    expect(third.unknownTokens).toBe(0);
    expect(studies[0].shared).toContainEqual({ first: 'train', second: 'test', sentences: 2 });
    const text = await run(['--data', data, '--tokenizer', words, '--tokenizer', letters]);
    expect(text.out).toContain('by type (all)');
    expect(text.out).toContain('20 (100.0%)');
    expect(text.out).toContain('2 sentences of test stand in train, too.');
  });

  it('shows the tokenizer of --vocab by itself', async () => {
    const { code, out } = await run(['--data', data, '--vocab', letters]);
    expect(code).toBe(0);
    expect(out).toContain('sub-tokens a word');
  });
});
