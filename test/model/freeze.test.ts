import { describe, expect, it } from 'vitest';
import { frozenPrefixLength } from '../../src/entries/training.js';
import {
  bottomUp,
  type FreezePlan,
  full,
  interleaved,
  only,
  type ParameterInfo,
  parseStrategy,
  type Strategy,
  type TokenClassifier,
  topDown,
} from '../../src/index.js';
import { thrownBy } from '../helpers/thrown.js';
import { BATCH, changedNames, TINY, weightsOf, withModel } from '../helpers/with-model.js';

const LAYERS = TINY.numLayers;

/** Whether a plan freezes a parameter, read from its Hugging Face name alone. */
function isFrozen(name: string, plan: FreezePlan): boolean {
  if (name.startsWith('classifier.')) return false;
  const match = /^bert\.encoder\.layer\.(\d+)\.(.*)\.(weight|bias)$/.exec(name);
  if (!match) return plan.embeddings;
  const [layer, module, kind] = [Number(match[1]), match[2]!, match[3]];
  if (plan.layers[layer]) return true;
  const parts = plan.parts?.[layer] ?? [];
  return (
    (parts.includes('layerNorm') && module.endsWith('LayerNorm')) ||
    (parts.includes('bias') && kind === 'bias') ||
    (parts.includes('attention') && /^attention\.(self\.|output\.dense)/.test(module)) ||
    (parts.includes('feedForward') && /^(intermediate|output)\.dense/.test(module))
  );
}

const namesOf = (parameters: ParameterInfo[]) =>
  parameters.filter(({ trainable }) => trainable).map(({ name }) => name);

const STRATEGIES: Strategy[] = [
  full(),
  bottomUp(0),
  bottomUp(2),
  bottomUp(4),
  topDown(1),
  topDown(4),
  interleaved(),
  only({ layers: [2] }),
  only({ embeddings: true, attention: 'all' }),
  only({ feedForward: [0, 3] }),
  only({ layerNorm: 'all', bias: [1] }),
  only({ layers: [0], bias: 'all' }),
];

describe.each(STRATEGIES.map((strategy) => [strategy.notation, strategy] as const))(
  '%s',
  (notation, strategy) => {
    it('freezes what its plan names, by name, and learns the rest', async () => {
      await withModel(async (model) => {
        const plan = strategy.plan(LAYERS);
        expect(parseStrategy(notation).plan(LAYERS)).toEqual(plan);
        await model.freeze(plan);
        for (const { name, trainable } of model.parameters())
          expect(trainable, name).toBe(!isFrozen(name, plan));
        expect(model.frozenPrefix).toBe(frozenPrefixLength(plan));
      });
    });

    it('keeps the bytes of what it freezes through training, thawing, freezing and training', async () => {
      await withModel(async (model) => {
        const plan = strategy.plan(LAYERS);
        const trainer = await model.trainer({ learningRate: 0.05, weightDecay: 0.1, seed: 3 });
        const train = async () => {
          for (let i = 0; i < 3; i++) await trainer.step(BATCH);
        };
        await model.freeze(plan);
        const first = await weightsOf(model);
        await train();
        const second = await weightsOf(model);
        expect(changedNames(first, second)).toEqual(namesOf(model.parameters()));

        // Now everything gathers momentum, which must not move a weight later.
        await model.freeze(full().plan(LAYERS));
        await train();
        const third = await weightsOf(model);
        expect(changedNames(second, third)).toHaveLength(third.size);

        await model.freeze(plan);
        await train();
        const learning = namesOf(model.parameters());
        expect(changedNames(third, await weightsOf(model))).toEqual(learning);
        expect(learning).toContain('classifier.weight');
        expect(learning).toContain('classifier.bias');
      });
    });

    it('gives a gradient to what learns and none to what is frozen', async () => {
      await withModel(async (model) => {
        const plan = strategy.plan(LAYERS);
        const trainer = await model.trainer({ learningRate: 0.05 });
        // What is frozen had gradients before, which must not be told of again.
        await trainer.step(BATCH);
        await model.freeze(plan);
        const norms = await trainer.gradients(BATCH);
        const learning = model.parameters().filter(({ name }) => !isFrozen(name, plan));
        expect([...norms.keys()]).toEqual(learning.map(({ name }) => name));
        for (const [name, norm] of norms) {
          // The softmax takes no notice of what is added to all keys of a query alike: all but rounding is 0 there.
          if (name.endsWith('key.bias')) expect(norm, name).toBeLessThan(1e-6);
          else expect(norm, name).toBeGreaterThan(1e-6);
        }
      });
    });
  },
);

