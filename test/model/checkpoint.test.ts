import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LoadOptions, TokenClassifier, Tokenizer } from '../../src/index.js';
import { BUILT_INDEX } from '../helpers/child.js';
import {
  type RawTensor,
  rawTensors,
  toBfloat16,
  toFloat16,
  writeRawFile,
  writeTensorFile,
} from '../helpers/safetensors-file.js';
import { maxDifference } from '../helpers/tensors.js';
import { thrownBy } from '../helpers/thrown.js';
import { BATCH, bytesOf, changedNames, TINY, weightsOf, withModel } from '../helpers/with-model.js';

const root = mkdtempSync(join(tmpdir(), 'permafrost-checkpoint-'));
const original = join(root, 'original');
const weightsFile = (directory: string) => join(directory, 'model.safetensors');
let copies = 0;
let tensors: RawTensor[];
let originalWeights: Map<string, Float32Array>;

beforeAll(async () => {
  await withModel(async (model) => {
    await model.save(original);
    originalWeights = await weightsOf(model);
  });
  tensors = rawTensors(weightsFile(original));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A copy of the saved model, to be damaged. */
function copyOfModel(): string {
  const directory = join(root, `copy-${copies++}`);
  cpSync(original, directory, { recursive: true });
  return directory;
}

function editConfig(directory: string, edit: (config: Record<string, unknown>) => void): void {
  const file = join(directory, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  edit(config);
  writeFileSync(file, JSON.stringify(config));
}

async function withLoaded<T>(
  directory: string,
  body: (model: TokenClassifier) => Promise<T> | T,
  options: LoadOptions = {},
): Promise<T> {
  const model = await TokenClassifier.load(directory, { threads: 1, ...options });
  try {
    return await body(model);
  } finally {
    await model.dispose();
  }
}

const failureOf = (directory: string, options: LoadOptions = {}) =>
  thrownBy(() => withLoaded(directory, () => undefined, options));

describe('a saved model', () => {
  it('comes back with the same bytes and the same logits', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer({ learningRate: 1e-2 });
      for (let i = 0; i < 3; i++) await trainer.step(BATCH);
      const directory = join(root, 'trained');
      await model.save(directory);
      const [weights, logits] = [await weightsOf(model), await model.logits(BATCH)];
      await withLoaded(directory, async (loaded) => {
        expect(loaded.loadReport).toEqual({ fresh: [], unused: [] });
        expect(loaded.parameters()).toEqual(model.parameters());
        expect(loaded.config).toEqual(model.config);
        expect(changedNames(weights, await weightsOf(loaded))).toEqual([]);
        expect(bytesOf((await loaded.logits(BATCH)).data)).toBe(bytesOf(logits.data));
      });
    });
  });

  it('is laid out as Hugging Face lays it out', () => {
    expect(readdirSync(original).sort()).toEqual(['config.json', 'model.safetensors']);
    const names = tensors.map(({ name }) => name);
    expect(names).toContain('bert.encoder.layer.3.attention.self.query.weight');
    expect(names).toContain('bert.embeddings.LayerNorm.bias');
    expect(names.at(-1)).toBe('classifier.bias');
    // Readers map the file into memory, so the data begin at a multiple of 8.
    expect(Number(readFileSync(weightsFile(original)).readBigUInt64LE()) % 8).toBe(0);
  });

  it('keeps fields of config.json that mean nothing here, and the labels', async () => {
    const directory = copyOfModel();
    editConfig(directory, (config) => {
      Object.assign(config, {
        custom_field: { a: [1] },
        finetuning_task: 'ner',
        num_labels: 3,
        dtype: 'float16',
      });
    });
    const again = join(root, 'saved-again');
    await withLoaded(directory, (model) => model.save(again));
    const config = JSON.parse(readFileSync(join(again, 'config.json'), 'utf8'));
    expect(config).toMatchObject({
      custom_field: { a: [1] },
      finetuning_task: 'ner',
      architectures: ['BertForTokenClassification'],
      id2label: { 0: 'O', 1: 'B-X', 2: 'I-X' },
      label2id: { O: 0, 'B-X': 1, 'I-X': 2 },
      torch_dtype: 'float32',
    });
    // The weights written are fp32, whatever the ones read were.
    expect(config).not.toHaveProperty('dtype');
    expect(config).not.toHaveProperty('num_labels');
  });

  it('brings its tokenizer along', async () => {
    const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'hello', '##s'];
    const tokenizer = Tokenizer.fromVocab(vocabulary, { lowercase: true });
    const directory = join(root, 'with-tokenizer');
    await withModel((model) => model.save(directory), {}, { tokenizer });
    await withLoaded(directory, (model) => {
      expect(model.tokenizer!.encodeWords(['Hellos'], { maxLength: 8 }).inputIds).toEqual([2, 5, 6, 3]);
      expect(model.tokenizer!.digest).toBe(tokenizer.digest);
    });
  });

  it('leaves the previous files whole when the disk takes no more', async () => {
    const directory = copyOfModel();
    const before = readFileSync(weightsFile(directory));
    // A limit on file sizes makes the kernel refuse the write midway, as a full disk does.
    const script = `import { TokenClassifier } from "${BUILT_INDEX}";
      const model = await TokenClassifier.load("${directory}", { threads: 1 });
      const trainer = await model.trainer({ learningRate: 1 });
      await trainer.step(${JSON.stringify(BATCH)});
      try { await model.save("${directory}"); } catch (error) { console.log(error.code, error.message); }
      console.log((await model.logits(${JSON.stringify(BATCH)})).shape.join());
      await model.dispose();`;
    const limited = `ulimit -f 8; exec "${process.execPath}" --input-type=module -e '${script}'`;
    const output = execFileSync('bash', ['-c', limited], { encoding: 'utf8' });
    expect(output).toMatch(/^WRITE_FAILED Cannot write .*model\.safetensors/);
    expect(output.trim().split('\n').at(-1)).toBe('9,3');
    expect(readFileSync(weightsFile(directory)).equals(before)).toBe(true);
    expect(readdirSync(directory).sort()).toEqual(['config.json', 'model.safetensors']);
  });

  it('leaves a directory as it was where its weights cannot be read', async () => {
    const directory = copyOfModel();
    const before = readFileSync(join(directory, 'config.json'));
    const disposed = await withModel(async (model) => model, { labels: ['O', 'B-Y'] });
    expect((await thrownBy(() => disposed.save(directory))).code).toBe('DISPOSED');
    expect(readFileSync(join(directory, 'config.json')).equals(before)).toBe(true);
    expect(readdirSync(directory).sort()).toEqual(readdirSync(original).sort());
  });

  it('names the path where nothing can be written', async () => {
    const file = join(root, 'a-file');
    writeFileSync(file, '');
    const error = await thrownBy(() => withModel((model) => model.save(join(file, 'below'))));
    expect(error.code).toBe('WRITE_FAILED');
    expect(error.message).toContain(join(file, 'below'));
  });
});

