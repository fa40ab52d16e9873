import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { generateCorpus } from '../../src/data/synthetic/generate.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import {
  camembertTokenizer,
  debertaTokenizer,
  type FamilyTokenizer,
  nativeTokenizer,
  robertaTokenizer,
  xlmRobertaTokenizer,
} from '../helpers/family-tokenizers.js';

const SIZES = { train: 60, validation: 40, test: 5 };
const english = generateCorpus('demo', { seed: 3, sizes: SIZES });
const kazakh = generateCorpus('demo-kk', { seed: 3, sizes: SIZES });
const text = [...english.train, ...kazakh.train].map(({ words }) => words.join(' ')).join('\n');
/** Sentences the vocabularies were not trained on, and words that are odd. */
const sentences = [
  ...english.validation.map(({ words }) => words),
  ...kazakh.validation.map(({ words }) => words),
  ["don't", 'U.S.', 'A/B', 'naïve', 'cafe\u0301', 'ﬁne', '①', '２０２６', 'x²', '…'],
  ['日本語', '東京', '한국어', 'עברית', '🙂', '👩‍👩‍👧', '\u{1f1f0}\u{1f1ff}', 'ॐ'],
  ['a  b', ' lead', 'trail ', 'tab\tin', 'new\nline', '\u00a0', '\u200b', '\u3000', '▁', 'a▁b'],
  ['<s>', '</s>', 'x<mask>y', '<pad>', '[CLS]', 'x[UNK]y', '<unk>', '[MASK]'],
  [
    '\u{10ffff}',
    '\u0001',
    '�',
    'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  ],
];

const FAMILIES: [string, (text: string) => FamilyTokenizer][] = [
  ['roberta', robertaTokenizer],
  ['xlm-roberta', xlmRobertaTokenizer],
  ['camembert', camembertTokenizer],
  ['deberta-v3', debertaTokenizer],
];

describe.each(FAMILIES)('a tokenizer as %s has it', (name, make) => {
  const family = make(text);
  const root = mkdtempSync(join(tmpdir(), 'permafrost-tokenizers-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  function written(files: Record<string, unknown>): string {
    const directory = join(root, Object.keys(files).join('-'));
    mkdirSync(directory, { recursive: true });
    for (const [file, content] of Object.entries(files)) {
      writeFileSync(join(directory, file), JSON.stringify(content));
    }
    return directory;
  }

  const directory = written({ 'tokenizer.json': family.document, 'tokenizer_config.json': family.config });

  it('takes its special tokens from the files', async () => {
    for (const place of [directory, written({ 'tokenizer.json': family.document })]) {
      const tokenizer = await Tokenizer.load(place);
      const { clsId: cls, sepId: sep, padId: pad, unkId: unk } = tokenizer;
      expect({ cls, sep, pad, unk }).toEqual(family.ids);
    }
  });

  it('encodes words as the tokenizers package does, each by itself', async () => {
    const tokenizer = await Tokenizer.load(directory);
    const native = nativeTokenizer(family);
    for (const words of sentences) {
      const inputIds = [family.ids.cls];
      const wordIds: (number | null)[] = [null];
      for (const [number, word] of words.entries()) {
        const ids = (await native.encode(word, null, { addSpecialTokens: false })).getIds();
        inputIds.push(...ids);
        wordIds.push(...ids.map(() => number));
      }
      const encoded = tokenizer.encodeWords(words, { maxLength: 512 });
      const textOf = (ids: readonly number[]) => ids.map((id) => tokenizer.tokens()[id]);
      expect(textOf(encoded.inputIds), words.join(' | ')).toEqual(textOf([...inputIds, family.ids.sep]));
      expect(encoded.inputIds).toEqual([...inputIds, family.ids.sep]);
      expect(encoded.wordIds).toEqual([...wordIds, null]);
    }
  });

  it('numbers a word with joiners inside as one word of running text', async () => {
    const tokenizer = await Tokenizer.load(directory);
    const words = ['Ann', 'می\u200cخواهم', 'soft\u00adhyphen', '\u2764\ufe0f', '👩\u200d👧', 'Oslo'];
    const text = words.join(' ');
    const { wordIds, starts, ends } = await tokenizer.encodeText(text);
    const spans = new Map<number, [number, number]>();
    for (const [token, word] of wordIds.entries()) {
      spans.set(word, [spans.get(word)?.[0] ?? starts[token]!, ends[token]!]);
    }
    expect([...spans.values()].map(([start, end]) => text.slice(start, end).trim())).toEqual(words);
  });

  it('cuts a word of 64,000 characters in a moment, and as the tokenizers package does', async () => {
    const tokenizer = await Tokenizer.load(directory);
    const letters = english.validation.flatMap(({ words }) => words).join('');
    const word = letters.repeat(Math.ceil(64_000 / letters.length)).slice(0, 64_000);
    const started = performance.now();
    const pieces = tokenizer.wordPieces(word);
    expect(performance.now() - started).toBeLessThan(5000);
    const native = await nativeTokenizer(family).encode(word, null, { addSpecialTokens: false });
    expect([...pieces]).toEqual(native.getIds());
  });

  it('marks the first sub-token of every word alike, wherever it stands', async () => {
    const tokenizer = await Tokenizer.load(directory);
    const [word] = english.train[0]!.words;
    const pieces = [...tokenizer.wordPieces(word!)];
    expect(tokenizer.encodeWords([word!, word!]).inputIds).toEqual([
      family.ids.cls,
      ...pieces,
      ...pieces,
      family.ids.sep,
    ]);
    expect(tokenizer.tokens()[pieces[0]!]).toMatch(/^[Ġ▁]/);
  });

  it('is saved as it was read', async () => {
    const tokenizer = await Tokenizer.load(directory);
    const saved = join(root, 'saved');
    await tokenizer.save(saved, { maxLength: 40 });
    const again = await Tokenizer.load(saved);
    expect(again.digest).toBe(tokenizer.digest);
    expect(again.encodeWords(sentences[0]!)).toEqual(tokenizer.encodeWords(sentences[0]!));
    const config = JSON.parse(readFileSync(join(saved, 'tokenizer_config.json'), 'utf8'));
    expect(config).toMatchObject({ ...family.config, model_max_length: 40 });
    expect(config.add_prefix_space).toBe(name === 'roberta' ? true : undefined);
    expect(config.cls_token).toBe(tokenizer.tokens()[family.ids.cls]);
  });
});

describe('what is not computed is refused by name', () => {
  const root = mkdtempSync(join(tmpdir(), 'permafrost-tokenizers-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it.each([
    ['model.byte_fallback', xlmRobertaTokenizer, { byte_fallback: true }],
    ['model.dropout', robertaTokenizer, { dropout: 0.1 }],
    ['model.end_of_word_suffix', robertaTokenizer, { end_of_word_suffix: '</w>' }],
  ])('%s', async (field, make, change) => {
    const { document } = make('a b c d');
    const file = join(root, 'tokenizer.json');
    writeFileSync(file, JSON.stringify({ ...document, model: { ...(document.model as object), ...change } }));
    await expect(Tokenizer.load(file)).rejects.toMatchObject({
      code: 'UNSUPPORTED_MODEL',
      message: expect.stringContaining(field),
    });
  });

  it.each([
    ['unk_id', xlmRobertaTokenizer, { unk_id: null }],
    ['model.vocab', xlmRobertaTokenizer, { vocab: { a: 1 } }],
    ['model.merges', robertaTokenizer, { merges: ['a b c'] }],
    ['model.vocab', robertaTokenizer, { vocab: [['a', 1]] }],
  ])('a broken %s', async (field, make, change) => {
    const { document } = make('a b c d');
    const file = join(root, 'tokenizer.json');
    writeFileSync(file, JSON.stringify({ ...document, model: { ...(document.model as object), ...change } }));
    await expect(Tokenizer.load(file)).rejects.toMatchObject({
      code: 'DATA_FORMAT',
      message: expect.stringContaining(field),
    });
  });
});