describe('freeze', () => {
  const train = async (model: TokenClassifier, between: () => Promise<void>) => {
    const trainer = await model.trainer({ learningRate: 0.05, seed: 3 });
    for (let i = 0; i < 3; i++) {
      await trainer.step(BATCH);
      await between();
    }
    return weightsOf(model);
  };

  it('does nothing the second time, not even to the optimizer', async () => {
    const plan = bottomUp(2).plan(LAYERS);
    const run = (repeat: boolean) =>
      withModel(async (model) => {
        await model.freeze(plan);
        return train(model, async () => {
          if (repeat) await model.freeze(plan);
        });
      });
    expect(changedNames(await run(false), await run(true))).toEqual([]);
  });

  it('begins anew with the optimizer of what was thawed', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer({ learningRate: 0.05, weightDecay: 0, maxGradNorm: 0 });
      await trainer.step(BATCH);
      await model.freeze({ ...full().plan(LAYERS), layers: [true, false, false, false] });
      await trainer.step(BATCH);
      await model.freeze(full().plan(LAYERS));
      const name = 'bert.encoder.layer.0.output.dense.weight';
      const before = await model.readParameter(name);
      await trainer.step(BATCH);
      const after = await model.readParameter(name);
      // AdamW's first update moves each element with a gradient by the learning rate, up or down.
      const moved = after.map((value, i) => Math.abs(value - before[i]!)).sort();
      expect(moved[Math.floor(moved.length / 2)]).toBeCloseTo(0.05, 3);
    });
  });

  it.each([
    [{ embeddings: true, layers: [true] }, /speaks of 1 layers, the model has 4/],
    [{ embeddings: true, layers: [true, true, true, true, true] }, /speaks of 5 layers/],
    [{ embeddings: true, layers: [true, true, true, true], parts: [[]] }, /speaks of parts of 1 layers/],
    [
      { embeddings: true, layers: [true, true, true, true], parts: [['ffn'], [], [], []] },
      /'ffn' is no part of a layer\. Expected one of attention/,
    ],
    [{ embeddings: 1, layers: [true, true, true, true] }, /expected \{ embeddings: boolean/],
    [{ embeddings: true, layers: 'all' }, /expected \{ embeddings: boolean/],
    [{ embeddings: true, layers: [1, 0, 0, 0] }, /expected \{ embeddings: boolean/],
    [null, /expected \{ embeddings: boolean/],
    ['bottom-up:9', /cannot freeze 9 layers/],
  ])('refuses the plan %j', async (plan, message) => {
    await withModel(async (model) => {
      await model.freeze(bottomUp(1).plan(LAYERS));
      const error = await thrownBy(() => model.freeze(plan as FreezePlan));
      expect(error.code).toBe('INVALID_PLAN');
      expect(error.message).toMatch(message);
      expect(model.frozenPrefix).toBe(1);
    });
  });
});

describe('what freezes', () => {
  it('may be a plan, its strategy, or the notation of that', async () => {
    await withModel(async (model) => {
      const learning = () => model.parameters().flatMap(({ name, trainable }) => (trainable ? [name] : []));
      await model.freeze(bottomUp(2).plan(LAYERS));
      const byPlan = learning();
      for (const freezing of [bottomUp(2), 'bottom-up:2', 'full', 'bottom-up:2'] as const) {
        await model.freeze(freezing);
        if (freezing === 'full') expect(learning()).toHaveLength(model.parameters().length);
        else expect(learning()).toEqual(byPlan);
      }
    });
  });
});

describe('the frozen prefix', () => {
  const DROPOUT = { hiddenDropout: 0.3, attentionDropout: 0.3 };
  /** Losses of four steps that change no weight, so that they differ by their dropout masks alone. */
  const losses = (frozenDropout: 'on' | 'off', strategy: Strategy) =>
    withModel(
      async (model) => {
        await model.freeze(strategy.plan(LAYERS));
        const trainer = await model.trainer({ learningRate: 0, frozenDropout });
        const result: number[] = [];
        for (let i = 0; i < 4; i++) result.push((await trainer.step(BATCH)).loss);
        return result;
      },
      DROPOUT,
      { seed: 1 },
    );
  const differentLosses = async (frozenDropout: 'on' | 'off', strategy: Strategy) =>
    new Set(await losses(frozenDropout, strategy)).size;

  it("draws new dropout masks at every step with 'on', and none with 'off'", async () => {
    expect(await differentLosses('on', bottomUp(4))).toBe(4);
    expect(await differentLosses('off', bottomUp(4))).toBe(1);
  });

  it("leaves layers that learn their dropout with 'off'", async () => {
    expect(await differentLosses('off', bottomUp(3))).toBe(4);
  });

  it("leaves frozen layers above a learning one theirs with 'off'", async () => {
    // Without frozen embeddings there is no prefix: all masks are those of a model of which everything learns.
    const all = await losses('off', full());
    expect(new Set(all).size).toBe(4);
    expect(await losses('off', only({ layers: [1, 2, 3] }))).toEqual(all);
    // With them the prefix is the embeddings alone, whatever is frozen above the learning layer.
    const embeddings = await losses('off', bottomUp(0));
    expect(embeddings).not.toEqual(all);
    expect(await losses('off', topDown(3))).toEqual(embeddings);
  });
});
