import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSentences, Tokenizer } from '../../src/index.js';
import { textEncoder } from '../../src/text/encode-text.js';
import { describeShared, sharedPath } from '../helpers/shared.js';
import { thrownBy } from '../helpers/thrown.js';

const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const VOCAB = [...SPECIALS, 'ann', 'os', '##lo', 'cafe', 'in', '.', ',', 'x', '##y', 'u', 's', '北', '京'];

/** Each token with the text it stands for, and whether it goes on with the word before it. */
async function pieces(tokenizer: Tokenizer, text: string): Promise<[string, string, boolean][]> {
  const { inputIds, wordIds, starts, ends } = await tokenizer.encodeText(text);
  return Array.from(inputIds, (id, token) => [
    tokenizer.tokens()[id]!,
    text.slice(starts[token], ends[token]),
    token > 0 && wordIds[token] === wordIds[token - 1],
  ]);
}

describe('encodeText', () => {
  const tokenizer = Tokenizer.fromVocab(VOCAB, { lowercase: true });

  it('says that a vocabulary lacks its unknown token, where a text needs it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'permafrost-unknown-'));
    try {
      await tokenizer.save(folder);
      const file = join(folder, 'tokenizer.json');
      const document = JSON.parse(readFileSync(file, 'utf8'));
      delete document.model.vocab['[UNK]'];
      writeFileSync(file, JSON.stringify(document));
      const error = await thrownBy(async () => (await Tokenizer.load(folder)).encodeText('ann ☃'));
      expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { file } });
      expect(error.message).toContain('[UNK]');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('gives tokens, their places and their words, without special tokens', async () => {
    expect(await pieces(tokenizer, 'Ann in Oslo.')).toEqual([
      ['ann', 'Ann', false],
      ['in', 'in', false],
      ['os', 'Os', false],
      ['##lo', 'lo', true],
      ['.', '.', false],
    ]);
    expect(await pieces(tokenizer, '')).toEqual([]);
    expect(await pieces(tokenizer, ' \n\t ')).toEqual([]);
  });

  it('counts in UTF-16 units behind characters that take two of them', async () => {
    const text = '👩‍👩‍👧 🏳️‍🌈 𝔘 Ann\r\nÖ 北京, Café x🙂 \ud83d Oslo \u0000xy';
    const found = await pieces(tokenizer, text);
    expect(found.filter(([token]) => token !== '[UNK]')).toEqual([
      ['ann', 'Ann', false],
      ['北', '北', false],
      ['京', '京', false],
      [',', ',', false],
      ['cafe', 'Café', false],
      ['os', 'Os', false],
      ['##lo', 'lo', true],
      ['x', 'x', false],
      ['##y', 'y', true],
    ]);
    expect(found.filter(([token]) => token === '[UNK]').map(([, source]) => source)).toContain('x🙂');
  });

  it('leaves no part of a long text out', async () => {
    const text = 'Ann in Oslo. '.repeat(4000);
    const { inputIds, ends } = await tokenizer.encodeText(text);
    expect(inputIds.length).toBe(5 * 4000);
    expect(ends.at(-1)).toBe(text.length - 1);
  });

  it('makes words of punctuation at the edges of words that the pre-tokenizer splits at spaces alone', async () => {
    const vocab = ['<unk>', '▁(', 'O', 's', 'lo', ')', '.', '▁U', 'S', '▁', '(', 'U'];
    const encode = textEncoder(
      {
        version: '1.0',
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
        post_processor: null,
        decoder: null,
        model: { type: 'Unigram', unk_id: 0, vocab: vocab.map((token) => [token, -1]), byte_fallback: false },
      },
      'test',
    );
    const text = '(Oslo). U.S.';
    const { wordIds, starts, ends } = await encode(text);
    const spans = new Map<number, string>();
    for (const [token, word] of wordIds.entries()) {
      spans.set(word, (spans.get(word) ?? '') + text.slice(starts[token], ends[token]));
    }
    expect([...spans.values()].map((span) => span.trim())).toEqual(['(', 'Oslo', ')', '.', 'U.S', '.']);
  });

  it('names the file of a tokenizer that cannot be read', async () => {
    const error = await thrownBy(() => textEncoder({ model: { type: 'Nothing' } }, 'a/tokenizer.json'));
    expect(error.code).toBe('UNSUPPORTED_MODEL');
    expect(error.message).toContain('a/tokenizer.json');
  });
});

describeShared('places of tokens in real text', () => {
  const files = [
    'kaznerd/IOB2_valid.txt',
    'uner-ewt/en_ewt-ud-dev.iob2',
    'wnut17/emerging.dev.conll',
    'wnut17/wnut17train.conll',
  ];

  it.each(files)('reproduce the tokens in %s', async (file) => {
    const tokenizer = await Tokenizer.load(sharedPath('data', 'bert-base-uncased', 'vocab.txt'));
    const names = tokenizer.tokens();
    const faults: string[] = [];
    let known = 0;
    for (const { words } of await readSentences(sharedPath('data', ...file.split('/')))) {
      const text = words.join(' ');
      const { inputIds, starts, ends, wordIds } = await tokenizer.encodeText(text);
      for (const [token, id] of inputIds.entries()) {
        const source = text.slice(starts[token], ends[token]);
        if (/^\s|\s$|^$/.test(source)) faults.push(`edges of ${source} in ${text}`);
        const before = token === 0 ? 0 : ends[token - 1]!;
        const gap = text.slice(before, starts[token]);
        const isSameWord = token > 0 && wordIds[token] === wordIds[token - 1];
        const allowed = isSameWord ? /^[\p{M}\p{C}]*$/u : /^[\s\p{M}\p{C}]*$/u;
        if (starts[token]! < before || !allowed.test(gap)) faults.push(`before ${source} in ${text}`);
        if (id === tokenizer.unkId) continue;
        known++;
        const plain = source
          .toLowerCase()
          .normalize('NFD')
          .replace(/[\p{Mn}\p{C}]/gu, '');
        if (plain !== names[id]!.replace(/^##(?=.)/, ''))
          faults.push(`${names[id]} for ${source} in ${text}`);
      }
    }
    expect(faults).toEqual([]);
    expect(known).toBeGreaterThan(1000);
  });

  it('lets through the ids that training sees', async () => {
    const tokenizer = await Tokenizer.load(sharedPath('data', 'bert-base-uncased', 'vocab.txt'));
    const different: string[] = [];
    for (const { words } of await readSentences(sharedPath('data', 'wnut17', 'emerging.dev.conll'))) {
      const { inputIds } = await tokenizer.encodeText(words.join(' '));
      const expected = tokenizer.encodeWords(words, { maxLength: 10_000 }).inputIds.slice(1, -1);
      if (String(inputIds) !== String(expected)) different.push(words.join(' '));
    }
    expect(different).toEqual([]);
  });
});
