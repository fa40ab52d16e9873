import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { MaskedLanguageModel, Tagger, TokenClassifier, Tokenizer } from '../../src/index.js';
import { loadTrainedModel } from '../../src/model/trained-model.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { type RawTensor, rawTensors, writeTensorFile } from '../helpers/safetensors-file.js';
import { thrownBy } from '../helpers/thrown.js';
import { TINY, withModel } from '../helpers/with-model.js';

// What people have in a model directory beside what this package writes.

const root = mkdtempSync(join(tmpdir(), 'permafrost-found-'));
const original = join(root, 'original');
const LFS = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 440473133\n';
const VOCAB = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'ada', 'in', 'oslo'];
const output = capturedOutput();
let tensors: RawTensor[];
let copies = 0;

beforeAll(async () => {
  const tokenizer = Tokenizer.fromVocab(VOCAB, { lowercase: true });
  await withModel((model) => model.save(original), {}, { tokenizer });
  tensors = rawTensors(join(original, 'model.safetensors'));
  writeFileSync(join(root, 'data.conll'), 'Ada B-X\nin O\nOslo B-X\n\n'.repeat(4));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A copy of the model with some of its files replaced, or with null removed. */
function modelWith(files: Record<string, string | object | RawTensor[] | null>): string {
  const directory = join(root, `copy-${copies++}`);
  cpSync(original, directory, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const file = join(directory, name);
    if (content === null) rmSync(file);
    else if (Array.isArray(content)) writeTensorFile(file, content);
    else writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return directory;
}

const configWith = (changes: object) => ({
  'config.json': { ...JSON.parse(readFileSync(join(original, 'config.json'), 'utf8')), ...changes },
});
const extra = (name: string, dtype = 'F32'): RawTensor => ({
  ...{ name, dtype, shape: [1] },
  bytes: new Uint8Array(dtype === 'I64' ? 8 : 4),
});

const floatsOf = (wanted: string) => {
  const { bytes } = tensors.find(({ name }) => name === wanted)!;
  return new Float32Array(Uint8Array.from(bytes).buffer);
};

async function reportOf(directory: string) {
  const model = await TokenClassifier.load(directory, { threads: 1 });
  const { loadReport } = model;
  await model.dispose();
  return loadReport;
}
const failureOf = (directory: string) => thrownBy(() => reportOf(directory));
const data = ['--data', join(root, 'data.conll')];

describe('a checkpoint with more than the model', () => {
  it('loads without other heads and buffers, and says what it left out', async () => {
    const others = ['qa_outputs.weight', 'crf.transitions', 'scorer.net.0.bias'].map((name) => extra(name));
    const buffers = ['bert.embeddings.token_type_ids', 'embeddings.position_ids'].map((name) =>
      extra(name, 'I64'),
    );
    const more = [...others, ...buffers];
    const directory = modelWith({ 'model.safetensors': [...more, ...tensors] });
    expect(await reportOf(directory)).toEqual({ fresh: [], unused: more.map(({ name }) => name) });
    for (const command of ['evaluate', 'predict']) {
      const rest = command === 'evaluate' ? data : ['--input', join(root, 'data.conll')];
      expect(
        await main([command, '--model', directory, '--threads', '1', '--max-length', '16', ...rest]),
      ).toBe(0);
      expect(output.err).toContain(
        '5 tensors of the checkpoint are not used: qa_outputs.weight, crf.transitions,',
      );
      output.err = '';
    }
    const train = [
      '--train',
      data[1]!,
      '--validation',
      data[1]!,
      '--epochs',
      '1',
      '--out',
      join(root, 'run'),
    ];
    expect(
      await main(['train', '--model', directory, '--threads', '1', '--max-length', '16', ...train]),
    ).toBe(0);
    // The data have other labels, which costs the head as well.
    expect(output.err).toContain('5 tensors of the checkpoint are not used: qa_outputs.weight');
  });

  it.each(['module.', '_orig_mod.', 'module._orig_mod.'])(
    'loads with %s before every name',
    async (prefix) => {
      const wrapped = [...tensors, extra('qa_outputs.bias')].map((tensor) => ({
        ...tensor,
        name: prefix + tensor.name,
      }));
      const report = await reportOf(modelWith({ 'model.safetensors': wrapped }));
      expect(report).toEqual({ fresh: [], unused: [`${prefix}qa_outputs.bias`] });
    },
  );

  it.each([
    ['a model that it was a part of', (name: string) => `model.${name}`, 'model.'],
    ['another family', (name: string) => name.replace(/^bert\./, 'roberta.'), ''],
    ['a library of sentence vectors', (name: string) => name.replace(/^bert\./, '0.auto_model.'), ''],
    [
      'a class with parallel training',
      (name: string) => `module.${name.replace(/^bert\./, 'encoder.')}`,
      'module.',
    ],
  ])('loads with the names of %s, and keeps the rows of its labels', async (_, rename, prefix) => {
    const others = ['qa_outputs.bias', 'crf.transitions'].map((name) => extra(prefix + name));
    const renamed = tensors.map((tensor) => ({ ...tensor, name: rename(tensor.name) }));
    const directory = modelWith({ 'model.safetensors': [...renamed, ...others] });
    expect(await reportOf(directory)).toEqual({ fresh: [], unused: others.map(({ name }) => name) });
    const labels = ['I-X', 'B-Y', 'O'];
    const model = await TokenClassifier.load(directory, { threads: 1, labels });
    try {
      expect(model.loadReport.freshLabels).toEqual(['B-Y']);
      const stored = floatsOf('classifier.weight');
      const width = model.config.hiddenSize;
      const rows = await model.readParameter('classifier.weight');
      expect(rows.slice(0, width)).toEqual(stored.slice(2 * width, 3 * width));
      expect(rows.slice(2 * width)).toEqual(stored.slice(0, width));
    } finally {
      await model.dispose();
    }
  });

  it('is refused where it holds two encoders', async () => {
    const twice = ['query.', 'passage.'].flatMap((prefix) =>
      tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace(/^bert\./, prefix) })),
    );
    const error = await failureOf(modelWith({ 'model.safetensors': twice.slice(0, -2) }));
    expect(error.code).toBe('WEIGHTS_MISMATCH');
    expect(error.message).toContain('tensors that the model needs');
  });

  it.each([
    'bert.encoder.layer.4.output.dense.bias',
    'encoder.layer.4.output.dense.bias',
    'bert.adapter.weight',
  ])('is refused with %s, which belongs to another encoder', async (name) => {
    const error = await failureOf(modelWith({ 'model.safetensors': [...tensors, extra(name)] }));
    expect(error).toMatchObject({ code: 'WEIGHTS_MISMATCH', details: { unexpected: [name] } });
  });

  it('gives no head of whole sentences to tokens', async () => {
    const directory = modelWith(configWith({ architectures: ['BertForSequenceClassification'] }));
    const head = ['classifier.weight', 'classifier.bias'];
    expect(await reportOf(directory)).toEqual({ fresh: head, unused: head });
  });
});

