import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tokenizer as NativeTokenizer } from '@anush008/tokenizers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { describeShared, sharedPath } from '../helpers/shared.js';

const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const VOCAB = [
  ...SPECIALS,
  'new',
  'york',
  '##er',
  'is',
  'New',
  '.',
  "'",
  's',
  '-',
  'é',
  'e',
  '##́',
  '北',
  '京',
];
const id = (token: string) => VOCAB.indexOf(token);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'permafrost-tokenizer-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function put(name: string, content: string | Buffer | object): Promise<string> {
  const file = join(directory, name);
  const isText = typeof content === 'string' || Buffer.isBuffer(content);
  await writeFile(file, isText ? content : JSON.stringify(content));
  return file;
}

const lines = (tokens: string[]) => `${tokens.join('\n')}\n`;
const tokensOf = (tokenizer: Tokenizer, ...words: string[]) =>
  tokenizer
    .encodeWords(words)
    .inputIds.slice(1, -1)
    .map((token) => tokenizer.tokens()[token]);

describe('encodeWords', () => {
  const tokenizer = Tokenizer.fromVocab(VOCAB, { lowercase: true });

  it('lays [CLS] and [SEP] around the sub-tokens and says which word each comes from', () => {
    expect(tokenizer.encodeWords(['New', 'Yorker', "is's"], { maxLength: 20 })).toEqual({
      inputIds: [id('[CLS]'), id('new'), id('york'), id('##er'), id('is'), id("'"), id('s'), id('[SEP]')],
      wordIds: [null, 0, 1, 1, 2, 2, 2, null],
      truncatedWords: 0,
      partialWords: 0,
    });
  });

  it('encodes no words at all', () => {
    expect(tokenizer.encodeWords([]).inputIds).toEqual([id('[CLS]'), id('[SEP]')]);
  });

  it('counts words that lost their first sub-token, and apart from them one that lost a later one', () => {
    const words = ['new', 'yorker', 'is', '\u200b', 'new'];
    const cut = (maxLength: number) => {
      const { inputIds, wordIds, truncatedWords, partialWords } = tokenizer.encodeWords(words, { maxLength });
      expect(inputIds.at(-1)).toBe(id('[SEP]'));
      expect(wordIds.length).toBe(inputIds.length);
      return [inputIds.length, truncatedWords, partialWords];
    };
    expect([7, 6, 5, 4, 3].map(cut)).toEqual([
      [7, 0, 0],
      [6, 1, 0],
      [5, 2, 0],
      [4, 2, 1],
      [3, 3, 0],
    ]);
  });

  it('cuts a word the same way however often and in whatever company it comes', () => {
    const fresh = Tokenizer.fromVocab(VOCAB, { lowercase: true });
    const once = fresh.encodeWords(['yorker']).inputIds;
    // More words than the first pool of sub-tokens holds.
    for (let i = 0; i < 20_000; i++) fresh.encodeWords([`new${i}`]);
    expect(fresh.encodeWords(['yorker']).inputIds).toEqual(once);
    expect(fresh.encodeWords(['new19']).inputIds).toEqual([id('[CLS]'), id('[UNK]'), id('[SEP]')]);
  });

  it('keeps case and accents where it does not lowercase', () => {
    const cased = Tokenizer.fromVocab(VOCAB, { lowercase: false });
    expect(tokensOf(cased, 'New', 'new', 'é', 'NEW')).toEqual(['New', 'new', 'é', '[UNK]']);
    expect(tokensOf(tokenizer, 'New', 'é', 'NEW')).toEqual(['new', 'e', 'new']);
    expect([cased.lowercase, tokenizer.lowercase]).toEqual([false, true]);
  });

  it('splits ideographs and punctuation, and finds special tokens that are typed out', () => {
    expect(tokensOf(tokenizer, '北京', 'new-york', 'a[SEP]is', '[sep]')).toEqual([
      '北',
      '京',
      'new',
      '-',
      'york',
      '[UNK]',
      '[SEP]',
      'is',
      '[UNK]',
      '[UNK]',
      '[UNK]',
    ]);
  });

  it('takes words that are names of object members', () => {
    const odd = Tokenizer.fromVocab([...SPECIALS, '_', 'proto', 'constructor'], { lowercase: true });
    expect(tokensOf(odd, 'constructor', '__proto__', 'toString')).toEqual([
      'constructor',
      '_',
      '_',
      'proto',
      '_',
      '_',
      '[UNK]',
    ]);
  });

  it.each([2, 0, -1, 7.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses a maximum length of %s',
    (maxLength) => {
      expect(() => tokenizer.encodeWords(['new'], { maxLength })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('maxLength') }),
      );
    },
  );
});