describe('weights of other layouts', () => {
  /** The model directory with its weights replaced by `files` of tensors. */
  function rewritten(files: Record<string, RawTensor[]>): string {
    const directory = copyOfModel();
    rmSync(weightsFile(directory));
    for (const [name, content] of Object.entries(files)) writeTensorFile(join(directory, name), content);
    return directory;
  }

  async function expectSameWeights(directory: string): Promise<void> {
    const changed = await withLoaded(directory, async (model) =>
      changedNames(originalWeights, await weightsOf(model)),
    );
    expect(changed).toEqual([]);
  }

  it('may lie in shards', async () => {
    const [one, two] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const half = Math.floor(tensors.length / 2);
    const directory = rewritten({ [one]: tensors.slice(0, half), [two]: tensors.slice(half) });
    const map = Object.fromEntries(tensors.map(({ name }, i) => [name, i < half ? one : two]));
    const index = join(directory, 'model.safetensors.index.json');
    writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: map }));
    await expectSameWeights(directory);

    writeFileSync(index, JSON.stringify({ weight_map: { ...map, 'classifier.bias': one } }));
    const misplaced = await failureOf(directory);
    expect(misplaced.code).toBe('WEIGHTS_FORMAT');
    expect(misplaced.message).toContain(`places 'classifier.bias' in ${one}, which does not hold it`);

    for (const content of ['{', 'null', '{}', '[]', '{"weight_map":null}', '{"weight_map":{"a":"../x"}}']) {
      writeFileSync(index, content);
      const error = await failureOf(directory);
      expect(error.code, content).toBe('WEIGHTS_FORMAT');
      expect(error.message, content).toContain(index);
    }

    writeFileSync(index, JSON.stringify({ weight_map: map }));
    rmSync(join(directory, two));
    const lost = await failureOf(directory);
    expect(lost.code).toBe('FILE_NOT_FOUND');
    expect(lost.message).toContain(two);
  });

  it.each([
    ['BF16', toBfloat16, 2 ** -7],
    ['F16', toFloat16, 2 ** -9],
  ] as const)('may be %s', async (dtype, convert, precision) => {
    const converted = tensors.map((tensor) => ({ ...tensor, dtype, bytes: convert(tensor.bytes) }));
    const directory = rewritten({ 'model.safetensors': converted });
    await withLoaded(directory, async (model) => {
      const loaded = await weightsOf(model);
      for (const [name, data] of loaded) {
        const reference = originalWeights.get(name)!;
        const largest = reference.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        expect(maxDifference(data, reference), name).toBeLessThanOrEqual(precision * largest + 1e-4);
      }
      // Values that the smaller type holds exactly come through exactly.
      expect(loaded.get('bert.embeddings.LayerNorm.weight')!.every((value) => value === 1)).toBe(true);
    });
  });

  it('may have the old names of LayerNorm', async () => {
    const renamed = tensors.map((tensor) => ({
      ...tensor,
      name: tensor.name
        .replace('LayerNorm.weight', 'LayerNorm.gamma')
        .replace('LayerNorm.bias', 'LayerNorm.beta'),
    }));
    expect(renamed.some(({ name }) => name.endsWith('gamma'))).toBe(true);
    await expectSameWeights(rewritten({ 'model.safetensors': renamed }));
  });

  it('of a pretraining checkpoint leave other heads unused and say so', async () => {
    const extra = (name: string): RawTensor => ({ name, dtype: 'F32', shape: [1], bytes: new Uint8Array(4) });
    const others = ['bert.pooler.dense.bias', 'cls.predictions.bias', 'bert.embeddings.position_ids'];
    const directory = rewritten({ 'model.safetensors': [...others.map(extra), ...tensors] });
    await withLoaded(directory, (model) => expect(model.loadReport).toEqual({ fresh: [], unused: others }));
  });

  it('of a bare encoder get a fresh head, drawn from the seed and reported', async () => {
    const bare = tensors
      .filter(({ name }) => name.startsWith('bert.'))
      .map((tensor) => ({ ...tensor, name: tensor.name.slice('bert.'.length) }));
    const directory = rewritten({ 'model.safetensors': bare });
    const headOf = (seed: number) =>
      withLoaded(
        directory,
        async (model) => {
          expect(model.loadReport).toEqual({ fresh: ['classifier.weight', 'classifier.bias'], unused: [] });
          const weights = await weightsOf(model);
          expect(
            changedNames(originalWeights, weights).filter((name) => !name.startsWith('classifier.')),
          ).toEqual([]);
          expect(weights.get('classifier.bias')!.every((value) => value === 0)).toBe(true);
          return bytesOf(weights.get('classifier.weight')!);
        },
        { seed },
      );
    expect(await headOf(1)).toBe(await headOf(1));
    expect(await headOf(1)).not.toBe(await headOf(2));
  });
});

