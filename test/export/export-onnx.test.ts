import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { exportOnnx } from '../../src/entries/publish.js';
import { floatArithmetic } from '../../src/export/arithmetic.js';
import { tokenClassifierGraph } from '../../src/export/encoder-graph.js';
import { isOneFile, writeOnnx } from '../../src/export/onnx-file.js';
import { tensorNames, tensorShapes } from '../../src/export/tensor-names.js';
import { directoryWeights } from '../../src/export/weights.js';
import { TokenClassifier, Tokenizer } from '../../src/index.js';
import { encoderConfig, huggingFaceEncoder, readConfigFile } from '../../src/model/config.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';
import { ARCHITECTURES, FAMILIES } from '../helpers/families.js';
import { matrixOf, runOnnx } from '../helpers/onnx-interpreter.js';
import { readOnnx } from '../helpers/onnx-reader.js';
import { rawTensors, writeTensorFile } from '../helpers/safetensors-file.js';
import { fixturePath } from '../helpers/shared.js';
import { maxDifference, ragged } from '../helpers/tensors.js';
import { thrownBy } from '../helpers/thrown.js';
import { TINY, withModel } from '../helpers/with-model.js';

const folder = mkdtempSync(join(tmpdir(), 'permafrost-onnx-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (...names: string[]) => join(folder, ...names);

/** A model with a tokenizer. */
const own = at('own');
beforeAll(async () => {
  const model = await smallTask().createModel();
  await model.save(own);
  await model.dispose();
});

interface Padded {
  input_ids: number[][];
  attention_mask: number[][];
}

/** Scores of the tokens that are no padding, by the graph. */
function scoresOf(file: string, { input_ids, attention_mask }: Padded): Float64Array {
  const types = input_ids.map((row) => row.map(() => 0));
  const { shape, data } = runOnnx(readOnnx(file), {
    input_ids: matrixOf(input_ids),
    attention_mask: matrixOf(attention_mask),
    token_type_ids: matrixOf(types),
  });
  const labels = shape[2]!;
  expect(shape).toEqual([input_ids.length, input_ids[0]!.length, labels]);
  return data.filter((_, i) => attention_mask.flat()[Math.floor(i / labels)] === 1);
}

/** A fixture of a family with two sequences of several lengths, padded to the longest of a larger batch. */
function fixture(family: string): { directory: string; batch: Padded } {
  const directory = fixturePath('architectures', family);
  const [first] = JSON.parse(readFileSync(join(directory, 'batches.json'), 'utf8')) as Padded[];
  const [input_ids, attention_mask] = [first!.input_ids.slice(0, 2), first!.attention_mask.slice(0, 2)];
  return { directory, batch: { input_ids, attention_mask } };
}

/** The engine's scores of the same tokens. */
async function engineScores(directory: string, batch: Padded): Promise<Float32Array> {
  const model = await TokenClassifier.load(directory, { threads: 1 });
  try {
    return (await model.logits(ragged(batch))).data;
  } finally {
    await model.dispose();
  }
}

describe('the graph', () => {
  it.each(ARCHITECTURES)(
    'of %s gives the scores of the engine, whatever the length of a batch',
    async (family) => {
      const { directory, batch } = fixture(family);
      await exportOnnx({ model: directory, out: at(family) });
      for (const each of [batch, { input_ids: [[2, 9, 3]], attention_mask: [[1, 1, 1]] }]) {
        const scores = scoresOf(at(family, 'onnx', 'model.onnx'), each);
        expect(maxDifference(scores, await engineScores(directory, each))).toBeLessThan(2e-6);
      }
    },
  );

  // The layers of the other families are those of BERT.
  it.each(['bert-gelu-new', 'electra', 'deberta-v2'])(
    'of %s with 8 bits gives nearly those',
    async (family) => {
      const { directory, batch } = fixture(family);
      await exportOnnx({ model: directory, out: at(family), int8: true });
      const scores = scoresOf(at(family, 'onnx', 'model_quantized.onnx'), batch);
      const exact = await engineScores(directory, batch);
      const largest = Math.max(...exact.map(Math.abs));
      expect(maxDifference(scores, exact)).toBeGreaterThan(1e-4);
      expect(maxDifference(scores, exact)).toBeLessThan(0.01 * largest);
    },
  );

  it('of 8 bits scores a sentence alike, whatever stands beside it', async () => {
    const { directory, batch } = fixture('electra');
    await exportOnnx({ model: directory, out: at('alone'), int8: true });
    const file = at('alone', 'onnx', 'model_quantized.onnx');
    const [input_ids, attention_mask] = [batch.input_ids.slice(0, 1), batch.attention_mask.slice(0, 1)];
    const alone = scoresOf(file, { input_ids, attention_mask });
    const together = scoresOf(file, batch).slice(0, alone.length);
    expect(maxDifference(alone, together)).toBeLessThan(1e-9);
  });

  it('takes token types where there are several', async () => {
    const { inputs } = await exportOnnx({ model: fixture('bert-gelu-new').directory, out: at('types') });
    expect(inputs).toEqual(['input_ids', 'attention_mask', 'token_type_ids']);
    const model = readOnnx(at('types', 'onnx', 'model.onnx'));
    expect(model.opset).toBe(17);
    expect(model.inputs.map(({ shape }) => shape)).toEqual(Array(3).fill(['batch_size', 'sequence_length']));
    const feed = { input_ids: matrixOf([[2, 9, 3]]), attention_mask: matrixOf([[1, 1, 1]]) };
    const [zeros, ones] = [0, 1].map((type) =>
      runOnnx(model, { ...feed, token_type_ids: matrixOf([[type, type, type]]) }),
    );
    expect(maxDifference(zeros!.data, ones!.data)).toBeGreaterThan(1e-3);
    const roberta = await exportOnnx({ model: fixture('roberta').directory, out: at('types') });
    expect(roberta.inputs).toEqual(['input_ids', 'attention_mask']);
  });

  it('has finite scores for a sequence of nothing but padding', async () => {
    await exportOnnx({ model: fixture('roberta').directory, out: at('empty') });
    const { data } = runOnnx(readOnnx(at('empty', 'onnx', 'model.onnx')), {
      input_ids: matrixOf([[1, 1]]),
      attention_mask: matrixOf([[0, 0]]),
    });
    expect(data.every(Number.isFinite)).toBe(true);
  });
});

describe('what exportOnnx writes', () => {
  const { directory, batch } = fixture('electra');

  it('is the same of a model in memory as of its directory', async () => {
    await exportOnnx({ model: directory, out: at('stored') });
    const model = await TokenClassifier.load(directory, { threads: 1 });
    try {
      await exportOnnx({ model, out: at('memory') });
    } finally {
      await model.dispose();
    }
    const [stored, memory] = ['stored', 'memory'].map((name) => readFileSync(at(name, 'onnx', 'model.onnx')));
    expect(memory!.equals(stored!)).toBe(true);
  });

  it('gives the words of a chain their own scores, and names what it leaves out', async () => {
    const model = await TokenClassifier.create(TINY, { head: 'crf', threads: 1 });
    const parts = ['crf.start_transitions', 'crf.transitions', 'crf.end_transitions'];
    try {
      await model.save(at('chain'));
      const memory = await exportOnnx({ model, out: at('chain-memory') });
      const stored = await exportOnnx({ model: at('chain'), out: at('chain-stored') });
      expect(memory.left.sort()).toEqual(parts.sort());
      expect(stored.left.sort()).toEqual(parts.sort());
    } finally {
      await model.dispose();
    }
  });

  it('is read back to the same bits', async () => {
    await exportOnnx({ model: directory, out: at('back') });
    expect(await engineScores(at('back'), batch)).toEqual(await engineScores(directory, batch));
  });

  it('has the scores of weights in half precision', async () => {
    const model = await TokenClassifier.load(directory, { threads: 1 });
    try {
      await model.save(at('half'), { precision: 'fp16' });
    } finally {
      await model.dispose();
    }
    await exportOnnx({ model: at('half'), out: at('from-half') });
    const scores = scoresOf(at('from-half', 'onnx', 'model.onnx'), batch);
    expect(maxDifference(scores, await engineScores(at('half'), batch))).toBeLessThan(2e-6);
  });

  it('has the scores of weights that lie in pytorch_model.bin', async () => {
    const torch = fixturePath('torch-files', 'electra');
    await exportOnnx({ model: torch, out: at('torch') });
    const few = { input_ids: [[2, 9, 3]], attention_mask: [[1, 1, 1]] };
    const scores = scoresOf(at('torch', 'onnx', 'model.onnx'), few);
    expect(maxDifference(scores, await engineScores(torch, few))).toBeLessThan(2e-6);
  });

  it('leaves the table of words in 32 bits where that is asked for', async () => {
    await exportOnnx({ model: directory, out: at('tables'), int8: true });
    const whole = readOnnx(at('tables', 'onnx', 'model_quantized.onnx'));
    await exportOnnx({ model: directory, out: at('tables'), int8: true, int8Embeddings: false });
    const mixed = readOnnx(at('tables', 'onnx', 'model_quantized.onnx'));
    const table = 'electra.embeddings.word_embeddings.weight';
    expect([...whole.constants.keys()]).toContain(`${table}_quantized`);
    expect([...mixed.constants.keys()]).toContain(table);
    expect([...mixed.constants.keys()]).not.toContain(`${table}_quantized`);
  });

  it('lies beside configuration and tokenizer, as transformers.js looks for them', async () => {
    const { files } = await exportOnnx({ model: own, out: at('layout') });
    const paths = files.map(({ path }) => path);
    expect(paths.at(-1)).toBe('onnx/model.onnx');
    expect(paths).toEqual(expect.arrayContaining(['config.json', 'tokenizer.json', 'tokenizer_config.json']));
    for (const { path, bytes } of files) expect(statSync(at('layout', path)).size).toBe(bytes);
    const tokenizer = await Tokenizer.load(at('layout'));
    expect(tokenizer.encodeWords(['ann']).inputIds).toEqual(
      (await Tokenizer.load(own)).encodeWords(['ann']).inputIds,
    );
  });

  it('leaves what a model directory holds as it is', async () => {
    const before = readFileSync(join(own, 'config.json'), 'utf8');
    await exportOnnx({ model: own, out: own, int8: true });
    expect(readFileSync(join(own, 'config.json'), 'utf8')).toBe(before);
    expect(existsSync(join(own, 'onnx', 'model_quantized.onnx'))).toBe(true);
  });

  it('puts weights beside the graph where one file cannot hold them', async () => {
    const config = huggingFaceEncoder(await readConfigFile(join(directory, 'config.json')), 'config');
    const names = tensorNames(config);
    const weights = await directoryWeights(directory, config, tensorShapes(config, names));
    const float = floatArithmetic(weights);
    const graph = tokenClassifierGraph(config, names, weights, { layers: float, head: float });
    const file = at('split', 'model.onnx');
    expect(isOneFile(graph)).toBe(true);
    expect(await writeOnnx(file, graph, 20_000)).toEqual([`${file}_data`, file]);
    expect(statSync(file).size).toBeLessThan(40_000);
    expect(maxDifference(scoresOf(file, batch), await engineScores(directory, batch))).toBeLessThan(2e-6);
    // The data of an earlier export would mislead.
    await writeOnnx(file, graph);
    expect(existsSync(`${file}_data`)).toBe(false);
  });

  it('is the earlier file, whole, where an export is stopped', async () => {
    const { directory: out } = await exportOnnx({ model: directory, out: at('stopped') });
    const before = readFileSync(join(out, 'onnx', 'model.onnx'));
    const controller = new AbortController();
    const stopped = exportOnnx({ model: directory, out, signal: controller.signal });
    setImmediate(() => controller.abort(new Error('enough')));
    await expect(stopped).rejects.toThrow('enough');
    expect(readFileSync(join(out, 'onnx', 'model.onnx')).equals(before)).toBe(true);
    expect(readdirSync(join(out, 'onnx'))).toEqual(['model.onnx']);
  });
});

describe('exportOnnx', () => {
  it('refuses a model whose head was never trained', () =>
    withModel(async (model) => {
      await model.save(at('headless'));
      const file = join(at('headless'), 'model.safetensors');
      const encoder = rawTensors(file).filter(({ name }) => !name.startsWith('classifier.'));
      writeTensorFile(file, encoder);
      const error = await thrownBy(() => exportOnnx({ model: at('headless'), out: at('headless') }));
      expect(error).toMatchObject({ code: 'WEIGHTS_MISMATCH' });
      expect(error.message).toContain('no trained head');
      expect(existsSync(at('headless', 'onnx'))).toBe(false);
    }));

  it('names an option that there is not', async () => {
    const error = await thrownBy(() => exportOnnx({ model: 'm', out: 'o', int4: true } as never));
    expect(error).toMatchObject({ code: 'INVALID_OPTION' });
    expect(error.message).toContain("there is no option 'int4'. Did you mean `int8`?");
  });
});

describe('permafrost export', () => {
  const output = capturedOutput();
  it('tells what it wrote', async () => {
    expect(await main(['export', '--model', own, '--onnx', at('cli'), '--int8', '--json'])).toBe(0);
    expect(JSON.parse(output.out.trim().split('\n').at(-1)!)).toMatchObject({
      type: 'export',
      opset: 17,
      directory: at('cli'),
    });
    expect(existsSync(at('cli', 'onnx', 'model_quantized.onnx'))).toBe(true);
  });
});

describe.each(Object.entries(FAMILIES))('the names of %s', (_, family) => {
  it('are those of its parameters, with their shapes', () =>
    withModel(async (model) => {
      const config = encoderConfig({ ...TINY, ...family }, 'config');
      const parameters = model.parameters().map(({ name, shape }) => [name, shape]);
      expect(new Map(tensorShapes(config, tensorNames(config)))).toEqual(new Map(parameters as never));
    }, family));
});
