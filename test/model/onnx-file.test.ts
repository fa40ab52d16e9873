import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAMILIES } from '../helpers/families.js';
import { OnnxFile, type OnnxForm } from '../helpers/onnx-file.js';
import { type RawTensor, rawTensors } from '../helpers/safetensors-file.js';
import { maxDifference } from '../helpers/tensors.js';
import { thrownBy } from '../helpers/thrown.js';
import { weightsOf, withLoaded, withModel } from '../helpers/with-model.js';

const root = mkdtempSync(join(tmpdir(), 'permafrost-onnx-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let copies = 0;

const failureOf = (directory: string) => thrownBy(() => withLoaded(directory, () => undefined));

describe.each(Object.keys(FAMILIES))('an ONNX file of a model of type %s', (family) => {
  const original = join(root, family);
  let tensors: RawTensor[];
  beforeAll(async () => {
    await withModel(async (model) => {
      // Zeros and ones would fit anywhere.
      for (const { name, count } of model.parameters())
        await model.writeParameter(
          name,
          Float32Array.from({ length: count }, (_, i) => Math.sin(i + name.length)),
        );
      await model.save(original);
    }, FAMILIES[family]);
    tensors = rawTensors(join(original, 'model.safetensors'));
  });

  const forms: OnnxForm[] = ['fp32', 'gemm', 'uint8', 'int8 by column', 'int8 by row', 'dequantized first'];
  it.each(forms)('gives the weights that it stands for: %s', async (form) => {
    const directory = join(root, `copy-${copies++}`);
    mkdirSync(directory);
    cpSync(join(original, 'config.json'), join(directory, 'config.json'));
    const file = new OnnxFile(tensors, form);
    file.write(join(directory, 'model.onnx'));
    await withLoaded(directory, async (model) => {
      expect(model.loadReport).toEqual({ fresh: [], unused: [] });
      for (const [name, data] of await weightsOf(model))
        expect(maxDifference(data, file.expected.get(name)!), name).toBe(0);
    });
  });
});

describe('an ONNX file', () => {
  let tensors: RawTensor[];
  const original = join(root, 'original');
  beforeAll(async () => {
    await withModel((model) => model.save(original));
    tensors = rawTensors(join(original, 'model.safetensors'));
  });

  function directoryOf(name: string, bytes: Uint8Array): { directory: string; file: string } {
    const directory = join(root, `file-${copies++}`);
    mkdirSync(join(directory, 'onnx'), { recursive: true });
    cpSync(join(original, 'config.json'), join(directory, 'config.json'));
    const file = join(directory, name);
    writeFileSync(file, bytes);
    return { directory, file };
  }

  it.each(['onnx/model.onnx', 'model_quantized.onnx', 'e5-small-q.onnx'])(
    'may be called %s',
    async (name) => {
      const { directory } = directoryOf(name, new OnnxFile(tensors, 'fp32').bytes());
      await withLoaded(directory, (model) => expect(model.loadReport).toEqual({ fresh: [], unused: [] }));
    },
  );

  it('among others, none of which is called as one to take, is asked about', async () => {
    const bytes = new OnnxFile(tensors, 'fp32').bytes();
    const { directory } = directoryOf('one.onnx', bytes);
    writeFileSync(join(directory, 'two.onnx'), bytes);
    expect((await failureOf(directory)).message).toMatch(/It has one\.onnx, among several/);
    renameSync(join(directory, 'two.onnx'), join(directory, 'model.onnx'));
    await withLoaded(directory, (model) => expect(model.loadReport.fresh).toEqual([]));
  });

  it('of a bare encoder starts the head afresh; what it holds of another kind is said', async () => {
    const bare = tensors
      .filter(({ name }) => name.startsWith('bert.'))
      .map((tensor) => ({ ...tensor, name: tensor.name.slice('bert.'.length) }));
    const pooler = { ...bare[0]!, name: 'pooler.dense.bias', shape: [bare[0]!.bytes.length / 4] };
    const { directory } = directoryOf('model.onnx', new OnnxFile([...bare, pooler], 'uint8').bytes());
    await withLoaded(directory, (model) =>
      expect(model.loadReport).toEqual({
        fresh: ['classifier.weight', 'classifier.bias'],
        unused: ['pooler.dense.bias'],
      }),
    );
  });

  it('whose layers were fused is refused by the operation', async () => {
    const file = new OnnxFile(tensors, 'fp32');
    file.node('Attention', ['x', 'qkv'], ['y']);
    const error = await failureOf(directoryOf('model.onnx', file.bytes()).directory);
    expect(error.code).toBe('UNSUPPORTED_MODEL');
    expect(error.message).toContain('its operation Attention holds weights in a form of its own');
  });

  it('that lacks a layer, is cut short, empty or something else is refused', async () => {
    const less = tensors.filter(({ name }) => !name.includes('layer.1.output.dense'));
    const lacking = await failureOf(directoryOf('model.onnx', new OnnxFile(less, 'fp32').bytes()).directory);
    expect(lacking.code).toBe('WEIGHTS_MISMATCH');
    expect(lacking.message).toContain("'bert.encoder.layer.1.output.dense.weight'");
    const whole = new OnnxFile(tensors, 'int8 by column').bytes();
    const { directory, file } = directoryOf('model.onnx', whole);
    for (const length of [whole.length - 1, whole.length >> 1, 100, 3, 0]) {
      truncateSync(file, length);
      const error = await failureOf(directory);
      expect(error.code, String(length)).toBe('WEIGHTS_FORMAT');
      expect(error.message).toContain(`${file} is not a sound ONNX file`);
    }
    writeFileSync(file, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    expect((await failureOf(directory)).message).toContain('Git LFS');
  });
});