describe('Tokenizer.load', () => {
  it('reads vocab.txt by name and by directory, with Windows line ends and without a last one', async () => {
    const file = await put('vocab.txt', VOCAB.join('\r\n'));
    for (const path of [file, directory]) {
      const tokenizer = await Tokenizer.load(path);
      expect(tokenizer.vocabSize).toBe(VOCAB.length);
      expect(tokensOf(tokenizer, 'Yorker', '京')).toEqual(['york', '##er', '京']);
      const { padId, unkId, clsId, sepId, maskId } = tokenizer;
      expect([padId, unkId, clsId, sepId, maskId]).toEqual([0, 1, 2, 3, 4]);
    }
  });

  it('lowercases as tokenizer_config.json says, true without it, and as the caller says before all', async () => {
    await put('vocab.txt', lines(VOCAB));
    expect((await Tokenizer.load(directory)).lowercase).toBe(true);
    await put('tokenizer_config.json', { do_lower_case: false });
    expect((await Tokenizer.load(directory)).lowercase).toBe(false);
    expect((await Tokenizer.load(directory, { lowercase: true })).lowercase).toBe(true);
  });

  it('prefers tokenizer.json in a directory that has both', async () => {
    await Tokenizer.fromVocab([...VOCAB, 'frost'], { lowercase: false }).save(directory);
    await put('vocab.txt', lines(VOCAB));
    const tokenizer = await Tokenizer.load(directory);
    expect([tokenizer.vocabSize, tokenizer.lowercase]).toEqual([VOCAB.length + 1, false]);
    expect((await Tokenizer.load(directory, { lowercase: true })).lowercase).toBe(true);
    expect((await Tokenizer.load(join(directory, 'vocab.txt'))).vocabSize).toBe(VOCAB.length);
  });

  it('takes special tokens under the names that the configuration gives them', async () => {
    await put('vocab.txt', lines(['<pad>', '<unk>', '<s>', '</s>', '<mask>', 'new']));
    await put('special_tokens_map.json', {
      pad_token: '<pad>',
      unk_token: { content: '<unk>' },
      cls_token: '<s>',
      sep_token: '</s>',
      mask_token: '<mask>',
    });
    const tokenizer = await Tokenizer.load(directory);
    expect(tokenizer.encodeWords(['new', 'old', '</s>']).inputIds).toEqual([2, 5, 1, 3, 3]);
  });

  it('finds tokens that were added after the vocabulary', async () => {
    await put('vocab.txt', lines(VOCAB));
    const user = { content: '@USER', special: false, normalized: false };
    await put('tokenizer_config.json', { added_tokens_decoder: { 19: user } });
    const tokenizer = await Tokenizer.load(directory);
    expect(tokenizer.vocabSize).toBe(20);
    expect(tokenizer.encodeWords(['new@USER.']).inputIds).toEqual([2, id('new'), 19, id('.'), 3]);
  });

  it('finds added tokens of a tokenizer.json in normalized text where it says so', async () => {
    await Tokenizer.fromVocab(VOCAB, { lowercase: true }).save(directory);
    const json = JSON.parse(await readFile(join(directory, 'tokenizer.json'), 'utf8'));
    const flags = { single_word: false, lstrip: false, rstrip: false, special: false };
    json.added_tokens.push({ id: 19, content: 'New York', normalized: true, ...flags });
    json.added_tokens.push({ id: 20, content: 'Is', normalized: true, ...flags });
    const file = await put('tokenizer.json', json);
    const tokenizer = await Tokenizer.load(file);
    const native = NativeTokenizer.fromFile(file);
    const words = ['new york', 'IS', 'xIsnew', 'er'];
    const expected = await native.encode(words.join(' '));
    expect(tokenizer.encodeWords(words).inputIds).toEqual(expected.getIds());
    expect(tokensOf(tokenizer, 'IS')).toEqual(['Is']);
  });
});

