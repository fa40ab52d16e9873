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
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === 'tokenization');
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
    const text = await run(['--data', data, '--tokenizer', words, '--tokenizer', letters]);
    expect(text.out).toContain('by type (all)');
    expect(text.out).toContain('20 (100.0%)');
    const divided = await run(['--data', data, '--split', '80-10-10', '--tokenizer', words]);
    expect(divided.out).toContain('2 sentences of test stand in train, too');
  });

  it('warns of what spoils training, in files that need no division', async () => {
    const train = write('train.tsv', 'Oslo\tB-LOC\n\nBo\tB-PER\nwon.\tO\n\nOslo\tO\n\nzz\tB-ORG\n');
    const validation = write('validation.jsonl', '{"words":["Bo","won."],"tags":["B-PER","O"]}\n');
    const test = write('empty.tsv', 'quiet\tO\n');
    const small = write('small.txt', [...SPECIALS, 'oslo', 'bo', 'won', '.'].join('\n'));
    const args = ['--data', train, '--validation', validation, '--test', test, '--tokenizer', small];
    const { code, out } = await run([...args, '--max-length', '3', '--json']);
    expect(code).toBe(0);
    const { warnings } = JSON.parse(out.trim().split('\n').at(-1)!);
    const found = (warnings as { kind: string; split: string | null; count: number }[]).map(
      ({ kind, split, count }) => [kind, split, count],
    );
    expect(found).toEqual(
      expect.arrayContaining([
        ['shared-sentences', 'validation', 1],
        ['two-labellings', null, 1],
        ['no-entities', 'test', 1],
        ['missing-types', 'validation', 2],
        ['attached-punctuation', 'train', 1],
        ['tokenization-mismatch', 'train', 5],
      ]),
    );
    const text = await run(args);
    expect(text.out).toContain(`${train}:1 and ${train}:6`);
  });

  it('counts the entities that a maximum length cuts', async () => {
    const cut = write('cut.tsv', 'anna\tO\nlives\tO\nalmaty\tB-LOC\nalmaty\tI-LOC\n\nanna\tB-PER\n');
    const { out } = await run(['--data', cut, '--tokenizer', words, '--max-length', '5', '--json']);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0].splits.all.truncatedEntities).toBe(1);
    expect(lines[1].warnings).toMatchObject([{ kind: 'truncated-entities', count: 1 }]);
  });

  it('shows the tokenizer of --vocab by itself', async () => {
    const { code, out } = await run(['--data', data, '--vocab', letters]);
    expect(code).toBe(0);
    expect(out).toContain('sub-tokens a word');
  });
});
