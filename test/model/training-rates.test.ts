import { readFileSync } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { RateSchedule } from '../../src/entries/training.js';
import {
  bottomUp,
  full,
  only,
  type RaggedBatch,
  TokenClassifier,
  type Trainer,
  type TrainerOptions,
} from '../../src/index.js';
import { fixturePath } from '../helpers/shared.js';
import { ragged, readTensorFile } from '../helpers/tensors.js';
import { thrownBy } from '../helpers/thrown.js';
import { BATCH, changedNames, weightsOf, withModel } from '../helpers/with-model.js';

/** Made by generate.py beside it, with Transformers and PyTorch. */
interface Expected {
  schedules: {
    schedule: RateSchedule;
    learningRate: number;
    warmupSteps: number;
    totalSteps: number;
    rates: number[];
  }[];
  trainings: {
    name: string;
    options: TrainerOptions;
    stages: { step: number; frozen: ('embeddings' | number)[]; warmupSteps?: number; restart?: number }[];
    result: {
      steps: { loss: number; gradNorm: number; learningRate: number }[];
      gradientL1: number[][];
      /** Of each parameter's change the length, and the product with cos(0), cos(1), ... */
      moved: Record<string, [number, number]>;
    };
  }[];
}

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../fixtures');
const expected: Expected = JSON.parse(readFileSync(join(fixtures, 'rates/expected.json'), 'utf8'));
const folder = fixturePath('parity');
const batches: RaggedBatch[] = JSON.parse(readFileSync(`${folder}/batches.json`, 'utf8')).map(ragged);
const initial = readTensorFile(`${folder}/model.safetensors`);

const layer = (number: number) => `bert.encoder.layer.${number}.output.dense.weight`;

/** Trains on one batch; gives the weights afterwards. */
async function trained(options: TrainerOptions, steps = 3): Promise<Map<string, Float32Array>> {
  return withModel(async (model) => {
    const trainer = await model.trainer({ learningRate: 1e-2, ...options });
    for (let i = 0; i < steps; i++) await trainer.step(BATCH);
    return weightsOf(model);
  });
}

describe('a schedule of the learning rate', () => {
  it.each(expected.schedules)(
    '$schedule over $totalSteps steps, $warmupSteps of them warm-up, has the rates of its origin',
    async ({ rates, ...options }) => {
      await withModel(async (model) => {
        await model.freeze(bottomUp(4).plan(4));
        const trainer = await model.trainer(options);
        for (const [step, rate] of rates.entries()) {
          const { learningRate } = await trainer.step(BATCH);
          expect(learningRate, `step ${step}`).toBeCloseTo(rate, 15);
        }
      });
    },
  );

  it('needs to know how long it is', async () => {
    await withModel(async (model) => {
      for (const schedule of ['cosine', 'polynomial', 'slanted-triangular'] as const) {
        const error = await thrownBy(() => model.trainer({ schedule }));
        expect(error.code).toBe('INVALID_OPTION');
        expect(error.message).toContain(`\`schedule\` '${schedule}' needs \`totalSteps\``);
      }
      const low = await thrownBy(() =>
        model.trainer({ schedule: 'polynomial', totalSteps: 9, learningRate: 1e-8 }),
      );
      expect(low.message).toMatch(/falls to 1e-7, so `learningRate` must be above it, got 1e-8/);
    });
  });

  it('that is slanted rises over a warm-up that it is given', async () => {
    await withModel(async (model) => {
      const options = { schedule: 'slanted-triangular', warmupSteps: 4, totalSteps: 12, learningRate: 0.32 };
      const trainer = await model.trainer(options as TrainerOptions);
      const rates: number[] = [];
      for (let i = 0; i < 13; i++) rates.push((await trainer.step(BATCH)).learningRate);
      expect(rates[0]).toBeCloseTo(0.01, 12);
      expect(rates[4]).toBeCloseTo(0.32, 12);
      expect(rates[8]).toBeCloseTo((0.32 + 0.01) / 2, 12);
      expect(rates[12]).toBeCloseTo(0.01, 12);
    });
  });
});