describe('what cannot be loaded', () => {
  it.each(SPECIALS)('names a vocabulary that lacks %s', async (missing) => {
    const file = await put('vocab.txt', lines(VOCAB.filter((token) => token !== missing)));
    const refusal = expect.objectContaining({
      code: 'DATA_FORMAT',
      message: expect.stringContaining(`lacks ${missing}`),
      details: { file, missing: [missing] },
    });
    await expect(Tokenizer.load(file)).rejects.toThrow(refusal);
  });

  it('names what a generated vocabulary lacks', () => {
    expect(() => Tokenizer.fromVocab(['a', '[UNK]'], { lowercase: true })).toThrow(
      /lacks \[PAD\], \[CLS\], \[SEP\], \[MASK\]/,
    );
  });

  it.each([
    ['a path that does not exist', 'none', null, 'FILE_NOT_FOUND', 'does not exist'],
    [
      'a directory without a tokenizer',
      '',
      null,
      'FILE_NOT_FOUND',
      'holds none of tokenizer.json, vocab.txt, sentencepiece.bpe.model',
    ],
    ['an empty vocabulary', 'vocab.txt', '', 'DATA_FORMAT', 'empty'],
    ['a vocabulary that is no text', 'vocab.txt', Buffer.of(0xff, 0xfe, 0x41), 'DATA_FORMAT', 'UTF-8'],
    ['a tokenizer.json that is cut', 'tokenizer.json', '{"model": {', 'DATA_FORMAT', 'not JSON'],
    ['a tokenizer.json that is a list', 'tokenizer.json', '[]', 'DATA_FORMAT', 'JSON object'],
    ['a tokenizer.json without a model', 'tokenizer.json', '{}', 'DATA_FORMAT', '"model"'],
    [
      'a tokenizer.json of another model',
      'tokenizer.json',
      { model: { type: 'WordLevel', vocab: {} } },
      'UNSUPPORTED_MODEL',
      'expected WordPiece, BPE or Unigram, got model type "WordLevel"',
    ],
    [
      'an id that is no number',
      'tokenizer.json',
      { model: { type: 'WordPiece', vocab: { new: '5' } } },
      'DATA_FORMAT',
      'id of "new"',
    ],
    [
      'another layout of special tokens',
      'tokenizer.json',
      { model: { type: 'WordPiece', vocab: {} }, post_processor: { type: 'RobertaProcessing' } },
      'UNSUPPORTED_MODEL',
      'RobertaProcessing',
    ],
  ] as const)('%s', async (_, name, content, code, message) => {
    if (content !== null) await put(name, content);
    await expect(Tokenizer.load(join(directory, name))).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it('a pre-tokenizer that the tokenizers package does not know', async () => {
    await Tokenizer.fromVocab(VOCAB, { lowercase: true }).save(directory);
    const json = JSON.parse(await readFile(join(directory, 'tokenizer.json'), 'utf8'));
    const file = await put('tokenizer.json', { ...json, pre_tokenizer: { type: 'Guess' } });
    await expect(Tokenizer.load(file)).rejects.toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED_MODEL' }),
    );
  });
});

describe('save and digest', () => {
  it('writes files from which the same tokenizer comes back, by either way', async () => {
    const tokenizer = Tokenizer.fromVocab(VOCAB, { lowercase: false });
    await tokenizer.save(directory);
    const viaJson = await Tokenizer.load(directory);
    await rm(join(directory, 'tokenizer.json'));
    const viaVocabulary = await Tokenizer.load(directory);
    expect([viaJson.digest, viaVocabulary.digest]).toEqual([tokenizer.digest, tokenizer.digest]);
    expect(viaVocabulary.lowercase).toBe(false);
    const config = JSON.parse(await readFile(join(directory, 'tokenizer_config.json'), 'utf8'));
    expect(config).toMatchObject({
      do_lower_case: false,
      cls_token: '[CLS]',
      tokenizer_class: 'BertTokenizer',
    });
  });

  it('tells vocabularies and rules apart', () => {
    const digest = (vocab: string[], lowercase: boolean) => Tokenizer.fromVocab(vocab, { lowercase }).digest;
    const all = [digest(VOCAB, true), digest(VOCAB, false), digest([...VOCAB, 'x'], true)];
    expect(new Set(all).size).toBe(3);
    expect(digest(VOCAB, true)).toBe(all[0]);
  });

  it('answers a directory that cannot be with WRITE_FAILED', async () => {
    const file = await put('file', '');
    const saved = Tokenizer.fromVocab(VOCAB, { lowercase: true }).save(join(file, 'below'));
    await expect(saved).rejects.toThrow(expect.objectContaining({ code: 'WRITE_FAILED' }));
  });

  it('keeps the ids of a vocabulary with holes', async () => {
    await Tokenizer.fromVocab(VOCAB, { lowercase: true }).save(directory);
    const json = JSON.parse(await readFile(join(directory, 'tokenizer.json'), 'utf8'));
    json.model.vocab.frost = 25;
    await put('tokenizer.json', json);
    const tokenizer = await Tokenizer.load(directory);
    expect(tokenizer.vocabSize).toBe(26);
    const copy = await mkdtemp(join(directory, 'copy-'));
    await tokenizer.save(copy);
    expect((await Tokenizer.load(join(copy, 'vocab.txt'))).tokenId('frost')).toBe(25);
  });
});

describeShared('the real vocabulary', () => {
  const file = sharedPath('data', 'bert-base-uncased', 'vocab.txt');
  const words = async () => {
    const text = await readFile(sharedPath('data', 'wnut17', 'wnut17train.conll'), 'utf8');
    return text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.split('\t')[0]!]));
  };

  it('has all its tokens', async () => {
    const tokenizer = await Tokenizer.load(file);
    expect(tokenizer.vocabSize).toBe(30_522);
    expect([tokenizer.padId, tokenizer.unkId, tokenizer.clsId, tokenizer.sepId]).toEqual([0, 100, 101, 102]);
  });

  it.each([true, false])(
    'is saved so that the tokenizers package gives the same ids (lowercase %s)',
    async (lowercase) => {
      const tokenizer = await Tokenizer.load(file, { lowercase });
      await mkdir(join(directory, 'saved'));
      await tokenizer.save(join(directory, 'saved'));
      expect(await readFile(join(directory, 'saved', 'vocab.txt'), 'utf8')).toBe(
        await readFile(file, 'utf8'),
      );
      const native = NativeTokenizer.fromFile(join(directory, 'saved', 'tokenizer.json'));
      const unique = [...new Set(await words())];
      const expected = await native.encodeBatch(unique);
      const differing = unique.filter(
        (word, i) => tokenizer.encodeWords([word]).inputIds.join() !== expected[i]!.getIds().join(),
      );
      expect(unique.length).toBeGreaterThan(14_000);
      expect(differing).toEqual([]);
    },
  );
});
