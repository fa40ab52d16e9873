import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MaskedLanguageModel, type RaggedBatch, TokenClassifier } from '../../src/index.js';
import { expectSameSteps } from '../helpers/parity.js';
import { fixturePath } from '../helpers/shared.js';
import { maxDifference, ragged, readTensorFile, toLookup } from '../helpers/tensors.js';

const folder = fixturePath('masked-lm');
const json = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
const expected = json('expected.json');
const [testCase] = expected.cases;
const leftOut = new Set<string>(expected.leave_out);
const noise = json('noise.json').none.params_max_abs_diff as Record<string, Record<string, number>>;
const batches: RaggedBatch[] = json('batches.json').map(ragged);
const noiseOf = (tensor: string) => Math.max(...Object.values(noise[tensor]!));

describe.each(['fused', 'plain'] as const)(
  'a masked language model with %s kernels against the Hugging Face Trainer',
  (kernels) => {
    let model: MaskedLanguageModel;
    beforeAll(async () => {
      model = await MaskedLanguageModel.load(folder, { kernels });
    });
    afterAll(() => model.dispose());

    it('has every parameter once, the decoder among the embeddings', () => {
      expect(model.loadReport).toEqual({ fresh: [], unused: [] });
      expect(model.parameters().map(({ name }) => name)).toEqual(testCase.trainable);
      expect(model.parameters().reduce((sum, { count }) => sum + count, 0)).toBe(testCase.trainable_count);
    });

    it('gives the same logits where a token is to be predicted', async () => {
      const { data, shape } = await model.logits(batches[0]!);
      const labels = batches[0]!.labels!.flat();
      const wanted = labels.flatMap((label, token) => (label === -100 ? [] : [token]));
      const rows = wanted.flatMap((token) => [...data.subarray(token * shape[1], (token + 1) * shape[1])]);
      const logits = toLookup(readTensorFile(join(folder, 'logits.batch0.safetensors'))).get('logits')!;
      expect([wanted.length, shape[1]]).toEqual(logits.shape);
      expect(maxDifference(rows, logits.data)).toBeLessThan(1e-5);
    });

    it('gives the same loss without training, and the arg max of its scores', async () => {
      const { loss, labelled } = await model.loss([batches[0]!]);
      expect(Math.abs(loss - expected.batch0_loss)).toBeLessThan(5e-6);
      expect(labelled).toBe(batches[0]!.labels!.flat().filter((label) => label !== -100).length);
      const { data, shape } = await model.logits(batches[1]!);
      const [predicted] = await model.predict([batches[1]!]);
      const best = Array.from({ length: shape[0] }, (_, token) => {
        const row = [...data.subarray(token * shape[1], (token + 1) * shape[1])];
        return row.indexOf(Math.max(...row));
      });
      expect([...predicted!]).toEqual(best);
    });

    it('trains 6 steps alike', async () => {
      const trained = await MaskedLanguageModel.load(folder, { kernels });
      try {
        const trainer = await trained.trainer({
          learningRate: expected.lr,
          betas: expected.betas,
          eps: expected.eps,
          weightDecay: expected.weight_decay,
          maxGradNorm: testCase.max_grad_norm,
          schedule: 'linear',
          warmupSteps: expected.warmup_steps,
          totalSteps: expected.total_steps,
        });
        await expectSameSteps(trainer, batches, testCase);
        const after = toLookup(readTensorFile(join(folder, testCase.params_file)));
        for (const { name } of trained.parameters()) {
          if (leftOut.has(name)) continue;
          const difference = maxDifference(await trained.readParameter(name), after.get(name)!.data);
          expect(difference, name).toBeLessThan(2e-6 + 5 * noiseOf(name));
        }
      } finally {
        await trained.dispose();
      }
    });

    it('gives each parameter the gradient that the reference has', async () => {
      const trainer = await model.trainer({});
      const norms = await trainer.gradients(batches[0]!);
      for (const [name, norm] of Object.entries(testCase.grad_l2 as Record<string, number>)) {
        if (!leftOut.has(name))
          expect(Math.abs(norms.get(name)! - norm), name).toBeLessThan(5e-6 + 1e-5 * norm);
      }
    });
  },
);

