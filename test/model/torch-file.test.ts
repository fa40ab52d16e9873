import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { maxDifference } from '../helpers/tensors.js';
import { thrownBy } from '../helpers/thrown.js';
import { dictPickle, op, tensorPickle, writeTorchArchive } from '../helpers/torch-file.js';
import { withLoaded } from '../helpers/with-model.js';

const fixtures = fileURLToPath(new URL('../fixtures/torch-files/', import.meta.url));
const expected: { inputIds: number[][]; logits: Record<string, number[]> } = JSON.parse(
  readFileSync(join(fixtures, 'expected.json'), 'utf8'),
);
const root = mkdtempSync(join(tmpdir(), 'permafrost-torch-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let copies = 0;

/** The copy of a fixture, to be changed. */
function copyOf(family: string): { directory: string; file: string } {
  const directory = join(root, `copy-${copies++}`);
  cpSync(join(fixtures, family), directory, { recursive: true });
  return { directory, file: join(directory, 'pytorch_model.bin') };
}

const failureOf = (directory: string) => thrownBy(() => withLoaded(directory, () => undefined));

describe('weights as torch.save writes them', () => {
  it.each(Object.keys(expected.logits))(
    'of a model of type %s give the scores of Transformers',
    async (family) => {
      await withLoaded(join(fixtures, family), async (model) => {
        expect(model.loadReport.fresh).toEqual([]);
        const { data } = await model.logits({ inputIds: expected.inputIds });
        expect(maxDifference(data, Float32Array.from(expected.logits[family]!))).toBeLessThan(5e-6);
      });
    },
  );

  it('come second to safetensors', async () => {
    const { directory, file } = copyOf('bert');
    await withLoaded(directory, (model) => model.save(directory));
    writeFileSync(file, 'no weights');
    await withLoaded(directory, (model) => expect(model.loadReport.fresh).toEqual([]));
  });

  it('may lack a shard, which is said', async () => {
    const { directory } = copyOf('camembert');
    rmSync(join(directory, 'pytorch_model-00002-of-00002.bin'));
    const error = await failureOf(directory);
    expect(error.code).toBe('FILE_NOT_FOUND');
    expect(error.message).toContain('pytorch_model-00002-of-00002.bin');
  });
});

/** What pickles do that are made to harm: each would run a command that leaves a file behind. */
const touched = join(root, 'touched');
const command = op.text(`touch ${touched}`);
const call = (module: string, name: string) => `${op.global(module, name)}${command}${op.tuple1}R`;
const HOSTILE: Record<string, [pickle: string, refused: string]> = {
  'a call of os.system': [`${op.proto}${call('os', 'system')}.`, 'os.system'],
  'a call within a dictionary': [
    dictPickle({ a: tensorPickle({}), b: call('posix', 'system') }),
    'posix.system',
  ],
  'a call of eval': [dictPickle({ a: call('builtins', 'eval') }), 'builtins.eval'],
  'a global of a Python that was': [
    dictPickle({ a: call('__builtin__', 'execfile') }),
    '__builtin__.execfile',
  ],
  'a function of torch that runs code': [
    dictPickle({ a: call('torch.serialization', 'load') }),
    'torch.serialization.load',
  ],
  STACK_GLOBAL: ['\x80\x04\x8c\x02os\x8c\x06system\x93.', 'SHORT_BINUNICODE'],
  'STACK_GLOBAL of long texts': [`${op.proto}${op.text('os')}${op.text('system')}\x93.`, 'STACK_GLOBAL'],
  INST: [`${op.proto}(${command}ios\nsystem\n.`, 'INST'],
  OBJ: [`${op.proto}(${op.global('collections', 'OrderedDict')}${command}o.`, 'OBJ'],
  NEWOBJ: [`${op.proto}${op.global('collections', 'OrderedDict')})\x81.`, 'NEWOBJ'],
  'BUILD of a tensor': [
    dictPickle({ a: `${tensorPickle({})}}${op.text('__setstate__')}${command}sb` }),
    'BUILD',
  ],
  'a call of a value': [
    `${op.proto}${op.text('os.system')}${command}${op.tuple1}R.`,
    'a call of what is no function',
  ],
  'an extension': [`${op.proto}\x82\x01.`, 'EXT1'],
  'a persistent id as text': [`${op.proto}P${touched}\n.`, 'PERSID'],
  'an operation of no version': [`${op.proto}\xff.`, 'the operation of number 255'],
};

describe('a pickle that is more than a dictionary of tensors', () => {
  it.each(Object.entries(HOSTILE))(
    'by %s is refused by name, and nothing is run',
    async (_, [pickle, refused]) => {
      const { directory, file } = copyOf('bert');
      await writeTorchArchive(file, pickle, { 0: new Uint8Array(16) });
      const archive = await failureOf(directory);
      // The same as the file of an old version, which is read as a pickle at once.
      writeFileSync(file, Buffer.from(pickle, 'latin1'));
      const legacy = await failureOf(directory);
      for (const error of [archive, legacy]) {
        expect(error.code).toBe('WEIGHTS_FORMAT');
        expect(error.message).toContain(`${file} asks for `);
        expect(error.message).toContain(refused);
        expect(error.message).toContain('Nothing of it was run');
      }
      expect(existsSync(touched)).toBe(false);
    },
  );
});

const bomb = (levels: number) => {
  // Each level is a tuple of the one before, twice: 2^levels elements, if anyone wrote them out.
  const level = (i: number) => `${op.get(i)}\x86${op.put(i + 1)}`;
  return `)${op.put(0)}${Array.from({ length: levels }, (_, i) => level(i)).join('')}`;
};

const DAMAGED: Record<string, [pickle: string, message: string]> = {
  'that ends early': [dictPickle({ a: tensorPickle({}) }).slice(0, -8), 'the pickle ends within byte'],
  'with a text beyond its end': [`${op.proto}X\xff\xff\xff\x7fabc.`, 'the pickle ends within byte'],
  'with a line that never ends': [`${op.proto}ctorch`, 'the pickle ends within byte'],
  'that takes from an empty stack': [`${op.proto}\x86.`, 'no value stands where one is taken'],
  'that remembers what was not kept': [`${op.proto}${op.get(7)}.`, 'nothing was kept as 7'],
  'without a mark': [`${op.proto}t.`, 'no mark stands'],
  'that sets items of a text': [`${op.proto}${op.text('a')}NNs.`, 'no dictionary stands'],
  'that leaves values behind': [`${op.proto}}N.`, 'leaves 1 values behind'],
  'that is no dictionary': [`${op.proto}${op.text('weights')}.`, 'holds no dictionary of tensors'],
  'with no tensors': [dictPickle({ a: 'N' }), 'holds no dictionary of tensors'],
  'of tuples in tuples': [`${op.proto}${bomb(64)}.`, 'holds no dictionary of tensors'],
  'with an index beyond all others': [`${op.proto}N${op.put(0xffffffff)}.`, 'holds no dictionary of tensors'],
  'with sizes that are a bomb': [
    dictPickle({ a: tensorPickle({}).replace(op.counts([2, 2]), bomb(40)) }),
    'no valid storage',
  ],
  'with a tensor beyond its storage': [
    dictPickle({ a: tensorPickle({ shape: [3, 2] }) }),
    'a tensor of shape [3,2] ends at element 5, beyond its storage of 4',
  ],
  'with strides beyond the storage': [
    dictPickle({ a: tensorPickle({ strides: [4, 1] }) }),
    'beyond its storage',
  ],
  'with an offset beyond the storage': [dictPickle({ a: tensorPickle({ offset: 1 }) }), 'beyond its storage'],
  'with negative sizes': [dictPickle({ a: tensorPickle({ shape: [-1, 2] }) }), 'no valid storage, offset'],
  'with negative strides': [
    dictPickle({ a: tensorPickle({ strides: [-2, 1] }) }),
    'no valid storage, offset',
  ],
  'with fewer strides than sizes': [
    dictPickle({ a: tensorPickle({ strides: [1] }) }),
    'other strides than sizes',
  ],
  'with a storage of another size': [
    dictPickle({ a: tensorPickle({ count: 5 }) }),
    'its storage 0 has 16 bytes, but is described with 20',
  ],
  'with a storage that is not there': [
    dictPickle({ a: tensorPickle({ key: '1' }) }),
    'the archive has no data/1',
  ],
  'with a storage elsewhere': [
    dictPickle({ a: tensorPickle({ key: '../byteorder' }) }),
    'the archive has no data/../byteorder',
  ],
  'with a storage of another kind': [
    dictPickle({ a: tensorPickle({ type: 'QInt8Storage' }) }),
    'asks for torch.QInt8Storage',
  ],
};

describe('a file of torch.save', () => {
  it.each(Object.entries(DAMAGED))('%s is refused', async (_, [pickle, message]) => {
    const { directory, file } = copyOf('bert');
    await writeTorchArchive(file, pickle, { 0: new Uint8Array(16) });
    const error = await failureOf(directory);
    expect(error.code).toBe('WEIGHTS_FORMAT');
    expect(error.message).toContain(file);
    expect(error.message).toContain(message);
  });

  it('whose tensor repeats one number is no bigger than the model that asks for it', async () => {
    const { directory, file } = copyOf('bert');
    const huge = tensorPickle({ count: 1, shape: [2 ** 30, 2 ** 20], strides: [0, 0] });
    await writeTorchArchive(file, dictPickle({ 'classifier.weight': huge, other: huge }), {
      0: new Uint8Array(4),
    });
    const error = await failureOf(directory);
    expect(error.code).toBe('WEIGHTS_MISMATCH');
    expect(error.message).toContain(
      "tensor 'classifier.weight' has shape [1073741824,1048576], expected [3,8]",
    );
  });

  it('whose tensor is spread over far more than itself is refused', async () => {
    const { directory, file } = copyOf('bert');
    const count = 2 ** 19;
    const sparse = tensorPickle({ count, shape: [2], strides: [count - 1] });
    await writeTorchArchive(file, dictPickle({ a: sparse }), { 0: new Uint8Array(4 * count) });
    expect((await failureOf(directory)).message).toContain(
      "tensor 'a' of shape [2] is spread over 2097152 bytes",
    );
  });

  it('that is compressed, of another byte order, empty or cut short is refused', async () => {
    const { directory, file } = copyOf('bert');
    const whole = readFileSync(file);
    const refused = async (message: string | RegExp) => {
      const error = await failureOf(directory);
      expect(error.code).toBe('WEIGHTS_FORMAT');
      expect(error.message).toMatch(message);
    };
    const pickle = dictPickle({ a: tensorPickle({}) });
    await writeTorchArchive(file, pickle, { 0: new Uint8Array(16) }, { compress: true });
    await refused('is compressed');
    await writeTorchArchive(file, pickle, { 0: new Uint8Array(16) }, { byteorder: 'big' });
    await refused('in the order "big"');
    writeFileSync(file, whole);
    truncateSync(file, whole.length - 100);
    await refused('no sound file of torch.save');
    truncateSync(file, 0);
    await refused('begins neither as a zip archive nor as a pickle');
    writeFileSync(file, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    await refused('Git LFS');

    const legacy = copyOf('roberta');
    const bytes = readFileSync(legacy.file);
    for (const length of [bytes.length - 1, bytes.length - 5000, 900, 40, 3]) {
      writeFileSync(legacy.file, bytes.subarray(0, length));
      const error = await failureOf(legacy.directory);
      expect(error.code, String(length)).toBe('WEIGHTS_FORMAT');
      expect(error.message).toContain('no sound file of torch.save');
    }
  });
});
