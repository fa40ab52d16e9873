// What must hold on a card. Each check gives a short finding or throws.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bottomUp, full } from '../../dist/freezing/strategy.js';
import { PrefixStore } from '../../dist/model/prefix-store.js';
import { TokenClassifier } from '../../dist/model/token-classifier.js';
import {
  batchAt,
  lossesOf,
  randomSentences,
  relativeDifference,
  SHAPES,
  shapesOf,
  trainOn,
  vocabularyOf,
  withModel,
} from './workload.mjs';

// A dry run only shows that the checks run.
const SHAPE = process.argv.includes('--dry-run') ? 'tiny' : 'small';
const LENGTHS = Array.from({ length: 400 }, (_, i) => 3 + ((i * 37) % 60));
const SENTENCES = randomSentences(LENGTHS, vocabularyOf(SHAPE));
const TRAINING = { learningRate: 1e-3, seed: 7 };
// A card sums in other orders than a CPU.
const FP32 = 2e-3;
const BF16 = 5e-2;

const batches = (count, size = 16) =>
  Array.from({ length: count }, (_, i) => batchAt(SENTENCES, i * size, size));

function require(holds, message) {
  if (!holds) throw new Error(message);
}

function near(what, one, other, tolerance) {
  const difference = relativeDifference(one, other);
  require(difference <= tolerance, `${what}: ${difference.toExponential(1)} apart, expected ${tolerance}`);
  return `${difference.toExponential(1)} apart`;
}

/** Losses of some steps, and the logits after them. */
async function train({ steps = 8, plan = full(), ...options }) {
  return withModel({ shape: SHAPE, ...options.model }, async (model) => {
    await model.freeze(plan.plan(SHAPES[SHAPE].numLayers));
    const trainer = await model.trainer({ ...TRAINING, ...options.trainer });
    const losses = lossesOf(await trainOn(trainer, batches(steps)));
    const { data } = await model.logits(batchAt(SENTENCES, 0, 16));
    return { losses, logits: data, device: await model.deviceFacts() };
  });
}

