import { describe, expect, it } from 'vitest';
import { measureAhead } from '../../src/bench/card.js';
import { parseBenchOptions } from '../../src/bench/options.js';
import { benchResult } from '../../src/bench/result.js';
import { benchText } from '../../src/cli/bench-text.js';
import type { BatchShape, PackedBatch } from '../../src/contract/packed-batch.js';
import { encoderConfigOf, parseShape } from '../../src/experiment/shape.js';
import { full } from '../../src/freezing/strategy.js';
import type { TokenClassifier } from '../../src/model/token-classifier.js';
import type { Trainer } from '../../src/model/trainer.js';
import type { NativeDevice } from '../../src/native/addon.js';

const FACTS: NativeDevice = {
  name: 'cuda:0',
  precision: 'bf16',
  attention: 'flash',
  kernels: 'own',
  whyNoKernels: null,
  whyNoGraphs: null,
  graphs: 3,
  launches: 210,
  stepsInFlight: 3,
  allocatedBytes: 1,
  peakBytes: 2 ** 31,
};

/** A trainer that settles its steps when as many are under way as it likes, and notes how many were. */
function cardLike() {
  const seen = { expected: [] as BatchShape[], most: 0, steps: 0 };
  const waiting: (() => void)[] = [];
  const trainer = {
    stepsInFlight: FACTS.stepsInFlight,
    expect: async (shapes: BatchShape[]) => {
      seen.expected = shapes;
    },
    step: (batch: PackedBatch) =>
      new Promise((resolve) => {
        seen.steps++;
        waiting.push(() => resolve({ tokens: batch.inputIds.length }));
        seen.most = Math.max(seen.most, waiting.length);
        setImmediate(() => waiting.shift()!());
      }),
  } as unknown as Trainer;
  const model = { deviceFacts: async () => FACTS } as unknown as TokenClassifier;
  return { seen, subject: { model, trainer, store: null } };
}

const batchOf = (...lengths: number[]): PackedBatch => {
  const cuSeqlens = Int32Array.from([0, ...lengths]);
  for (let i = 1; i < cuSeqlens.length; i++) cuSeqlens[i]! += cuSeqlens[i - 1]!;
  return { inputIds: new Int32Array(cuSeqlens.at(-1)!), cuSeqlens };
};

describe('measureAhead', () => {
  it('tells of the batches first, and trains on them twice with as many under way as the trainer likes', async () => {
    const { seen, subject } = cardLike();
    const batches = [batchOf(5, 9), batchOf(7), batchOf(3, 3, 3), batchOf(2), batchOf(4)];
    const measured = await measureAhead(subject, batches);
    expect(seen.expected[0]).toEqual({ tokens: 14, sequences: 2, longest: 9, weighted: false });
    expect(seen).toMatchObject({ steps: 10, most: 3 });
    expect(measured).toMatchObject({ firstSteps: 5, peakBytes: 2 ** 31, facts: FACTS });
    // 36 tokens in five steps.
    expect(measured.tokensPerSecond * measured.secondsPerStep).toBeCloseTo(36 / 5, 6);
  });
});

describe('benchText of a card', () => {
  const shape = parseShape('tiny');
  const sample = {
    seconds: 1,
    tokens: 9,
    paddedTokens: 9,
    scoredTokens: 9,
    floorSeconds: null,
    productSeconds: null,
  };
  const card = {
    ...{ secondsPerStep: 0.00517, tokensPerSecond: 118_000, firstSeconds: 1.25, firstSteps: 100 },
    ...{ peakBytes: 2 ** 31, facts: FACTS },
  };
  const textOf = (facts: Partial<NativeDevice>) =>
    benchText(
      benchResult(parseBenchOptions({ shape, lengths: [5], modes: ['packed'], freeze: full() }), {
        ...{ device: 'cpu', matmul: null, fastestLibrary: 'own' },
        config: encoderConfigOf(shape, 100, 0, ['A', 'B']),
        plan: full().plan(shape.numLayers),
        samples: new Map([['packed', [sample]]]),
        memory: { parameters: 1, gradients: 2, optimizer: 3, workspace: 4 },
        peakBytes: 10,
        card: { ...card, facts: { ...FACTS, ...facts } },
      }),
    );

  it('says milliseconds a step, tokens a second, memory, what is recorded and what the first steps took', () => {
    const text = textOf({});
    expect(text).toContain('on cuda:0, 3 steps under way: 5.170 ms a step, 0.118 M tokens/s, peak 2.00 GiB');
    expect(text).toContain('bf16, own kernels, attention flash, 3 steps recorded, 210 launches each');
    expect(text).toContain('the first 100 steps took 1.25 s, recording included');
  });

  it('says why nothing is recorded', () => {
    expect(textOf({ graphs: 0, whyNoGraphs: 'attention is dense' })).toContain(
      'no step recorded (attention is dense)',
    );
  });

  it('says why kernels are not the own ones', () => {
    const text = textOf({ kernels: 'libtorch', whyNoKernels: 'no NVRTC' });
    expect(text).toContain("bf16, libtorch's kernels (no NVRTC), attention flash");
  });
});
