import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { splitWords } from '../../src/data/split-words.js';
import { Random } from '../../src/io/random.js';
import { canonicalForm } from '../../src/text/canonical-form.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import {
  debertaTokenizer,
  nativeTokenizer,
  robertaTokenizer,
  xlmRobertaTokenizer,
} from '../helpers/family-tokenizers.js';
import { isLinear, turnsDuring } from '../helpers/growth.js';
import { thrownBy } from '../helpers/thrown.js';

const TEXT = 'the quick brown fox jumps over the lazy dog aaaa bbb London Paris 1984 '.repeat(40);
const VOCAB = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', '##a', '##aa', 'london', '.', '北'];

const root = mkdtempSync(join(tmpdir(), 'permafrost-hostile-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const random = new Random(5, 'hostile text');
const pick = <Item>(items: readonly Item[]) => items[random.int(items.length)]!;

describe('canonical forms', () => {
  const MARKS = [
    '\u0301',
    '\u0316',
    '\u0345',
    '\u0334',
    '\u0308',
    '\u0344',
    '\u0327',
    '\u05b0',
    '\u093f',
    '\u0c55',
  ];

  it.each(['NFC', 'NFD'] as const)('%s is that of the engine, runs of marks of any length', (form) => {
    for (let i = 0; i < 300; i++) {
      const run = () => Array.from({ length: random.int(90) }, () => pick(MARKS)).join('');
      const text = `${pick(['e', 'é', 'ệ', ' ', '가', 'क'])}${run()}${pick(['a', '\u1100', ''])}${run()}`;
      expect(canonicalForm(text, form)).toBe(text.normalize(form));
    }
  });

  it('take time in proportion', async () => {
    expect(await isLinear(20_000, (n) => canonicalForm('\u0301\u0316'.repeat(n), 'NFD'))).toBe(true);
  });
});

it('words are those that a regular expression finds', () => {
  const attached =
    '\\u00ad\\u180b-\\u180d\\u180f\\u200c\\u200d\\u2060\\ufe00-\\ufe0f\\u{e0020}-\\u{e007f}\\u{e0100}-\\u{e01ef}';
  const symbol = `[^\\s\\p{L}\\p{M}\\p{N}${attached}][${attached}\\p{Emoji_Modifier}\\u20e3]*`;
  const letters = `(?![${attached}])[\\p{L}\\p{M}\\p{N}][\\p{L}\\p{M}\\p{N}${attached}]*`;
  const word = new RegExp(`${letters}|${symbol}(?:(?<=\\u200d)${symbol})*`, 'gu');
  const characters = [
    ...'ab1 é\u0301\u200d\u200c\ufe0f\u00ad👩👧🏽❤\u20e3#.,北\n\t\u3000\ud800\udc00ж\u{e0030}\u2060',
  ];
  for (let i = 0; i < 2000; i++) {
    const text = Array.from({ length: random.int(24) }, () => pick(characters)).join('');
    expect(splitWords(text)).toEqual(text.match(word) ?? []);
  }
});

describe.each([
  ['roberta', robertaTokenizer],
  ['xlm-roberta', xlmRobertaTokenizer],
  ['deberta', debertaTokenizer],
] as const)('%s', (name, make) => {
  const family = make(TEXT);
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    const file = join(root, `${name}.json`);
    writeFileSync(file, JSON.stringify(family.document));
    tokenizer = await Tokenizer.load(file);
  });

  it.each(['a', 'theqickbrownfox', '\u0301', 'ж', '!', 'a1'])(
    'cuts one word of %j in time in proportion',
    async (unit) => {
      let fresh = 0;
      const word = (n: number) => `${unit.repeat(Math.ceil(n / unit.length))}${fresh++}`;
      expect(await isLinear(8000, (n) => tokenizer.wordPieces(word(n)))).toBe(true);
    },
  );

  it('encodes a long text as the tokenizers package does in one go, every token in its place', async () => {
    const words = [
      'London',
      'the',
      'aaaa',
      'x',
      '1984',
      '...',
      '(fox)',
      'жук',
      "it's",
      '<mask>',
      '\u200d',
      'é',
    ];
    const gaps = [' ', ' ', ' ', ' ', '  ', '\n', ' \n ', '\t', '   ', '-', ''];
    let text = '';
    while (text.length < 60_000) text += pick(words) + pick(gaps);
    const whole = await nativeTokenizer(family).encode(text, null, { addSpecialTokens: false });
    const { inputIds, starts, ends, wordIds } = await tokenizer.encodeText(text);
    expect([...inputIds]).toEqual(whole.getIds());
    expect(Array.from(starts, (start, i) => [start, ends[i]])).toEqual(whole.getOffsets());
    expect(
      wordIds.every((word, i) => i === 0 || word === wordIds[i - 1] || word === wordIds[i - 1]! + 1),
    ).toBe(true);
  });

  it('leaves turns to the event loop in a long text', async () => {
    const text = 'the quick fox '.repeat(20_000);
    expect(await turnsDuring(() => tokenizer.encodeText(text))).toBeGreaterThanOrEqual(20);
  });

  it('refuses a word of more than a mebi of characters', async () => {
    const error = await thrownBy(() => tokenizer.wordPieces('x'.repeat(2 ** 20 + 1)));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { got: 2 ** 20 + 1 } });
  });
});

