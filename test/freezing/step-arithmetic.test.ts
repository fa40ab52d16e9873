import { describe, expect, it } from 'vitest';
import { timeProducts } from '../../src/bench/engine-calls.js';
import { parseStrategy } from '../../src/freezing/notation.js';
import { relativeCost } from '../../src/freezing/relative-cost.js';
import { stepArithmetic } from '../../src/freezing/step-arithmetic.js';
import { TokenClassifier } from '../../src/model/token-classifier.js';
import { thrownBy } from '../helpers/thrown.js';

const bertBase = { numLayers: 12, hiddenSize: 768, intermediateSize: 3072, numLabels: 9 };

describe('stepArithmetic', () => {
  it('counts three products a linear map where nothing is frozen', () => {
    const { flops, products } = stepArithmetic(bertBase, parseStrategy('full').plan(12), 616);
    expect(flops).toBe(2 * 616 * 3 * (12 * 12 * 768 * 768 + 768 * 9));
    expect(products).toBe(3 * (12 * 4 + 1));
  });

  it.each(['full', 'bottom-up:3', 'bottom-up:6', 'bottom-up:12', 'top-down:6', 'interleaved'])(
    'agrees with the relative cost of %s but for the head and the lowest input',
    (notation) => {
      const plan = parseStrategy(notation).plan(12);
      const cost = relativeCost(plan);
      const arithmetic = stepArithmetic(bertBase, plan, 100);
      const layer = 2 * 100 * 12 * 768 * 768;
      expect(arithmetic.forward / layer).toBeCloseTo(cost.forward, 1);
      expect(arithmetic.weightGradients / layer).toBeCloseTo(cost.weightGradients, 1);
      const lowestInput = plan.embeddings && cost.activationGradients > 0 ? 3 / 12 : 0;
      expect(arithmetic.activationGradients / layer).toBeCloseTo(cost.activationGradients - lowestInput, 1);
    },
  );
});

describe('the arithmetic with the prefix kept', () => {
  it.each([3, 6, 9])('approaches the bound at k = %d', (k) => {
    const full = stepArithmetic(bertBase, parseStrategy('full').plan(12), 100).flops;
    const plan = parseStrategy(`bottom-up:${k}`).plan(12);
    const kept = stepArithmetic(bertBase, plan, 100, { prefixKept: true }).flops;
    const bound = relativeCost(plan).speedupWithPrefixKept;
    expect(full / kept).toBeGreaterThan(bound);
    // The lowest layer's gradient of its input is not in the bound: at k = 9 a twelfth of what is left.
    expect(full / kept).toBeLessThan(1.05 * bound);
  });

  it('leaves the head alone where every layer is frozen', () => {
    const { flops, products } = stepArithmetic(bertBase, parseStrategy('bottom-up:12').plan(12), 100, {
      prefixKept: true,
    });
    expect(flops).toBe(2 * 100 * 2 * 768 * 9);
    expect(products).toBe(2);
  });
});

describe('the bare products of the engine', () => {
  const sizes = { numLayers: 3, hiddenSize: 16, numHeads: 2, intermediateSize: 48, vocabSize: 20 };

  it('are those that the arithmetic counts, whatever is frozen', async () => {
    const model = await TokenClassifier.create({ ...sizes, labels: ['A', 'B', 'C'] }, { threads: 1 });
    try {
      const notations = [
        'full',
        'bottom-up:0',
        'bottom-up:1',
        'bottom-up:3',
        'top-down:2',
        'interleaved',
        'only:none',
        'only:embeddings,attention=0',
        'only:embeddings,attention=0,layer-norm=0',
        'only:embeddings,feed-forward=all,layer-norm=all',
        'only:layers=0,attention=1',
        'only:embeddings,bias=all',
      ];
      for (const notation of notations) {
        const plan = parseStrategy(notation).plan(3);
        await model.freeze(plan);
        for (const scoredTokens of [13, 4]) {
          const { flops, products, seconds } = await timeProducts(model, 13, { scoredTokens });
          const expected = stepArithmetic({ ...sizes, numLabels: 3 }, plan, 13, { scoredTokens });
          expect({ notation, flops, products }).toEqual({
            notation,
            flops: expected.flops,
            products: expected.products,
          });
          expect(seconds).toBeGreaterThan(0);
        }
      }
    } finally {
      await model.dispose();
    }
  });

  it('change nothing that the next step computes', async () => {
    const losses = await Promise.all(
      [false, true].map(async (measured) => {
        const model = await TokenClassifier.create({ ...sizes, labels: ['A', 'B'] }, { threads: 1 });
        try {
          const trainer = await model.trainer({ learningRate: 1e-3, gradientAccumulation: 2 });
          const batch = { inputIds: [[1, 2, 3, 4]], labels: [[-100, 0, 1, -100]] };
          const seen: number[] = [];
          for (let step = 0; step < 4; step++) {
            seen.push((await trainer.step(batch)).loss);
            if (measured) await timeProducts(model, 7);
          }
          return seen;
        } finally {
          await model.dispose();
        }
      }),
    );
    expect(losses[1]).toEqual(losses[0]);
    expect(losses[0]![3]).not.toBe(losses[0]![0]);
  });

  it.each([0, -1, 2.5])('refuse a step of %d tokens', async (numTokens) => {
    const model = await TokenClassifier.create({ ...sizes, labels: ['A', 'B'] }, { threads: 1 });
    try {
      const error = await thrownBy(() => timeProducts(model, numTokens));
      expect(error.code).toBe('INVALID_OPTION');
      expect(error.message).toContain('numTokens');
    } finally {
      await model.dispose();
    }
  });
});