export const CHECKS = {
  async 'the model is on the device with the kernels for it'({ device, isCard, capability }) {
    const facts = await withModel({ shape: SHAPE, device, precision: 'bf16' }, async (model) => {
      await model.trainer(TRAINING);
      return model.deviceFacts();
    });
    if (isCard) {
      require(facts.name.startsWith('cuda'), `the model is on ${facts.name}`);
      if (capability >= 8) {
        require(facts.attention.includes('flash'), `attention is ${facts.attention}`);
        require(facts.whyNoKernels === null, `kernels: ${facts.whyNoKernels}`);
      }
      require(facts.whyNoGraphs === null, `no graphs: ${facts.whyNoGraphs}`);
    }
    const why = facts.whyNoKernels ? ` (${facts.whyNoKernels})` : '';
    return `${facts.name}, ${facts.kernels} kernels${why}, attention ${facts.attention}, graphs ${facts.whyNoGraphs ?? 'on'}`;
  },

  async 'fp32 on the device trains as on the CPU'({ device }) {
    const one = await train({ model: { dropout: 0, device: 'cpu' } });
    const other = await train({ model: { dropout: 0, device } });
    near('losses', one.losses, other.losses, FP32);
    return near('logits', one.logits, other.logits, 10 * FP32);
  },

  async 'bf16 on the device trains as fp32 on the CPU'({ device }) {
    const one = await train({ model: { dropout: 0, device: 'cpu' } });
    const other = await train({ model: { dropout: 0, device, precision: 'bf16' } });
    return near('losses', one.losses, other.losses, BF16);
  },

  async 'sentences of 1, 3, 5 and 64 tokens train as on the CPU, in both precisions'({ device }) {
    const findings = [];
    for (const [precision, tolerance] of [
      ['fp32', FP32],
      ['bf16', BF16],
    ]) {
      for (const length of [1, 3, 5, 64]) {
        const sentences = randomSentences(Array(8).fill(length), vocabularyOf(SHAPE), length + 1);
        // A sentence of one token may lack a label; the batch has some.
        const some = Array.from({ length: 4 }, (_, i) => batchAt(sentences, i, 8));
        const run = (model) =>
          withModel({ shape: SHAPE, dropout: 0, ...model }, async (subject) =>
            lossesOf(await trainOn(await subject.trainer(TRAINING), some)),
          );
        const [one, other] = [await run({ device: 'cpu' }), await run({ device, precision })];
        findings.push(near(`${precision}, ${length} tokens`, one, other, tolerance));
      }
    }
    return `at most ${findings.sort().at(-1)}`;
  },

  async 'accumulated steps are recorded and train as those that are not'({ device, isCard }) {
    const run = (graphs) =>
      withModel({ shape: SHAPE, device, precision: 'bf16' }, async (model) => {
        const trainer = await model.trainer({ ...TRAINING, graphs, gradientAccumulation: 3 });
        await trainer.expect(shapesOf(batches(12)));
        const losses = lossesOf(await trainOn(trainer, [...batches(12), ...batches(12)]));
        return { losses, recorded: (await model.deviceFacts()).graphs };
      });
    const [recorded, plain] = [await run('auto'), await run('off')];
    if (isCard) require(recorded.recorded >= 3, `${recorded.recorded} steps were recorded`);
    return `${near('losses', plain.losses, recorded.losses, BF16)}, ${recorded.recorded} graphs`;
  },

  async 'two engines of a card at a time draw what each draws by itself'({ device }) {
    const run = (seed) =>
      withModel({ shape: SHAPE, device, precision: 'bf16' }, async (model) => {
        const trainer = await model.trainer({ ...TRAINING, seed });
        const some = batches(6);
        return lossesOf(await trainOn(trainer, [...some, ...some, ...some, ...some]));
      });
    const alone = [await run(1), await run(2)];
    const together = await Promise.all([run(1), run(2)]);
    near('losses of the first', alone[0], together[0], 5e-3);
    return near('losses of the second', alone[1], together[1], 5e-3);
  },

  async 'the plain operations agree with the fast ones'({ device }) {
    const one = await train({ model: { dropout: 0, device, kernels: 'plain' } });
    const other = await train({ model: { dropout: 0, device } });
    return near('losses', one.losses, other.losses, FP32);
  },

  async 'a sentence has the same scores alone and packed among others'({ device }) {
    return withModel({ shape: SHAPE, device, precision: 'bf16' }, async (model) => {
      const packed = (await model.logits(batchAt(SENTENCES, 0, 8))).data;
      const alone = [];
      for (let i = 0; i < 8; i++) alone.push(...(await model.logits(batchAt(SENTENCES, i, 1))).data);
      return near('logits', packed, alone, BF16);
    });
  },

  async 'recorded steps train as steps that are not, over a change of the plan'({ device, isCard }) {
    const run = (graphs) =>
      withModel({ shape: SHAPE, device, precision: 'bf16' }, async (model) => {
        const losses = [];
        const trainer = await model.trainer({ ...TRAINING, graphs });
        let recorded = 0;
        for (const k of [0, 2, 0]) {
          await model.freeze(bottomUp(k).plan(SHAPES[SHAPE].numLayers));
          for (let round = 0; round < 4; round++)
            losses.push(...lossesOf(await trainOn(trainer, batches(4))));
          recorded += (await model.deviceFacts()).graphs;
        }
        return { losses, recorded };
      });
    const [recorded, plain] = [await run('auto'), await run('off')];
    if (isCard) require(recorded.recorded > 0, 'no step was recorded');
    require(plain.recorded === 0, 'steps were recorded though graphs are off');
    return `${near('losses', plain.losses, recorded.losses, BF16)}, ${recorded.recorded} graphs`;
  },

  async 'dropout draws anew at each step, and the same for the same seed'({ device }) {
    const run = (seed) =>
      withModel({ shape: SHAPE, device, precision: 'bf16' }, async (model) => {
        const trainer = await model.trainer({ ...TRAINING, learningRate: 0, seed });
        const batch = batchAt(SENTENCES, 0, 16);
        return lossesOf(await trainOn(trainer, [batch, batch, batch, batch, batch, batch]));
      });
    const [one, again, other] = [await run(1), await run(1), await run(2)];
    require(new Set(one).size === one.length, `repeated losses: ${one.join(' ')}`);
    near('losses of one seed', one, again, 1e-3);
    require(relativeDifference(one, other) > 1e-4, 'another seed must give other masks');
    return 'masks differ by step and seed';
  },

  async 'training over a kept prefix is training over one that is computed'({ device }) {
    const run = (kept) =>
      withModel({ shape: SHAPE, device, precision: 'bf16' }, async (model) => {
        await model.freeze(bottomUp(2).plan(SHAPES[SHAPE].numLayers));
        const trainer = await model.trainer({ ...TRAINING, frozenDropout: 'off' });
        const store = kept
          ? new PrefixStore(SENTENCES, {
              hiddenSize: SHAPES[SHAPE].hiddenSize,
              depths: [2],
              precision: 'bf16',
              memoryBytes: 2 ** 28,
            })
          : null;
        const losses = [];
        for (let epoch = 0; epoch < 2; epoch++) {
          losses.push(...lossesOf(await trainOn(trainer, batches(10), store ? { store } : {})));
        }
        return { losses, hits: store?.usage().hits ?? 0 };
      });
    const [kept, computed] = [await run(true), await run(false)];
    require(kept.hits === 160, `the store served ${kept.hits} sentences, expected 160`);
    return near('losses', computed.losses, kept.losses, BF16);
  },

  async 'a saved model loads with the same scores'({ device }) {
    const directory = mkdtempSync(join(tmpdir(), 'permafrost-gpu-check-'));
    try {
      return await withModel({ shape: SHAPE, device }, async (model) => {
        const trainer = await model.trainer(TRAINING);
        await trainOn(trainer, batches(3));
        await model.save(directory);
        const batch = batchAt(SENTENCES, 0, 16);
        const expected = (await model.logits(batch)).data;
        const loaded = await TokenClassifier.load(directory, { device });
        try {
          return near('logits', expected, (await loaded.logits(batch)).data, 1e-5);
        } finally {
          await loaded.dispose();
        }
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  },

  async 'a loss that is not finite is NON_FINITE and leaves the weights'({ device }) {
    return withModel({ shape: SHAPE, device, dropout: 0 }, async (model) => {
      const trainer = await model.trainer({ ...TRAINING, learningRate: 1e30, maxGradNorm: 0 });
      let code = null;
      for (const batch of batches(6)) {
        try {
          await trainer.step(batch);
        } catch (error) {
          code = error.code;
          break;
        }
      }
      require(code === 'NON_FINITE', `expected NON_FINITE, got ${code}`);
      const weight = await model.readParameter('classifier.weight');
      require(weight.every(Number.isFinite), 'a weight is not finite');
      return 'as it should be';
    });
  },

  async 'too large a batch is OUT_OF_MEMORY, and the engine goes on'({ device, isCard }) {
    // A CPU's system gives memory that it does not have, and ends the process later.
    if (!isCard) return 'not tried on a CPU';
    return withModel({ shape: 'base', device, precision: 'fp32' }, async (model) => {
      const trainer = await model.trainer(TRAINING);
      const sentences = randomSentences(
        Array.from({ length: 8192 }, () => 512),
        vocabularyOf('base'),
      );
      let code = null;
      try {
        await trainer.step(batchAt(sentences, 0, 8192));
      } catch (error) {
        code = error.code;
      }
      require(code === 'OUT_OF_MEMORY', `expected OUT_OF_MEMORY, got ${code}`);
      const { loss } = await trainer.step(batchAt(sentences, 0, 2));
      require(Number.isFinite(loss), `the next step's loss is ${loss}`);
      return 'as it should be';
    });
  },
};