describe('a configuration', () => {
  it.each(['is_decoder', 'add_cross_attention'])('with %s is refused', async (field) => {
    const error = await failureOf(modelWith(configWith({ [field]: true })));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_MODEL', details: { field } });
    expect(await reportOf(modelWith(configWith({ [field]: false })))).toEqual({ fresh: [], unused: [] });
  });

  it.each([{ type_vocab_size: 3e8 }, { num_hidden_layers: 1e6 }, { vocab_size: 2e9 }])(
    'far larger than its weights is refused before memory is taken: %j',
    async (changes) => {
      const error = await failureOf(modelWith(configWith(changes)));
      expect(error.code).toBe('WEIGHTS_MISMATCH');
      expect(error.message).toMatch(
        /config\.json describes 1000000 layers.*model\.safetensors|model\.safetensors: tensor .*expected .*by config\.json/,
      );
    },
  );
});

describe('a fresh model', () => {
  it.each([
    { vocabSize: 2e9, hiddenSize: 4096 },
    { numLayers: 1e6, hiddenSize: 4096 },
    { labels: ['O'], typeVocabSize: 2e9, hiddenSize: 4096 },
  ])('larger than the memory is refused before any is taken, with the bytes: %j', async (sizes) => {
    const before = process.memoryUsage.rss();
    const error = await thrownBy(() =>
      TokenClassifier.create({ ...TINY, ...sizes }, { threads: 1, device: 'cpu' }),
    );
    expect(error.code).toBe('OUT_OF_MEMORY');
    const [, needed, free] = /at least (\d{13,}) bytes.*, but (\d+) .*are free/
      .exec(error.message)!
      .map(Number);
    expect(needed).toBeGreaterThan(free!);
    expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 28);
  });
});

