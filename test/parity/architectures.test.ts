import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RaggedBatch, TokenClassifier } from '../../src/index.js';
import { ARCHITECTURES } from '../helpers/families.js';
import { type ExpectedRun, expectSameSteps, parameterTolerance, trainerOf } from '../helpers/parity.js';
import { fixturePath } from '../helpers/shared.js';
import { maxDifference, ragged, readTensorFile, toLookup } from '../helpers/tensors.js';

const KERNELS = ['fused', 'plain'] as const;

describe.each(ARCHITECTURES.flatMap((family) => KERNELS.map((kernels) => [family, kernels] as const)))(
  '%s with %s kernels against the Hugging Face Trainer',
  (family, kernels) => {
    const folder = fixturePath('architectures', family);
    const json = (name: string) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'));
    const expected: ExpectedRun = json('expected.json');
    const noise = json('noise.json');
    const batches: RaggedBatch[] = json('batches.json').map(ragged);
    const isCompared = (name: string) => !expected.leave_out.includes(name);
    let model: TokenClassifier;
    beforeAll(async () => {
      model = await TokenClassifier.load(folder, { kernels });
    });
    afterAll(() => model.dispose());

    it('gives the same logits', async () => {
      const tensors = toLookup(readTensorFile(`${folder}/logits.batch0.safetensors`));
      const { data, shape } = await model.logits(batches[0]!);
      expect(shape).toEqual(tensors.get('logits')!.shape);
      expect(maxDifference(data, tensors.get('logits')!.data)).toBeLessThan(1e-5);
    });

    it('has positions for its longest sequence and no longer one', async () => {
      const longest = Array<number>(40).fill(7);
      expect(model.maxLength).toBe(40);
      await expect(model.logits({ inputIds: [longest] })).resolves.toBeDefined();
      await expect(model.logits({ inputIds: [[...longest, 7]] })).rejects.toMatchObject({
        code: 'INVALID_BATCH',
      });
    });

    it.each(expected.cases)('trains 6 steps alike: $name', async (testCase) => {
      const trained = await TokenClassifier.load(folder, { kernels });
      const initial = toLookup(readTensorFile(`${folder}/model.safetensors`));
      try {
        const trainer = await trainerOf(trained, expected, testCase);
        const trainable = trained.parameters().filter((parameter) => parameter.trainable);
        expect(trainable.map(({ name }) => name)).toEqual(testCase.trainable);
        expect(trainable.reduce((sum, { count }) => sum + count, 0)).toBe(testCase.trainable_count);
        const norms = await trainer.gradients(batches[0]!);
        for (const [name, norm] of Object.entries(testCase.grad_l2)) {
          if (isCompared(name))
            expect(Math.abs(norms.get(name)! - norm), name).toBeLessThan(5e-6 + 1e-5 * norm);
        }
        await expectSameSteps(trainer, batches, testCase);
        const after = toLookup(readTensorFile(`${folder}/${testCase.params_file}`));
        for (const { name, trainable: learns } of trained.parameters()) {
          const data = await trained.readParameter(name);
          if (!learns) expect(data, name).toEqual(initial.get(name)!.data);
          else if (isCompared(name)) {
            const tolerance = parameterTolerance(noise[testCase.name], name);
            expect(maxDifference(data, after.get(name)!.data), name).toBeLessThanOrEqual(tolerance);
          }
        }
      } finally {
        await trained.dispose();
      }
    });
  },
);