describe('a training by the options of the engine', () => {
  it.each(
    expected.trainings.flatMap((training) =>
      (['fused', 'plain'] as const).map((kernels) => ({ ...training, kernels })),
    ),
  )(
    "is PyTorch's with a parameter group a weight: $name, $kernels",
    async ({ options, stages, result, kernels }) => {
      const model = await TokenClassifier.load(folder, { kernels, threads: 1 });
      try {
        const freeze = async ({ frozen }: (typeof stages)[number]) => {
          const layers = frozen.filter((part) => part !== 'embeddings');
          await model.freeze(only({ embeddings: frozen.includes('embeddings'), layers }).plan(4));
        };
        const [first, second] = stages;
        await freeze(first!);
        const trainer = await model.trainer({ ...options, totalSteps: 12, trackGradientL1: true });
        const sums: number[][] = [];
        for (const [i, batch] of batches.entries()) {
          if (i === second?.step) {
            sums.push(await trainer.gradientL1());
            await freeze(second);
            const { warmupSteps = 0, restart } = second;
            await trainer.beginStage({
              warmupSteps,
              ...(restart !== undefined && { restart: { totalSteps: restart } }),
            });
          }
          const { loss, gradNorm, learningRate } = await trainer.step(batch);
          const reference = result.steps[i]!;
          expect(Math.abs(loss - reference.loss), `loss ${i}`).toBeLessThan(5e-6);
          expect(learningRate).toBeCloseTo(reference.learningRate, 12);
          expect(gradNorm! / reference.gradNorm).toBeCloseTo(1, 4);
        }
        sums.push(await trainer.gradientL1());
        for (const [i, norms] of result.gradientL1.entries()) {
          for (const [l, norm] of norms.entries()) {
            if (norm === 0) expect(sums[i]![l]).toBe(0);
            else expect(sums[i]![l]! / norm, `stage ${i}, layer ${l}`).toBeCloseTo(1, 4);
          }
        }
        for (const { name, data: before } of initial) {
          // Its true gradient is 0; what is computed is rounding.
          if (name.endsWith('key.bias')) continue;
          const after = await model.readParameter(name);
          const [length, product] = result.moved[name]!;
          const change = Array.from(after, (value, i) => value - before[i]!);
          const along = change.reduce((sum, value, i) => sum + value * Math.cos(i), 0);
          if (length === 0) expect(after, name).toEqual(before);
          const tolerance = 2e-3 * length + 1e-12;
          expect(Math.abs(Math.hypot(...change) - length), name).toBeLessThanOrEqual(tolerance);
          expect(Math.abs(along - product), name).toBeLessThanOrEqual(tolerance);
        }
      } finally {
        await model.dispose();
      }
    },
  );
});

describe('rates by layer', () => {
  it('of a decay of 1, and of a head at the common rate, give the bits of a training without them', async () => {
    const plain = await trained({});
    expect(changedNames(plain, await trained({ layerDecay: 1, headLearningRate: 1e-2 }))).toEqual([]);
    expect(changedNames(plain, await trained({ layerDecay: 0.9 })).length).toBeGreaterThan(0);
  });

  it('let the head have a rate of its own, down to none', async () => {
    const still = await trained({ headLearningRate: 0 });
    await withModel(async (model) => {
      const before = await weightsOf(model);
      const unmoved = [...before.keys()].filter((name) => !changedNames(before, still).includes(name));
      expect(unmoved).toEqual(['classifier.weight', 'classifier.bias']);
    });
  });

  it('are checked', async () => {
    await withModel(async (model) => {
      for (const options of [{ layerDecay: 0 }, { layerDecay: 1.1 }, { headLearningRate: -1 }]) {
        const error = await thrownBy(() => model.trainer(options));
        expect(error.code).toBe('INVALID_OPTION');
        expect(error.message).toContain(`\`${Object.keys(options)[0]}\``);
      }
    });
  });
});