describe('the labels option', () => {
  it('keeps the head for the same labels in the same order', async () => {
    await withLoaded(original, (model) => expect(model.loadReport.fresh).toEqual([]), {
      labels: ['O', 'B-X', 'I-X'],
    });
  });

  it.each([
    [['O', 'I-X', 'B-X'], []],
    [
      ['O', 'B-Y', 'I-Y', 'B-Z', 'I-Z'],
      ['B-Y', 'I-Y', 'B-Z', 'I-Z'],
    ],
  ])('keeps the rows of the labels that %j shares', async (labels, freshLabels) => {
    await withLoaded(
      original,
      async (model) => {
        expect(model.labels).toEqual(labels);
        expect(model.loadReport).toEqual({ fresh: [], unused: [], freshLabels });
        expect((await model.logits(BATCH)).shape).toEqual([9, labels.length]);
        const [old, now] = [
          originalWeights.get('classifier.weight')!,
          await model.readParameter('classifier.weight'),
        ];
        const width = model.config.hiddenSize;
        for (const [id, label] of labels.entries()) {
          const row = bytesOf(now.slice(id * width, (id + 1) * width));
          const stored = ['O', 'B-X', 'I-X'].indexOf(label);
          if (stored >= 0) expect(row).toBe(bytesOf(old.slice(stored * width, (stored + 1) * width)));
        }
      },
      { labels, seed: 7 },
    );
  });

  it('starts the head afresh where no label is shared', async () => {
    await withLoaded(
      original,
      async (model) => {
        const head = ['classifier.weight', 'classifier.bias'];
        expect(model.loadReport).toEqual({ fresh: head, unused: head });
        expect((await model.logits(BATCH)).shape).toEqual([9, 3]);
      },
      { labels: ['A', 'B', 'C'], seed: 7 },
    );
  });

  it('must name each label once', async () => {
    const error = await failureOf(original, { labels: ['O', 'O'] });
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toMatch(/TokenClassifier\.load: labels: .*'O' appears twice/);
  });
});

