import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { openWorkspace } from '../../src/entries/experiment.js';
import { exportOnnx } from '../../src/entries/publish.js';
import { evaluate, finetune, Tagger, TokenClassifier } from '../../src/index.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';
import { matrixOf, runOnnx } from '../helpers/onnx-interpreter.js';
import { readOnnx } from '../helpers/onnx-reader.js';
import { fixturePath } from '../helpers/shared.js';
import { maxDifference } from '../helpers/tensors.js';
import { thrownBy } from '../helpers/thrown.js';
import { bytesOf, weightsOf } from '../helpers/with-model.js';

const folder = mkdtempSync(join(tmpdir(), 'permafrost-int8-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const task = smallTask();
const directory = join(folder, 'model');
const output = capturedOutput();
const INT8 = { threads: 1, precision: 'int8' } as const;

beforeAll(async () => {
  const model = await task.createModel();
  const { train, validation } = task;
  await finetune({
    ...{ model, train, validation, epochs: 8, batchSize: 8, seed: 3 },
    // No entity is found in the first epochs.
    earlyStopping: false,
    optimizer: { learningRate: 3e-3 },
  }).result;
  await model.save(directory);
  await model.dispose();
});

const IDS = [2, 9, 11, 4, 27, 8, 15, 3];

describe('a model in int8', () => {
  // The layers of the other families are those of BERT; ELECTRA maps its embeddings, DeBERTa distances.
  it.each(['bert-gelu-new', 'electra', 'deberta-v2'])(
    'of %s scores as its graph of 8 bits does',
    async (family) => {
      const from = fixturePath('architectures', family);
      const out = join(folder, family);
      await exportOnnx({ model: from, out, int8: true, int8Embeddings: false });
      const graph = readOnnx(join(out, 'onnx', 'model_quantized.onnx'));
      const feed = Object.fromEntries(
        ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => [
          name,
          matrixOf([name === 'input_ids' ? IDS : IDS.map(() => Number(name === 'attention_mask'))]),
        ]),
      );
      const theirs = runOnnx(graph, feed).data;
      const [rounded, exact] = [await TokenClassifier.load(from, INT8), await TokenClassifier.load(from)];
      try {
        const ours = (await rounded.logits({ inputIds: [IDS] })).data;
        const fp32 = (await exact.logits({ inputIds: [IDS] })).data;
        // One number that falls to the other side of a half changes more than the last bits of fp32.
        expect(maxDifference(ours, theirs)).toBeLessThan(0.35 * maxDifference(fp32, theirs));
        expect(maxDifference(fp32, theirs)).toBeGreaterThan(1e-4);
      } finally {
        await rounded.dispose();
        await exact.dispose();
      }
    },
  );

  it('tags and evaluates nearly as in fp32, a text alike whatever comes with it', async () => {
    const texts = task.test.map(({ words }) => words.join(' '));
    const [rounded, exact] = [
      await Tagger.load(directory, INT8),
      await Tagger.load(directory, { threads: 1 }),
    ];
    try {
      const together = await Promise.all(texts.map((text) => rounded.tag(text)));
      expect(await rounded.tag(texts[7]!)).toEqual(together[7]);
      const names = (found: { type: string; text: string }[][]) =>
        found.flatMap((entities, i) => entities.map(({ type, text }) => `${i} ${type} ${text}`));
      const [ours, theirs] = [
        names(together),
        names(await Promise.all(texts.map((text) => exact.tag(text)))),
      ];
      expect(theirs.length).toBeGreaterThan(10);
      expect(ours.filter((name) => !theirs.includes(name)).length).toBeLessThan(0.1 * theirs.length);
      expect(together).not.toEqual(await Promise.all(texts.map((text) => exact.tag(text))));
    } finally {
      await rounded.dispose();
      await exact.dispose();
    }
  });

  it('says so, keeps its weights as they were, and saves them', async () => {
    const [rounded, exact] = [
      await TokenClassifier.load(directory, INT8),
      await TokenClassifier.load(directory, { threads: 1 }),
    ];
    try {
      await evaluate({ model: rounded, sentences: task.test });
      expect((await rounded.deviceFacts()).precision).toBe('int8');
      const [weights, expected] = [await weightsOf(rounded), await weightsOf(exact)];
      for (const [name, values] of expected) expect(bytesOf(weights.get(name)!)).toBe(bytesOf(values));
      const { parameters } = await rounded.memory();
      // A byte a weight beside its four, and what is filled up.
      expect(parameters / (await exact.memory()).parameters).toBeGreaterThan(1);
      expect(parameters / (await exact.memory()).parameters).toBeLessThan(1.6);
      await rounded.save(join(folder, 'saved'));
      const [saved, original] = [join(folder, 'saved'), directory].map((path) =>
        readFileSync(join(path, 'model.safetensors')),
      );
      expect(saved!.equals(original!)).toBe(true);
    } finally {
      await rounded.dispose();
      await exact.dispose();
    }
  });

  it('is not trained, and the error says what is', async () => {
    const model = await TokenClassifier.load(directory, INT8);
    try {
      const refused = await thrownBy(() => model.trainer());
      expect(refused).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining("'fp32' or 'bf16'"),
      });
    } finally {
      await model.dispose();
    }
    const precision = 'int8' as 'fp32';
    const options = {
      shape: 'tiny',
      train: 'a.conll',
      validation: 'b.conll',
      out: join(folder, 'none'),
      precision,
    };
    expect(await thrownBy(() => openWorkspace(options))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('expected fp32 or bf16 (int8 is for tagging and evaluation'),
    });
    const flags = [
      '--shape',
      'tiny',
      '--train',
      'a.conll',
      '--validation',
      'b.conll',
      '--out',
      join(folder, 'none'),
    ];
    expect(await main(['train', ...flags, '--precision', 'int8'])).toBe(2);
    expect(output.err).toContain('int8 is for tagging and evaluation: train in one of these');
  });

  it('is had on the command line', async () => {
    const text = task.test[0]!.words.join(' ');
    const predict = ['predict', '--model', directory, '--threads', '1', '--json', '--text', text];
    expect(await main(predict)).toBe(0);
    expect(await main([...predict, '--precision', 'int8'])).toBe(0);
    const [exact, rounded] = output.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rounded.text).toBe(text);
    expect(rounded).not.toEqual(exact);
  });
});