describe('a stage', () => {
  const OPTIONS = { learningRate: 1e-2, warmupSteps: 2, totalSteps: 30, layerDecay: 0.9 };

  it('that thaws nothing and goes on leaves the bits as they are', async () => {
    const run = (stages: boolean) =>
      withModel(async (model) => {
        const trainer = await model.trainer(OPTIONS);
        for (let i = 0; i < 6; i++) {
          if (stages && i === 3) await trainer.beginStage({ warmupSteps: 10 });
          await trainer.step(BATCH);
        }
        return weightsOf(model);
      });
    expect(changedNames(await run(false), await run(true))).toEqual([]);
  });

  it('lets what it thaws begin at a rate of 0, what went on learning go on, and the embeddings with their rows', async () => {
    await withModel(async (model) => {
      await model.freeze(bottomUp(2).plan(4));
      const trainer = await model.trainer({ ...OPTIONS, weightDecay: 0.1 });
      for (let i = 0; i < 4; i++) await trainer.step(BATCH);
      await model.freeze(full().plan(4));
      await trainer.beginStage({ warmupSteps: 4 });
      const before = await weightsOf(model);
      await trainer.step(BATCH);
      const moved = new Set(changedNames(before, await weightsOf(model)));
      const thawed = [layer(0), layer(1), 'bert.embeddings.word_embeddings.weight'];
      for (const name of thawed) expect(moved.has(name), name).toBe(false);
      for (const name of [layer(2), layer(3), 'classifier.weight']) expect(moved.has(name), name).toBe(true);
      const next = await weightsOf(model);
      await trainer.step(BATCH);
      const later = new Set(changedNames(next, await weightsOf(model)));
      for (const name of thawed) expect(later.has(name), name).toBe(true);
    });
  });

  it('is taken again by a training that goes on, with sums of gradients and to the bit', async () => {
    const options = { ...OPTIONS, trackGradientL1: true };
    const stages = [
      { step: 0, plan: bottomUp(3).plan(4) },
      { step: 3, plan: bottomUp(1).plan(4), options: { warmupSteps: 5 } },
      { step: 6, plan: full().plan(4), options: { warmupSteps: 3, restart: { totalSteps: 12 } } },
    ];
    const goOn = async (model: TokenClassifier, trainer: Trainer, from: number, to: number) => {
      const results: unknown[] = [];
      for (let i = from; i < to; i++) {
        const stage = stages.find(({ step }) => step === i && step > 0 && step !== from);
        if (stage) {
          await model.freeze(stage.plan);
          await trainer.beginStage(stage.options);
        }
        results.push(await trainer.step(BATCH));
        if (i === 4) results.push(await trainer.gradientL1());
      }
      results.push(await trainer.gradientL1());
      return results;
    };
    const dropout = { hiddenDropout: 0.2 };
    await withModel(async (model) => {
      await model.freeze(stages[0]!.plan);
      const trainer = await model.trainer(options);
      const before = await goOn(model, trainer, 0, 7);
      expect((before.at(-1) as number[]).every((norm) => norm > 0)).toBe(true);
      await trainer.step(BATCH);
      // What a state holds.
      const weights = await weightsOf(model);
      const moments = new Map<string, Awaited<ReturnType<Trainer['readMoments']>>>();
      for (const name of weights.keys()) moments.set(name, await trainer.readMoments(name));
      const sums = await readSums(model, trainer);
      const position = await trainer.position();
      expect(sums.size).toBe([...weights.keys()].filter((name) => name.includes('.layer.')).length);
      const rest = await goOn(model, trainer, 8, 14);

      await withModel(async (other) => {
        await other.freeze(stages[0]!.plan);
        const resumed = await other.trainer(options);
        for (const { step, plan, options: stage } of stages.slice(1)) {
          await other.freeze(plan);
          await resumed.beginStage({ ...stage, step });
        }
        for (const [name, values] of weights) await other.writeParameter(name, values);
        for (const [name, values] of moments) if (values) await resumed.writeMoments(name, values);
        for (const [name, values] of sums) await resumed.writeGradientSum(name, values);
        await resumed.seek(position);
        expect(await goOn(other, resumed, 8, 14)).toEqual(rest);
        expect(changedNames(await weightsOf(model), await weightsOf(other))).toEqual([]);
      }, dropout);
    }, dropout);
  });

  it('of options that cannot be is refused', async () => {
    await withModel(async (model) => {
      const trainer = await model.trainer();
      for (const options of [
        { warmupSteps: -1 },
        { restart: { totalSteps: 0 } },
        { step: 0.5 },
        { warmup: 3 },
      ]) {
        expect((await thrownBy(() => trainer.beginStage(options as never))).code).toBe('INVALID_OPTION');
      }
    });
  });
});

