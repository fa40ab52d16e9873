import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Tokenizer } from '../../src/index.js';
import { messageBytes, ProtobufWriter } from '../../src/io/protobuf.js';
import { thrownBy } from '../helpers/thrown.js';

const fixtures = fileURLToPath(new URL('../fixtures/sentencepiece/', import.meta.url));
const expected: { sentences: string[][]; ids: Record<string, number[][]> } = JSON.parse(
  readFileSync(join(fixtures, 'expected.json'), 'utf8'),
);
const root = mkdtempSync(join(tmpdir(), 'permafrost-sentencepiece-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let copies = 0;

/** A directory with a SentencePiece model under a name that Transformers gives it, and what is said beside it. */
function directoryWith(model: string, name: string, beside: Record<string, object>): string {
  const directory = join(root, `copy-${copies++}`);
  mkdirSync(directory);
  copyFileSync(join(fixtures, model), join(directory, name));
  for (const [file, content] of Object.entries(beside))
    writeFileSync(join(directory, file), JSON.stringify(content));
  return directory;
}

const idsOf = (tokenizer: Tokenizer) =>
  expected.sentences.map((words) => tokenizer.encodeWords(words).inputIds);
const classOf = (name: string) => ({ 'tokenizer_config.json': { tokenizer_class: name } });

describe('a SentencePiece model alone', () => {
  it.each([
    ['XLMRobertaTokenizer', 'unigram.model', 'sentencepiece.bpe.model'],
    ['CamembertTokenizer', 'unigram.model', 'sentencepiece.bpe.model'],
    ['DebertaV2Tokenizer', 'deberta.model', 'spm.model'],
  ])('gives the ids of %s', async (name, model, file) => {
    const tokenizer = await Tokenizer.load(directoryWith(model, file, classOf(name)));
    expect(idsOf(tokenizer)).toEqual(expected.ids[name]);
    // Saved as tokenizer.json, it is the same.
    const saved = join(root, `saved-${name}`);
    await tokenizer.save(saved);
    const again = await Tokenizer.load(saved);
    expect(idsOf(again)).toEqual(expected.ids[name]);
    expect(again.digest).toBe(tokenizer.digest);
  });

  it('of byte pairs gives the ids of SentencePiece', async () => {
    const directory = directoryWith('bpe.model', 'spm.model', classOf('DebertaV2Tokenizer'));
    const tokenizer = await Tokenizer.load(directory);
    // A token that is looked for as a whole has no space before it, and what is but white space is no word.
    const isSame = (words: string[]) => !words.some((word) => /^<ent>$|^\s*$/u.test(word));
    const compared = expected.sentences.flatMap((words, i) => (isSame(words) ? [i] : []));
    expect(compared.length).toBeGreaterThan(7);
    for (const i of compared)
      expect(tokenizer.encodeWords(expected.sentences[i]!).inputIds).toEqual(expected.ids.bpe![i]);
  });

  it('is read by the type of the model beside it, and by its own path', async () => {
    const directory = directoryWith('unigram.model', 'sentencepiece.bpe.model', {
      'config.json': { model_type: 'xlm-roberta' },
    });
    const tokenizer = await Tokenizer.load(join(directory, 'sentencepiece.bpe.model'));
    expect(idsOf(tokenizer)).toEqual(expected.ids.XLMRobertaTokenizer);
    const { padId, clsId, sepId, unkId, maskId } = tokenizer;
    expect([clsId, padId, sepId, unkId, maskId]).toEqual([0, 1, 2, 3, tokenizer.vocabSize - 1]);
  });

  it('whose class is not known is refused', async () => {
    for (const beside of [{}, classOf('T5Tokenizer'), classOf('constructor')]) {
      const error = await thrownBy(() =>
        Tokenizer.load(directoryWith('unigram.model', 'spiece.model', beside)),
      );
      expect(error.code).toBe('UNSUPPORTED_MODEL');
      expect(error.message).toMatch(
        /spiece\.model: expected XLMRobertaTokenizer, .*does not say how its ids/,
      );
    }
  });

  it('of words, with bytes for unknown characters, empty or damaged is refused', async () => {
    const directory = directoryWith(
      'unigram.model',
      'sentencepiece.bpe.model',
      classOf('XLMRobertaTokenizer'),
    );
    const file = join(directory, 'sentencepiece.bpe.model');
    const whole = readFileSync(file);
    const failure = () => thrownBy(() => Tokenizer.load(directory));
    const piece = (text: string) => new ProtobufWriter().text(1, text).float(2, -1);
    const model = (trainer: ProtobufWriter) =>
      messageBytes(new ProtobufWriter().message(1, piece('a')).message(2, trainer));
    writeFileSync(file, model(new ProtobufWriter().integer(3, 3)));
    expect(await failure()).toMatchObject({
      code: 'UNSUPPORTED_MODEL',
      message: expect.stringContaining('of type 3'),
    });
    writeFileSync(file, model(new ProtobufWriter().integer(35, 1)));
    expect(await failure()).toMatchObject({
      code: 'UNSUPPORTED_MODEL',
      message: expect.stringContaining('byte_fallback'),
    });
    for (const bytes of ['', 'version https://git-lfs.github.com/spec/v1\n', 'text']) {
      writeFileSync(file, bytes);
      expect((await failure()).code).toBe('DATA_FORMAT');
    }
    writeFileSync(file, whole);
    truncateSync(file, whole.length - 1);
    expect((await failure()).message).toMatch(/is no SentencePiece model: .*goes beyond the end/);
  });

  it('whose character map leads out of itself is refused, and so is a tokenizer.json with it', async () => {
    const directory = directoryWith(
      'unigram.model',
      'sentencepiece.bpe.model',
      classOf('XLMRobertaTokenizer'),
    );
    const saved = join(root, 'saved-for-damage');
    await (await Tokenizer.load(directory)).save(saved);
    const file = join(saved, 'tokenizer.json');
    const document = JSON.parse(readFileSync(file, 'utf8'));
    const whole = Buffer.from(document.normalizer.precompiled_charsmap, 'base64');
    const written = (value: number, at: number) => (map: Buffer) => {
      map.writeUInt32LE(value, at);
      return map;
    };
    const damages: ((map: Buffer) => Buffer)[] = [
      (map) => map.subarray(0, 100),
      written(whole.length, 0),
      written(0x7fffffff, 4),
      written(0x40000, 4),
      // The texts are gone, the places in them are not.
      (map) => map.subarray(0, 4 + map.readUInt32LE()),
      () => Buffer.alloc(0),
    ];
    for (const damage of damages) {
      document.normalizer.precompiled_charsmap = damage(Buffer.from(whole)).toString('base64');
      writeFileSync(file, JSON.stringify(document));
      const error = await thrownBy(() => Tokenizer.load(file));
      expect(error.code).toBe('DATA_FORMAT');
      expect(error.message).toContain('the character map of its normalizer is damaged');
    }
  });
});