describe('a tokenizer', () => {
  const larger = [...VOCAB, ...Array.from({ length: 50 }, (_, i) => `word${i}`)].join('\n');

  it('larger than the embedding is refused wherever the model is loaded', async () => {
    const directory = modelWith({ 'tokenizer.json': null, 'vocab.txt': larger });
    const errors = [
      await failureOf(directory),
      await thrownBy(() => Tagger.load(directory)),
      await thrownBy(() => MaskedLanguageModel.load(directory)),
    ];
    for (const error of errors) {
      expect(error.code).toBe('WEIGHTS_MISMATCH');
      expect(error.message).toContain(`${join(directory, 'vocab.txt')} has 58 tokens`);
      expect(error.message).toContain(`${join(directory, 'model.safetensors')} has rows for 50`);
    }
    const model = ['--model', directory, '--threads', '1'];
    const train = ['--train', data[1]!, '--validation', data[1]!, '--out', join(root, 'never')];
    for (const command of [
      ['evaluate', ...model, ...data],
      ['predict', ...model, '--text', 'Ada'],
      ['train', ...model, ...train],
      ['pretrain', ...model, ...data, '--out', join(root, 'never-2')],
    ]) {
      output.err = '';
      expect(await main(command), command[0]).toBe(1);
      expect(output.err, command[0]).toMatch(/\[WEIGHTS_MISMATCH\].*has 58 tokens.*has rows for 50/);
    }
  });

  it('counts the tokens that its configuration adds', async () => {
    const added = { added_tokens_decoder: { 60: { content: '@USER', special: true } } };
    const config = JSON.parse(readFileSync(join(original, 'tokenizer_config.json'), 'utf8'));
    expect(await reportOf(modelWith({ 'tokenizer_config.json': { ...config, ...added } }))).toEqual({
      fresh: [],
      unused: [],
    });
    const full = { additional_special_tokens: Array.from({ length: 44 }, (_, i) => `<${i}>`) };
    const directory = modelWith({ 'tokenizer_config.json': { ...config, ...full } });
    expect(await reportOf(directory)).toEqual({ fresh: [], unused: [], freshTokens: ['<42>', '<43>'] });
    const train = ['--train', data[1]!, '--validation', data[1]!, '--epochs', '1', '--threads', '1'];
    output.err = '';
    expect(await main(['train', '--model', directory, ...train, '--out', join(root, 'grown')])).toBe(0);
    expect(output.err).toContain('no rows for 2 tokens, which start afresh: <42> <43>');
    expect(await reportOf(join(root, 'grown', 'best'))).toEqual({ fresh: [], unused: [] });
  });

  it('whose vocabulary was extended has rows drawn where the configuration says so', async () => {
    const files = { 'tokenizer.json': null, 'vocab.txt': larger, ...configWith({ vocab_size: 58 }) };
    const directory = modelWith(files);
    const stored = floatsOf('bert.embeddings.word_embeddings.weight');
    const rowsOf = async (seed: number) => {
      const model = await TokenClassifier.load(directory, { threads: 1, seed });
      try {
        expect(model.loadReport.freshTokens).toEqual(larger.split('\n').slice(50));
        expect(model.config.vocabSize).toBe(58);
        expect((await model.logits({ inputIds: [[2, 57, 3]] })).data.every(Number.isFinite)).toBe(true);
        return await model.readParameter('bert.embeddings.word_embeddings.weight');
      } finally {
        await model.dispose();
      }
    };
    const [one, same, other] = [await rowsOf(1), await rowsOf(1), await rowsOf(2)];
    expect(one.slice(0, stored.length)).toEqual(stored);
    expect(one).toEqual(same);
    expect(one.slice(stored.length)).not.toEqual(other.slice(stored.length));
    const drawn = one.slice(stored.length);
    expect(drawn.every((value) => value !== 0 && Math.abs(value) < 0.2)).toBe(true);

    const masked = await MaskedLanguageModel.load(directory, { threads: 1 });
    expect(masked.loadReport.freshTokens).toHaveLength(8);
    await masked.dispose();
    const error = await failureOf(modelWith({ ...files, ...configWith({ vocab_size: 59 }) }));
    expect(error).toMatchObject({ code: 'WEIGHTS_MISMATCH', details: { expected: 50, got: 58 } });
  });
});