describe('a damaged safetensors file', () => {
  const first = () => tensors[0]!.name;
  const offsetsOf =
    (begin: number, end: number) => (header: Record<string, { data_offsets: [number, number] }>) => {
      header[first()]!.data_offsets = [begin, end];
    };
  const bytes = () => tensors[0]!.bytes.length;
  const total = () => tensors.reduce((sum, tensor) => sum + tensor.bytes.length, 0);

  const damages: Record<string, [(file: string) => void, RegExp]> = {
    'cut in its data': [
      (file) => truncateSync(file, readFileSync(file).length - 5),
      /tensor '.*' lies at bytes .* cut short/,
    ],
    'cut in its header': [
      (file) => truncateSync(file, 100),
      /header claims \d+ bytes, but the file has only 100/,
    ],
    'cut in its first bytes': [(file) => truncateSync(file, 5), /has 5 bytes, too few/],
    empty: [(file) => truncateSync(file, 0), /has 0 bytes, too few/],
    'with a header beyond the limit': [
      (file) => writeRawFile(file, '{}', new Uint8Array(), 2n ** 62n),
      /header claims 46116860184\d+ bytes, more than the limit of 100000000/,
    ],
    'with a header beyond the file': [
      (file) => writeRawFile(file, '{}', new Uint8Array(), 1000n),
      /header claims 1000 bytes, but the file has only 10/,
    ],
    'whose header is not JSON': [
      (file) => writeRawFile(file, '{"a":', new Uint8Array()),
      /header is not JSON/,
    ],
    'whose header is no object': [
      (file) => writeRawFile(file, '[1, 2]', new Uint8Array()),
      /header is not a JSON object/,
    ],
    'whose entry is no tensor': [
      (file) => writeRawFile(file, '{"a":null}', new Uint8Array()),
      /tensor 'a' has no valid dtype/,
    ],
    'whose tensors overlap': [
      (file) =>
        writeTensorFile(file, tensors, (header) => {
          const [begin, end] = header[tensors[1]!.name]!.data_offsets;
          header[tensors[1]!.name]!.data_offsets = [begin - 4, end - 4];
        }),
      /tensors '.*word_embeddings.*' and '.*position_embeddings.*' overlap/,
    ],
    'with offsets outside': [
      (file) => writeTensorFile(file, tensors, offsetsOf(total(), total() + bytes())),
      /tensor '.*word_embeddings.weight' lies at bytes/,
    ],
    'with offsets in the wrong order': [
      (file) => writeTensorFile(file, tensors, offsetsOf(bytes(), 0)),
      /tensor '.*word_embeddings.weight' lies at bytes/,
    ],
    'with offsets that are no numbers': [
      (file) => writeTensorFile(file, tensors, offsetsOf(-1, 0.5)),
      /tensor '.*word_embeddings.weight' has no valid data_offsets/,
    ],
    'with fewer bytes than the shape needs': [
      (file) =>
        writeTensorFile(file, tensors, (header) => {
          header[first()]!.shape = [51, 16];
        }),
      /shape \[51,16\] needs 3264 bytes, but holds 3200/,
    ],
  };

  it.each(Object.keys(damages))('%s is WEIGHTS_FORMAT, naming the file and the fault', async (name) => {
    const directory = copyOfModel();
    const [damage, message] = damages[name]!;
    damage(weightsFile(directory));
    const error = await failureOf(directory);
    expect(error.code).toBe('WEIGHTS_FORMAT');
    expect(error.message).toMatch(message);
    expect(error.message).toContain(weightsFile(directory));
    expect(error.message).toMatch(/Fetch or save it again/);
  });

  it('of another type than floating point is WEIGHTS_FORMAT, naming the tensor', async () => {
    const directory = copyOfModel();
    const [head, ...rest] = tensors;
    writeTensorFile(weightsFile(directory), [{ ...head!, dtype: 'I32' }, ...rest]);
    const error = await failureOf(directory);
    expect(error.code).toBe('WEIGHTS_FORMAT');
    expect(error.message).toContain(`'${first()}' is of type I32, expected F32, F16 or BF16`);
  });

  it('in place of a file, a directory, is FILE_NOT_FOUND', async () => {
    const directory = copyOfModel();
    rmSync(weightsFile(directory));
    mkdirSync(weightsFile(directory));
    const error = await failureOf(directory);
    expect(error.code).toBe('FILE_NOT_FOUND');
    expect(error.message).toContain(weightsFile(directory));
  });
});