describe('a tokenizer.json', () => {
  const saved = async (change: (document: Record<string, Record<string, unknown>>) => void) => {
    const directory = mkdtempSync(join(root, 'changed-'));
    await Tokenizer.fromVocab(VOCAB, { lowercase: true }).save(directory);
    const file = join(directory, 'tokenizer.json');
    const document = JSON.parse(readFileSync(file, 'utf8'));
    change(document);
    writeFileSync(file, JSON.stringify(document));
    return file;
  };

  it('whose vocabulary lacks its unknown token is loaded, and what needs the token is refused', async () => {
    const file = await saved(({ model }) => {
      const { '[UNK]': _unknown, ...vocab } = model!.vocab as Record<string, number>;
      model!.vocab = vocab;
    });
    const tokenizer = await Tokenizer.load(file);
    expect((await tokenizer.encodeText('london')).inputIds).toEqual(Int32Array.of(VOCAB.indexOf('london')));
    const error = await thrownBy(() => tokenizer.encodeText('paris'));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { file } });
    expect(error.message).toContain('unknown token');
  });

  it('without its unknown token at all is refused by name', async () => {
    const file = await saved((document) => {
      const { '[UNK]': _unknown, ...vocab } = document.model!.vocab as Record<string, number>;
      document.model!.vocab = vocab;
      const added = document.added_tokens as unknown as { content: string }[];
      (document as Record<string, unknown>).added_tokens = added.filter(({ content }) => content !== '[UNK]');
    });
    // Settings beside it that name the token would add it.
    for (const name of ['tokenizer_config.json', 'special_tokens_map.json'])
      rmSync(join(dirname(file), name));
    const error = await thrownBy(() => Tokenizer.load(file));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { missing: ['[UNK]'] } });
  });

  it.each([
    ['post_processor', { single: { length: 3 } }],
    ['post_processor', { pair: [null] }],
    ['normalizer', { type: { toString: 1 } }],
    ['pre_tokenizer', { pretokenizers: [1], type: 'Sequence' }],
  ])('whose %s has another form is refused: %j', async (field, change) => {
    const file = await saved((document) => Object.assign(document[field]!, change));
    expect(await thrownBy(() => Tokenizer.load(file))).toMatchObject({
      code: 'DATA_FORMAT',
      details: { file },
    });
  });
});

describe('WordPiece', () => {
  const tokenizer = Tokenizer.fromVocab(VOCAB, { lowercase: true });

  it.each(['a', '\u0301\u0316', '北', '.', ' ', '[SEP]', 'a\u0301'])(
    'cuts words of %j in time in proportion',
    async (unit) => {
      let fresh = 0;
      const word = (n: number) => `${unit.repeat(Math.ceil(n / unit.length))}${fresh++}`;
      expect(await isLinear(8000, (n) => tokenizer.wordPieces(word(n)))).toBe(true);
    },
  );

  it('takes as long for pieces without a limit of length', async () => {
    const file = join(root, 'unlimited.json');
    await Tokenizer.fromVocab(VOCAB, { lowercase: true }).save(root);
    const document = JSON.parse(readFileSync(join(root, 'tokenizer.json'), 'utf8'));
    document.model.max_input_chars_per_word = 1e9;
    writeFileSync(file, JSON.stringify(document));
    const unlimited = await Tokenizer.load(file);
    let fresh = 0;
    expect(await isLinear(8000, (n) => unlimited.wordPieces(`${'a'.repeat(n)}.${fresh++}`))).toBe(true);
    const ids = [...unlimited.wordPieces('a'.repeat(6))].map((id) => unlimited.tokens()[id]);
    expect(ids).toEqual(['a', '##aa', '##aa', '##a']);
  });
});
