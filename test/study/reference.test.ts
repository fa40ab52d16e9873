import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RepresentationSimilarity } from '../../src/entries/training.js';
import { bottomUp, type RaggedBatch, TokenClassifier } from '../../src/index.js';
import { fixturePath } from '../helpers/shared.js';
import { ragged, readTensorFile } from '../helpers/tensors.js';
import { thrownBy } from '../helpers/thrown.js';
import { withModel } from '../helpers/with-model.js';

interface Expected {
  tokens: number;
  similarity: { trained: number[]; negated: number[] };
  moments: Record<string, [meanSquaredNorm: number, squaredNormOfMean: number]>;
  validation_loss: number;
}

const folder = fixturePath('parity');
const expected: Expected = JSON.parse(readFileSync(fixturePath('study', 'expected.json'), 'utf8'));
const batches: RaggedBatch[] = JSON.parse(readFileSync(`${folder}/batches.json`, 'utf8')).map(ragged);

describe.each(['fused', 'plain'] as const)('with %s kernels, by numpy and PyTorch', (kernels) => {
  let before: TokenClassifier;
  let after: TokenClassifier;
  beforeAll(async () => {
    before = await TokenClassifier.load(folder, { kernels, threads: 1 });
    after = await TokenClassifier.load(folder, { kernels, threads: 1 });
  });
  afterAll(async () => {
    await before.dispose();
    await after.dispose();
  });

  async function similarityOf(given: readonly RaggedBatch[] = batches): Promise<RepresentationSimilarity> {
    const similarity = new RepresentationSimilarity(before, after);
    for (const batch of given) await similarity.add(batch);
    return similarity;
  }

  it('the similarity of a model before and after training, layer by layer', async () => {
    for (const { name, data } of readTensorFile(`${folder}/params.none.safetensors`))
      await after.writeParameter(name, data);
    const similarity = await similarityOf();
    expect(similarity.tokens).toBe(expected.tokens);
    for (const [output, value] of similarity.values().entries())
      expect(value).toBeCloseTo(expected.similarity.trained[output]!, 5);
    // The order of the parts does not matter.
    const backwards = (await similarityOf([...batches].reverse())).values();
    for (const [output, value] of similarity.values().entries())
      expect(backwards[output]).toBeCloseTo(value, 6);
  });

  it('the similarity of models that have little in common', async () => {
    for (const { name, data, shape } of readTensorFile(`${folder}/model.safetensors`)) {
      const changed = data.map((value, index) => (shape.length === 2 && index % 3 === 0 ? -value : value));
      await after.writeParameter(name, changed);
    }
    for (const [output, value] of (await similarityOf()).values().entries())
      expect(value).toBeCloseTo(expected.similarity.negated[output]!, 5);
  });

  it('the similarity 1 of a model with itself', async () => {
    await after.loadWeights(folder);
    for (const value of (await similarityOf()).values()) expect(value).toBeCloseTo(1, 12);
  });

  it('the moments of the gradients of every parameter, none of what is frozen', async () => {
    await before.freeze('full');
    const trainer = await before.trainer({ learningRate: 1e-3 });
    const moments = await trainer.gradientMoments(batches);
    expect([...moments.keys()].sort()).toEqual(Object.keys(expected.moments).sort());
    for (const [name, [meanSquaredNorm, squaredNormOfMean]] of Object.entries(expected.moments)) {
      // The gradient of the keys' bias is 0 but for rounding.
      if (name.endsWith('attention.self.key.bias')) continue;
      const found = moments.get(name)!;
      expect(found.meanSquaredNorm / meanSquaredNorm, name).toBeCloseTo(1, 4);
      expect(found.squaredNormOfMean / squaredNormOfMean, name).toBeCloseTo(1, 4);
    }
    await before.freeze(bottomUp(2));
    const fewer = await (await before.trainer({ learningRate: 1e-3 })).gradientMoments(batches.slice(0, 2));
    expect([...fewer.keys()].some((name) => name.includes('layer.1.'))).toBe(false);
    expect([...fewer.keys()].some((name) => name.includes('layer.2.'))).toBe(true);
  });

  it('the loss beside the predictions', async () => {
    const { loss, predicted, labelled } = await before.predictWithLoss(batches);
    expect(loss).toBeCloseTo(expected.validation_loss, 5);
    expect(labelled).toBe(expected.tokens);
    expect(predicted).toEqual(await before.predict(batches));
    expect((await before.loss(batches)).loss).toBeCloseTo(loss, 6);
  });
});

describe('a comparison', () => {
  it('of models of other depths, and of nothing, is refused', async () => {
    await withModel(async (four) =>
      withModel(
        async (two) => {
          const error = await thrownBy(async () => new RepresentationSimilarity(four, two));
          expect(error.code).toBe('INVALID_OPTION');
          expect(error.message).toMatch(/4 and 2/);
          const none = new RepresentationSimilarity(four, four);
          expect((await thrownBy(async () => none.values())).code).toBe('INVALID_OPTION');
        },
        { numLayers: 2 },
      ),
    );
  });

  it('of models of other widths is one of the same tokens', async () => {
    await withModel(async (wide) =>
      withModel(
        async (narrow) => {
          const similarity = new RepresentationSimilarity(wide, narrow);
          await similarity.add({
            inputIds: [
              [2, 7, 8, 9, 3],
              [2, 11, 3],
            ],
          });
          const values = similarity.values();
          expect(values).toHaveLength(5);
          for (const value of values) expect(value).toBeGreaterThan(0);
          for (const value of values) expect(value).toBeLessThanOrEqual(1);
          expect(similarity.tokens).toBe(8);
        },
        { hiddenSize: 8 },
      ),
    );
  });
});
