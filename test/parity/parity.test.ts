import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { only, type RaggedBatch, TokenClassifier, type Trainer } from '../../src/index.js';
import { fixturePath } from '../helpers/shared.js';
import { maxDifference, ragged, readTensorFile, toLookup } from '../helpers/tensors.js';

interface Case {
  name: string;
  embeddings_frozen: boolean;
  frozen_layers: number[];
  max_grad_norm: number;
  trainable: string[];
  trainable_count: number;
  grad_l2: Record<string, number>;
  grad_total_l2: number;
  losses: number[];
  lrs: number[];
  grad_norms_before_clipping: number[];
  params_file: string;
}

const folder = fixturePath('parity');
const json = (name: string) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'));
const expected = json('expected.json');
const noise = json('noise.json');
const batches: RaggedBatch[] = json('batches.json').map(ragged);
// Its true gradient is 0; what is computed is rounding noise that Adam turns into steps.
const isNoise = (name: string) => name.endsWith('attention.self.key.bias');

async function trainerOf(model: TokenClassifier, testCase: Case): Promise<Trainer> {
  await model.freeze(
    only({ embeddings: testCase.embeddings_frozen, layers: testCase.frozen_layers }).plan(4),
  );
  return model.trainer({
    learningRate: expected.lr,
    betas: expected.betas,
    eps: expected.eps,
    weightDecay: expected.weight_decay,
    maxGradNorm: testCase.max_grad_norm,
    schedule: 'linear',
    warmupSteps: expected.warmup_steps,
    totalSteps: expected.total_steps,
  });
}

/** Largest noise that the reference itself shows for a tensor. */
function noiseOf(caseName: string, tensor: string): number {
  const values: number[] = [];
  const collect = (node: unknown) => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      if (key === tensor && typeof value === 'number') values.push(value);
      else collect(value);
    }
  };
  collect(noise[caseName] ?? noise.cases?.[caseName] ?? noise);
  return Math.max(0, ...values);
}

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
      const trainer = await trainerOf(model, expected.cases[0]);
      const norms = await trainer.gradients(batches[0]!);
      for (const [name, norm] of Object.entries(expected.cases[0].grad_l2 as Record<string, number>)) {
        if (!isNoise(name)) expect(Math.abs(norms.get(name)! - norm), name).toBeLessThan(5e-6 + 1e-5 * norm);
      }
    });

    it.each(expected.cases as Case[])('trains 12 steps alike: $name', async (testCase) => {
      const trained = await TokenClassifier.load(folder, { kernels });
      const initial = toLookup(readTensorFile(`${folder}/model.safetensors`));
      try {
        const trainer = await trainerOf(trained, testCase);
        const trainable = trained.parameters().filter((parameter) => parameter.trainable);
        expect(trainable.map(({ name }) => name)).toEqual(testCase.trainable);
        expect(trainable.reduce((sum, { count }) => sum + count, 0)).toBe(testCase.trainable_count);
        for (const [i, batch] of batches.entries()) {
          const step = await trainer.step(batch);
          expect(Math.abs(step.loss - testCase.losses[i]!), `loss ${i}`).toBeLessThan(5e-6);
          expect(step.learningRate).toBeCloseTo(testCase.lrs[i]!, 12);
          const norm = testCase.grad_norms_before_clipping[i]!;
          expect(Math.abs(step.gradNorm! - norm), `norm ${i}`).toBeLessThan(1e-5 * norm + 5e-6);
        }
        const after = toLookup(readTensorFile(`${folder}/${testCase.params_file}`));
        for (const { name, trainable: learns } of trained.parameters()) {
          const data = await trained.readParameter(name);
          if (!learns) expect(data, name).toEqual(initial.get(name)!.data);
          else if (!isNoise(name)) {
            expect(maxDifference(data, after.get(name)!.data), name).toBeLessThan(
              2e-6 + 5 * noiseOf(testCase.name, name),
            );
          }
        }
      } finally {
        await trained.dispose();
      }
    });
  },
);
