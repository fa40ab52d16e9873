import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RaggedBatch, TokenClassifier } from '../../src/index.js';
import { type ExpectedRun, expectSameSteps, parameterTolerance, trainerOf } from '../helpers/parity.js';
import { fixturePath } from '../helpers/shared.js';
import { maxDifference, ragged, readTensorFile, toLookup } from '../helpers/tensors.js';

const folder = fixturePath('parity');
const json = (name: string) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'));
const expected: ExpectedRun = json('expected.json');
const noise = json('noise.json');
const batches: RaggedBatch[] = json('batches.json').map(ragged);
// Its true gradient is 0; what is computed is rounding noise that Adam turns into steps.
const isNoise = (name: string) => name.endsWith('attention.self.key.bias');

describe.each(['fused', 'plain'] as const)(
  'the engine with %s kernels against the Hugging Face Trainer',
  (kernels) => {
    let model: TokenClassifier;
    beforeAll(async () => {
      model = await TokenClassifier.load(folder, { kernels });
    });
    afterAll(() => model.dispose());

    it('gives the same logits', async () => {
      const { data, shape } = await model.logits(batches[0]!);
      const logits = toLookup(readTensorFile(`${folder}/logits.batch0.safetensors`)).get('logits')!;
      expect(shape).toEqual(logits.shape);
      expect(maxDifference(data, logits.data)).toBeLessThan(5e-6);
    });

    it('gives the same gradient of every parameter', async () => {
      const trainer = await trainerOf(model, expected, expected.cases[0]!);
      const norms = await trainer.gradients(batches[0]!);
      for (const [name, norm] of Object.entries(expected.cases[0]!.grad_l2)) {
        if (!isNoise(name)) expect(Math.abs(norms.get(name)! - norm), name).toBeLessThan(5e-6 + 1e-5 * norm);
      }
    });

    it.each(expected.cases)('trains 12 steps alike: $name', async (testCase) => {
      const trained = await TokenClassifier.load(folder, { kernels });
      const initial = toLookup(readTensorFile(`${folder}/model.safetensors`));
      try {
        const trainer = await trainerOf(trained, expected, testCase);
        const trainable = trained.parameters().filter((parameter) => parameter.trainable);
        expect(trainable.map(({ name }) => name)).toEqual(testCase.trainable);
        expect(trainable.reduce((sum, { count }) => sum + count, 0)).toBe(testCase.trainable_count);
        await expectSameSteps(trainer, batches, testCase);
        const after = toLookup(readTensorFile(`${folder}/${testCase.params_file}`));
        for (const { name, trainable: learns } of trained.parameters()) {
          const data = await trained.readParameter(name);
          if (!learns) expect(data, name).toEqual(initial.get(name)!.data);
          else if (!isNoise(name)) {
            expect(maxDifference(data, after.get(name)!.data), name).toBeLessThan(
              parameterTolerance(noise[testCase.name] ?? noise.cases?.[testCase.name] ?? noise, name),
            );
          }
        }
      } finally {
        await trained.dispose();
      }
    });
  },
);