describe('a masked language model as a checkpoint', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'permafrost-mlm-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('is saved as Transformers saves it', async () => {
    await using model = await MaskedLanguageModel.load(folder);
    await model.save(directory);
    const saved = toLookup(readTensorFile(join(directory, 'model.safetensors')));
    const original = toLookup(readTensorFile(join(folder, 'model.safetensors')));
    expect([...saved.keys()].sort()).toEqual([...original.keys()].sort());
    for (const [name, { data }] of original) expect(saved.get(name)!.data, name).toEqual(data);
    const config = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ architectures: ['BertForMaskedLM'], torch_dtype: 'float32' });
    expect(config).not.toHaveProperty('id2label');
  });

  it('gives a token classifier its encoder, the head drawn afresh and said so', async () => {
    await using model = await TokenClassifier.load(folder, { labels: ['O', 'B-X'] });
    const { fresh, unused } = model.loadReport;
    expect(fresh).toEqual(['classifier.weight', 'classifier.bias']);
    expect(unused.sort()).toEqual([
      'cls.predictions.bias',
      'cls.predictions.transform.LayerNorm.bias',
      'cls.predictions.transform.LayerNorm.weight',
      'cls.predictions.transform.dense.bias',
      'cls.predictions.transform.dense.weight',
    ]);
    await using language = await MaskedLanguageModel.load(folder);
    for (const { name } of model.parameters()) {
      if (fresh.includes(name)) continue;
      expect(await model.readParameter(name), name).toEqual(await language.readParameter(name));
    }
  });

  it('starts on top of a token classifier with its head fresh', async () => {
    const other = join(directory, 'classifier');
    await using classifier = await TokenClassifier.load(folder, { labels: ['O', 'B-X'] });
    await classifier.save(other);
    await using model = await MaskedLanguageModel.load(other);
    expect(model.loadReport.unused.sort()).toEqual(['classifier.bias', 'classifier.weight']);
    expect(model.loadReport.fresh.every((name) => name.startsWith('cls.predictions.'))).toBe(true);
    expect(model.config.labels).toEqual([]);
  });

  it('is stored in half precision where asked for, rounded to the nearest', async () => {
    const half = join(directory, 'half');
    await using model = await MaskedLanguageModel.load(folder);
    await model.save(half, { precision: 'fp16' });
    await using loaded = await MaskedLanguageModel.load(half);
    for (const { name } of model.parameters()) {
      const [exact, rounded] = [await model.readParameter(name), await loaded.readParameter(name)];
      // Half an ulp of an 11-bit significand, or of the smallest subnormal.
      const isNear = exact.every(
        (x, i) => Math.abs(x - rounded[i]!) <= Math.max(Math.abs(x) * 2 ** -11, 2 ** -25),
      );
      expect(isNear, name).toBe(true);
    }
    expect(JSON.parse(readFileSync(join(half, 'config.json'), 'utf8')).torch_dtype).toBe('float16');
    // Rounded numbers are halves already.
    await loaded.save(join(directory, 'again'), { precision: 'fp16' });
    expect(readFileSync(join(directory, 'again', 'model.safetensors'))).toEqual(
      readFileSync(join(half, 'model.safetensors')),
    );
  });
});

describe('the head and freezing', () => {
  it('keeps the decoder with the embeddings that are frozen, and learns by its other weights', async () => {
    await using model = await MaskedLanguageModel.load(folder);
    await model.freeze({ embeddings: true, layers: [true, true, true] });
    expect(model.frozenPrefix).toBe(3);
    const word = 'bert.embeddings.word_embeddings.weight';
    const before = await model.readParameter(word);
    const [biasBefore, trainer] = [
      await model.readParameter('cls.predictions.bias'),
      await model.trainer({ learningRate: 1e-2 }),
    ];
    const first = await trainer.step(batches[0]!);
    for (let i = 0; i < 20; i++) await trainer.step(batches[0]!);
    expect((await model.loss([batches[0]!])).loss).toBeLessThan(first.loss);
    expect(await model.readParameter(word)).toEqual(before);
    expect(await model.readParameter('cls.predictions.bias')).not.toEqual(biasBefore);
  });
});