/** Sums of gradients by parameter, by way of a file. */
async function readSums(model: TokenClassifier, trainer: Trainer): Promise<Map<string, Float32Array>> {
  const names = [...(await trainer.gradientSums()).keys()];
  const directory = await mkdtemp(join(tmpdir(), 'permafrost-sums-'));
  try {
    const file = await open(join(directory, 'sums'), 'w');
    await trainer.dumpState(
      file.fd,
      names.map((parameter) => ({ kind: 'gradientSum', parameter })),
    );
    await file.close();
    const { buffer } = new Uint8Array(await readFile(join(directory, 'sums')));
    const counts = new Map(model.parameters().map(({ name, count }) => [name, count]));
    let offset = 0;
    return new Map(
      names.map((name) => {
        const values = new Float32Array(buffer, offset, counts.get(name));
        offset += values.byteLength;
        return [name, values.slice()];
      }),
    );
  } finally {
    await rm(directory, { recursive: true });
  }
}

describe('the summed gradients', () => {
  it('of one update are the gradients: their L1 norms, before clipping, by layer', async () => {
    await withModel(async (model) => {
      await model.freeze(bottomUp(1).plan(4));
      const trainer = await model.trainer({ learningRate: 1e-3, maxGradNorm: 1e-3, trackGradientL1: true });
      expect(await trainer.gradientL1()).toEqual([0, 0, 0, 0]);
      const gradients = await trainer.gradients(BATCH);
      await trainer.step(BATCH);
      // L2 norms, that they are the same gradients.
      for (const [name, sum] of await readSums(model, trainer)) {
        expect(Math.hypot(...sum), name).toBeCloseTo(gradients.get(name)!, 6);
      }
      const byName = await trainer.gradientSums();
      const norms = await trainer.gradientL1();
      expect(norms[0]).toBe(0);
      for (const l of [1, 2, 3]) {
        const ofLayer = [...byName].filter(([name]) => name.includes(`.layer.${l}.`));
        const sum = ofLayer.reduce((total, [, norm]) => total + norm, 0);
        expect(norms[l]).toBeGreaterThan(0);
        expect(norms[l]! / sum).toBeCloseTo(1, 12);
      }
      expect(await trainer.gradientL1()).toEqual([0, 0, 0, 0]);
    });
  });

  it('of accumulated batches are those of one batch that holds them all', async () => {
    const half = (i: number): RaggedBatch => ({
      inputIds: [BATCH.inputIds[i]!],
      labels: [BATCH.labels![i]!],
    });
    const norms = (gradientAccumulation: number, given: RaggedBatch[]) =>
      withModel(async (model) => {
        const trainer = await model.trainer({
          learningRate: 1e-3,
          gradientAccumulation,
          trackGradientL1: true,
        });
        for (const batch of given) await trainer.step(batch);
        return trainer.gradientL1();
      });
    const [whole, parts] = [await norms(1, [BATCH]), await norms(2, [half(0), half(1)])];
    for (const [l, norm] of whole.entries()) expect(parts[l]! / norm).toBeCloseTo(1, 5);
  });

  it('change nothing of the training, and take memory where they are asked for alone', async () => {
    const run = (trackGradientL1: boolean) =>
      withModel(async (model) => {
        const trainer = await model.trainer({ learningRate: 1e-2, trackGradientL1 });
        for (let i = 0; i < 3; i++) await trainer.step(BATCH);
        return { weights: await weightsOf(model), memory: await model.memory() };
      });
    const [without, with_] = [await run(false), await run(true)];
    expect(changedNames(without.weights, with_.weights)).toEqual([]);
    expect(without.memory.optimizer).toBe(2 * without.memory.parameters);
    expect(with_.memory.optimizer).toBeGreaterThan(without.memory.optimizer);
  });

  it('are there only where they were asked for, and of layers that learn', async () => {
    await withModel(async (model) => {
      const plain = await model.trainer();
      for (const ask of [
        () => plain.gradientL1(),
        () => plain.gradientSums(),
        () => plain.writeGradientSum(layer(0), new Float32Array(32 * 16)),
      ]) {
        const error = await thrownBy(ask);
        expect(error.code).toBe('INVALID_OPTION');
        expect(error.message).toContain('`trackGradientL1: true`');
      }
      await model.freeze(bottomUp(1).plan(4));
      const trainer = await model.trainer({ trackGradientL1: true });
      for (const name of [layer(0), 'classifier.weight']) {
        const error = await thrownBy(() => trainer.writeGradientSum(name, new Float32Array(3)));
        expect(error.message).toMatch(/Only gradients of layers that learn/);
      }
      const short = await thrownBy(() => trainer.writeGradientSum(layer(1), new Float32Array(3)));
      expect(short.code).toBe('WEIGHTS_MISMATCH');
    });
  });
});