describe('a head that was never trained', () => {
  const bare = () =>
    modelWith({ 'model.safetensors': tensors.filter(({ name }) => name.startsWith('bert.')) });

  it('is begun by TokenClassifier.load, and refused where a model is used', async () => {
    const directory = bare();
    expect((await reportOf(directory)).fresh).toEqual(['classifier.weight', 'classifier.bias']);
    for (const load of [() => loadTrainedModel(directory), () => Tagger.load(directory)]) {
      const error = await thrownBy(load);
      expect(error).toMatchObject({
        code: 'WEIGHTS_MISMATCH',
        details: { missing: ['classifier.weight', 'classifier.bias'] },
      });
      expect(error.message).toContain('Train it first');
    }
    for (const command of [
      ['evaluate', ...data],
      ['predict', '--text', 'Ada'],
      ['predict', '--input', data[1]!],
    ]) {
      output.err = '';
      expect(await main([...command, '--model', directory, '--threads', '1'])).toBe(1);
      expect(output.err).toContain('no trained head');
      expect(output.out).toBe('');
    }
  });

  it('of a model in memory is the business of who made it', async () => {
    const tokenizer = Tokenizer.fromVocab(VOCAB, { lowercase: true });
    await withModel(
      async (model) => {
        const tagger = Tagger.of(model);
        expect(await tagger.tag('')).toEqual([]);
        await tagger.dispose();
      },
      TINY,
      { tokenizer },
    );
  });
});

describe('what lies where a model should', () => {
  it.each([['tf_model.h5', /It has tf_model\.h5, which is not read here/]])(
    'is told: %s without safetensors',
    async (name, message) => {
      const error = await failureOf(modelWith({ 'model.safetensors': null, [name]: 'x' }));
      expect(error.code).toBe('FILE_NOT_FOUND');
      expect(error.message).toMatch(message);
    },
  );

  it.each([
    ['model.safetensors', 'WEIGHTS_FORMAT'],
    ['config.json', 'WEIGHTS_FORMAT'],
    ['tokenizer.json', 'DATA_FORMAT'],
    ['tokenizer_config.json', 'DATA_FORMAT'],
  ])('is told: a Git LFS pointer in place of %s', async (name, code) => {
    const directory = modelWith({ [name]: LFS });
    const error = await failureOf(directory);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/is a Git LFS pointer.*git lfs pull/);
    expect(error.message).toContain(join(directory, name));
  });

  it('is told: a Git LFS pointer in place of vocab.txt', async () => {
    const error = await failureOf(modelWith({ 'tokenizer.json': null, 'vocab.txt': LFS }));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', message: expect.stringContaining('Git LFS pointer') });
  });

  it('is told: no directory, a file, an empty directory, the parent of a model', async () => {
    const empty = join(root, 'empty');
    mkdirSync(empty);
    for (const [path, message] of [
      [join(root, 'nowhere'), /there is no directory/],
      ['./owner/name', /there is no directory .*owner\/name/],
      [join(original, 'model.safetensors'), /model\.safetensors is a file\. .*such as .*original/],
      [empty, /is empty/],
      [root, /holds only .*\. Did you mean .*copy-\d+\?/],
      [modelWith({ 'config.json': null }), /holds only model\.safetensors, /],
    ] as const) {
      const error = await failureOf(path);
      expect(error.code).toBe('FILE_NOT_FOUND');
      expect(error.message).toMatch(message);
    }
  });
});