describe('weights that do not fit config.json', () => {
  function withTensors(change: (tensors: RawTensor[]) => RawTensor[]): string {
    const directory = copyOfModel();
    writeTensorFile(weightsFile(directory), change(tensors));
    return directory;
  }

  it('name the tensor, the expected shape and the one found', async () => {
    const directory = copyOfModel();
    editConfig(directory, (config) => {
      config.intermediate_size = 64;
    });
    const error = await failureOf(directory);
    expect(error.code).toBe('WEIGHTS_MISMATCH');
    expect(error.message).toContain(
      "'bert.encoder.layer.0.intermediate.dense.weight' has shape [32,16], expected [64,16]",
    );
    expect(error.details).toEqual({
      tensor: 'bert.encoder.layer.0.intermediate.dense.weight',
      expected: [64, 16],
      found: [32, 16],
    });
  });

  it('name the labels option as the remedy where the head is of another size', async () => {
    const directory = copyOfModel();
    editConfig(directory, (config) => {
      delete config.id2label;
    });
    const error = await failureOf(directory);
    expect(error.code).toBe('WEIGHTS_MISMATCH');
    expect(error.message).toMatch(
      /'classifier.weight' has shape \[3,16\], expected \[2,16\].*give the labels of your data/,
    );
  });

  it('name a tensor that is missing', async () => {
    const lost = 'bert.encoder.layer.2.output.dense.weight';
    const error = await failureOf(withTensors((all) => all.filter(({ name }) => name !== lost)));
    expect(error.code).toBe('WEIGHTS_MISMATCH');
    expect(error.message).toContain(`lacks 1 tensor that the model needs: '${lost}'`);
    expect(error.details).toMatchObject({ missing: [lost] });
  });

  it('do not pass with half a head', async () => {
    const error = await failureOf(withTensors((all) => all.filter(({ name }) => name !== 'classifier.bias')));
    expect(error.code).toBe('WEIGHTS_MISMATCH');
    expect(error.details).toMatchObject({ missing: ['classifier.bias'] });
  });

  it('name a tensor that has no place', async () => {
    const directory = copyOfModel();
    editConfig(directory, (config) => {
      config.num_hidden_layers = 3;
    });
    const error = await failureOf(directory);
    expect(error.code).toBe('WEIGHTS_MISMATCH');
    expect(error.message).toMatch(
      /holds 16 tensors that the model has no place for, the first 'bert\.encoder\.layer\.3\./,
    );
  });

  it('do not pass with two tensors for one parameter', async () => {
    const twin = 'bert.embeddings.LayerNorm.weight';
    const error = await failureOf(
      withTensors((all) => [
        ...all,
        { ...all.find(({ name }) => name === twin)!, name: 'bert.embeddings.LayerNorm.gamma' },
      ]),
    );
    expect(error.code).toBe('WEIGHTS_MISMATCH');
    expect(error.message).toMatch(
      /both 'bert\.embeddings\.LayerNorm\.weight' and 'bert\.embeddings\.LayerNorm\.gamma'/,
    );
  });
});