describe('an update that leaves the range of numbers', () => {
  const CASES: [string, TrainerOptions][] = [
    ['a huge learning rate', { learningRate: 1e38 }],
    ['a learning rate beyond fp32', { learningRate: 1e300 }],
    ['a huge rate of the head', { learningRate: 1e-3, headLearningRate: 1e38 }],
    ['a huge weight decay', { learningRate: 1e-2, weightDecay: 1e300 }],
    ['an epsilon that fp32 rounds to 0', { learningRate: 1e-2, eps: 1e-60 }],
  ];
  it.each(CASES)('by %s is NON_FINITE, and every weight stays as it was', async (_, options) => {
    for (const kernels of ['fused', 'plain'] as const) {
      await withModel(
        async (model) => {
          const trainer = await model.trainer({ maxGradNorm: 0, ...options, trackGradientL1: true });
          let before = await weightsOf(model);
          let error: Awaited<ReturnType<typeof thrownBy>> | undefined;
          for (let i = 0; i < 20 && error === undefined; i++) {
            before = await weightsOf(model);
            error = await trainer.step(BATCH).then(
              () => undefined,
              (reason) => reason,
            );
            if (error === undefined) {
              for (const [name, values] of await weightsOf(model)) {
                expect(values.every(Number.isFinite), `${name} after step ${i + 1}`).toBe(true);
              }
            }
          }
          expect(error?.code).toBe('NON_FINITE');
          expect(error!.message).toMatch(/is not finite; the weights are those of the step before/);
          expect(changedNames(before, await weightsOf(model))).toEqual([]);
          for (const norm of await trainer.gradientL1()) expect(norm).toBeLessThan(Infinity);
        },
        {},
        { kernels },
      );
    }
  });

  it('leaves the trainer fit to go on with another one', async () => {
    await withModel(async (model) => {
      const before = await weightsOf(model);
      const wild = await model.trainer({ learningRate: 1e38 });
      expect((await thrownBy(() => wild.step(BATCH))).code).toBe('NON_FINITE');
      expect(await wild.momentSteps()).toEqual(new Map());
      expect(changedNames(before, await weightsOf(model))).toEqual([]);
      const trainer = await model.trainer({ learningRate: 1e-2 });
      expect((await trainer.step(BATCH)).updated).toBe(true);
    });
  });
});