describe('a model directory', () => {
  it('that is not there is FILE_NOT_FOUND, naming the path', async () => {
    const error = await failureOf(join(root, 'nowhere'));
    expect(error.code).toBe('FILE_NOT_FOUND');
    expect(error.message).toContain(join(root, 'nowhere', 'config.json'));
    expect(error.message).toMatch(/Expected the directory of a model/);
  });

  it('without weights says which files were looked for', async () => {
    const directory = copyOfModel();
    rmSync(weightsFile(directory));
    const error = await failureOf(directory);
    expect(error.code).toBe('FILE_NOT_FOUND');
    expect(error.message).toContain(
      `${directory} holds no weights: neither model.safetensors nor pytorch_model.bin`,
    );
  });

  it.each([
    ['{', 'WEIGHTS_FORMAT', /is not JSON/],
    ['null', 'WEIGHTS_FORMAT', /expected a JSON object, got null/],
    ['[1]', 'WEIGHTS_FORMAT', /expected a JSON object, got \[1\]/],
    ['{}', 'UNSUPPORTED_MODEL', /there is no model_type\. Expected one of "bert", "roberta"/],
    ['{"model_type":"gpt2"}', 'UNSUPPORTED_MODEL', /model_type "gpt2" is not supported\. Expected one of/],
    [
      '{"model_type":"modernbert"}',
      'UNSUPPORTED_MODEL',
      /"modernbert" is not supported: it has rotary positions/,
    ],
    ['{"model_type":"bert"}', 'INVALID_OPTION', /`vocab_size`: expected a/],
  ])('whose config.json is %s is refused', async (content, code, message) => {
    const directory = copyOfModel();
    const file = join(directory, 'config.json');
    writeFileSync(file, content);
    const error = await failureOf(directory);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(file);
  });

  const edits: [string, Record<string, unknown>, string, RegExp][] = [
    [
      'of another architecture',
      { model_type: 'gpt2' },
      'UNSUPPORTED_MODEL',
      /model_type "gpt2" is not supported\. Expected one of "bert", "roberta"/,
    ],
    [
      'with relative positions',
      { position_embedding_type: 'relative_key' },
      'UNSUPPORTED_MODEL',
      /position_embedding_type "relative_key".*'absolute'/,
    ],
    [
      'with another activation',
      { hidden_act: 'swish' },
      'UNSUPPORTED_MODEL',
      /'swish' is not supported\. Expected gelu/,
    ],
    [
      'with gaps in id2label',
      { id2label: { 0: 'O', 2: 'B-X' } },
      'INVALID_OPTION',
      /id2label has 2 labels but none of id 1/,
    ],
    ['with a label twice', { id2label: { 0: 'O', 1: 'O', 2: 'B' } }, 'INVALID_OPTION', /'O' appears twice/],
    [
      'with labels that are no text',
      { id2label: { 0: 1 } },
      'INVALID_OPTION',
      /`id2label\.0`: expected a text, got 1/,
    ],
    [
      'with heads that do not divide',
      { num_attention_heads: 3 },
      'INVALID_OPTION',
      /hiddenSize 16 is not a multiple of numHeads 3/,
    ],
    [
      'with a dropout of 1',
      { hidden_dropout_prob: 1 },
      'INVALID_OPTION',
      /`hidden_dropout_prob`: .*below 1, got 1/,
    ],
    ['with no layers', { num_hidden_layers: 0 }, 'INVALID_OPTION', /`num_hidden_layers`: .*above 0, got 0/],
  ];
  it.each(edits)('%s is refused', async (_, edit, code, message) => {
    const directory = copyOfModel();
    editConfig(directory, (config) => Object.assign(config, edit));
    const error = await failureOf(directory);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});

describe('options of load and create', () => {
  it('that do not exist are refused, with the one that was meant', async () => {
    const load = await thrownBy(() => TokenClassifier.load(original, { thread: 1 } as never));
    expect(load.code).toBe('INVALID_OPTION');
    expect(load.message).toMatch(
      /TokenClassifier\.load: there is no option 'thread'\. Did you mean `threads`\?/,
    );
    const create = await thrownBy(() => TokenClassifier.create({ ...TINY, hiddenSizes: 3 } as never));
    expect(create.message).toMatch(/there is no option 'hiddenSizes'\. Did you mean `hiddenSize`\?/);
  });

  it('of a wrong kind are refused with what was given', async () => {
    const cases: [Record<string, unknown>, RegExp][] = [
      [{ threads: -1 }, /`threads`: .*at least 0, got -1/],
      [{ seed: 1.5 }, /`seed`: expected a whole number, got 1\.5/],
      [{ precision: 'fp16' }, /`precision`: expected one of fp32, bf16, int8, got "fp16"/],
      [{ tokenizer: null }, /`tokenizer`: expected a Tokenizer/],
    ];
    for (const [options, message] of cases) {
      const error = await thrownBy(() => TokenClassifier.create(TINY, options as never));
      expect(error.code, String(message)).toBe('INVALID_OPTION');
      expect(error.message).toMatch(message);
    }
    expect((await thrownBy(() => TokenClassifier.create(null as never))).code).toBe('INVALID_OPTION');
    expect((await failureOf(original, { signal: {} as AbortSignal })).message).toMatch(
      /`signal`: expected an AbortSignal/,
    );
  });

  it('may be a Hugging Face config', async () => {
    const config = JSON.parse(readFileSync(join(original, 'config.json'), 'utf8'));
    const model = await TokenClassifier.create(config, { threads: 1 });
    expect(model.config).toMatchObject(TINY);
    await model.dispose();
  });

  it('stop loading at an aborted signal', async () => {
    const reason = new Error('stop');
    const load = TokenClassifier.load(original, { signal: AbortSignal.abort(reason) });
    await expect(load).rejects.toBe(reason);
  });
});
