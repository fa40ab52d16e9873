import { describe, expect, it, vi } from 'vitest';
import type { EncoderConfigInput, FreezeEvent } from '../../src/entries/training.js';
import {
  autoFreeze,
  bottomUp,
  type FinetuneOptions,
  type FreezeSchedule,
  finetune,
  full,
  type Observation,
  type TrainingEvent,
} from '../../src/index.js';
import { Trainer } from '../../src/model/trainer.js';
import { smallTask } from '../helpers/corpus.js';
import { changedNames, weightsOf } from '../helpers/with-model.js';

const task = smallTask();
const { train, validation, test } = task;
const LAYERS = 4;

type Settings = Partial<Omit<FinetuneOptions, 'model'>>;

/** Four layers and three steps an epoch, unless told otherwise. */
async function trained(options: Settings, config: Partial<EncoderConfigInput> = {}) {
  await using model = await task.createModel(1, { numLayers: LAYERS, ...config });
  const run = finetune({
    model,
    ...{
      train,
      validation,
      epochs: 6,
      batchSize: 40,
      earlyStopping: false,
      optimizer: { learningRate: 3e-3 },
    },
    ...options,
  });
  const events: TrainingEvent[] = [];
  for await (const event of run) events.push(event);
  const freezes = events.filter((event): event is FreezeEvent => event.type === 'freeze');
  return { events, freezes, result: await run.result, weights: await weightsOf(model) };
}

/** Rates so low that no score ever rises. */
const STILL = { learningRate: 1e-12 };
const frozenOf = ({ plan }: { plan: { layers: boolean[] } }) => plan.layers.filter(Boolean).length;

/** A schedule, and all that it observes. */
function watched(schedule: FreezeSchedule) {
  const observations: Observation[] = [];
  const watching: FreezeSchedule = {
    ...schedule,
    observe(state, observation) {
      observations.push(observation);
      return schedule.observe(state, observation);
    },
  };
  return { watching, observations };
}

describe('gradual', () => {
  it('thaws at the end of epochs, wherever evaluations are, and each change is a stage', async () => {
    const { freezes, result } = await trained({ freezing: 'gradual:2/2', evaluateEvery: 2 });
    expect(
      freezes.map((event) => [event.stage, event.epoch, event.step, event.untilStep, frozenOf(event)]),
    ).toEqual([
      [1, 1, 0, 6, 2],
      [2, 3, 6, 18, 0],
    ]);
    expect(freezes.every(({ plan }) => plan.embeddings)).toBe(true);
    expect(freezes[1]!.reason).toBe('after epoch 2 all layers learn');
    const scores = result.evaluations.map(({ step, score }) => [step, score] as const);
    expect(result.stages.map(({ step, scores }) => [step, scores])).toEqual([
      [0, scores.filter(([step]) => step <= 6).map(([, score]) => score)],
      [6, scores.filter(([step]) => step > 6).map(([, score]) => score)],
    ]);
    expect(scores.map(([step]) => step)).toEqual([2, 3, 4, 6, 8, 9, 10, 12, 14, 15, 16, 18]);
  });

  it('is not stopped before its last stage', async () => {
    const { result } = await trained({
      freezing: 'gradual:2/4',
      epochs: 12,
      earlyStopping: { patience: 2 },
      optimizer: STILL,
    });
    expect(result.stages.map(({ epoch }) => epoch)).toEqual([1, 5]);
    expect([result.epochs.length, result.stoppedEarly]).toEqual([6, true]);
  });
});

describe('plateau', () => {
  it('thaws where the score does not rise, and the last stage has the patience of the run', async () => {
    const { result } = await trained({
      freezing: 'plateau:3,1,0/2',
      epochs: 12,
      earlyStopping: { patience: 3 },
      optimizer: STILL,
    });
    expect(result.stages.map((stage) => [stage.epoch, frozenOf(stage), stage.scores.length])).toEqual([
      [1, 3, 3],
      [4, 1, 2],
      [6, 0, 3],
    ]);
    expect([result.epochs.length, result.stoppedEarly]).toEqual([8, true]);
  });

  it('goes on from the best weights', async () => {
    // What it learns is wrong, so the weights that it began with are the best. A stage that begins the rate anew begins
    // at a rate of 0: behind its first step the weights are those that it began from.
    const { freezes, result } = await trained({
      train: train.map(({ words }) => ({ words, tags: words.map(() => 'B-MISC') })),
      freezing: 'plateau:3,1/2',
      evaluateEvery: 1,
      optimizer: { learningRate: 3e-2, warmupRatio: 0.1, restartSchedule: true },
    });
    const { step, reason } = freezes[1]!;
    expect([step, reason]).toEqual([
      3,
      'no rise by more than 0.001 in 2 evaluations: 1 of 4 layers stay frozen',
    ]);
    const [first, second, third, fourth] = result.evaluations.map(({ metrics }) => metrics);
    expect(second).not.toEqual(first);
    expect(third).not.toEqual(first);
    expect(fourth).toEqual(first);
  });
});

describe('auto-freeze', () => {
  it('observes gradients at the ends of its intervals and freezes by them alone', async () => {
    const { watching, observations } = watched(autoFreeze({ percentile: 50, intervals: 5 }));
    const { freezes, result } = await trained({ freezing: watching, epochs: 8, evaluateEvery: 4 });
    const intervals = observations.filter(({ gradientL1 }) => gradientL1 !== undefined);
    expect(result.steps).toBe(24);
    expect(intervals.map(({ step }) => step)).toEqual([5, 10, 15, 20, 24]);
    expect(observations.filter(({ score }) => score !== undefined).map(({ step }) => step)).toEqual(
      result.evaluations.map(({ step }) => step),
    );
    expect(freezes.length).toBeGreaterThan(1);
    expect(freezes[0]!.plan).toEqual(full().plan(LAYERS));
    for (const [i, freeze] of freezes.slice(1).entries()) {
      expect(freeze.plan).toEqual(bottomUp(frozenOf(freeze)).plan(LAYERS));
      expect(frozenOf(freeze)).toBeGreaterThan(frozenOf(freezes[i]!));
      expect([10, 15, 20]).toContain(freeze.step);
    }
    for (const { step, gradientL1 } of intervals) {
      const present = freezes.filter((freeze) => freeze.step < step).at(-1)!;
      expect(gradientL1!.map((norm) => norm > 0)).toEqual(present.plan.layers.map((isFrozen) => !isFrozen));
    }
    // The same decisions, from the gradients alone.
    const schedule = autoFreeze({ percentile: 50, intervals: 5 });
    let { state } = schedule.start(LAYERS);
    const decided = intervals.flatMap((observation) => {
      const seen = schedule.observe(state, observation);
      ({ state } = seen);
      return seen.decision && observation.step < 24 ? [[observation.step, seen.decision.plan]] : [];
    });
    expect(freezes.slice(1).map(({ step, plan }) => [step, plan])).toEqual(decided);
  });

  it('sums the gradients of an interval once, batches that accumulate included', async () => {
    const once = watched(autoFreeze({ intervals: 2 }));
    const split = watched(autoFreeze({ intervals: 2 }));
    const options = { epochs: 1, optimizer: STILL };
    const still = { hiddenDropout: 0, attentionDropout: 0 };
    await trained({ ...options, freezing: once.watching, batchSize: 60 }, still);
    await trained({ ...options, freezing: split.watching, batchSize: 20, gradientAccumulation: 3 }, still);
    const [ofOnce, ofSplit] = [once, split].map(({ observations }) =>
      observations.flatMap(({ gradientL1 = [] }) => gradientL1),
    );
    expect(ofOnce).toHaveLength(2 * LAYERS);
    for (const [i, sum] of ofOnce!.entries()) expect(ofSplit![i]! / sum).toBeCloseTo(1, 4);
  });

  it('takes a step for an interval where it has more intervals than steps', async () => {
    const { watching, observations } = watched(autoFreeze({ intervals: 20 }));
    await trained({ freezing: watching, epochs: 1 });
    expect(observations.map(({ step, gradientL1 }) => [step, gradientL1?.length])).toEqual([
      [1, LAYERS],
      [2, LAYERS],
      [3, LAYERS],
    ]);
  });

  it('lets early stopping count on where it only freezes', async () => {
    const { result } = await trained({
      freezing: autoFreeze({ intervals: 10 }),
      epochs: 10,
      earlyStopping: { patience: 3 },
      optimizer: STILL,
    });
    expect([result.epochs.length, result.stoppedEarly]).toEqual([4, true]);
  });
});

describe('the learning rate under a schedule', () => {
  const ratesOf = async (optimizer: FinetuneOptions['optimizer']) => {
    const { events } = await trained({ freezing: 'gradual:2/2', epochs: 4, optimizer: { ...optimizer } });
    return events.flatMap((event) => (event.type === 'step' ? [event.learningRate] : []));
  };

  it('goes on', async () => {
    const rates = await ratesOf({ learningRate: 1e-3 });
    for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(1e-3 * (1 - i / 12), 12);
  });

  it('begins anew in each stage where that is asked for, with its warm-up', async () => {
    const rates = await ratesOf({ learningRate: 1e-3, warmupRatio: 0.3, restartSchedule: true });
    const course = [0, 1 / 2, 1, 3 / 4, 1 / 2, 1 / 4];
    for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(1e-3 * course[i % 6]!, 12);
  });
});

describe('thawed weights', () => {
  it('warm up for a tenth of their stage, from its first step', async () => {
    const begun = vi.spyOn(Trainer.prototype, 'beginStage');
    await trained({ freezing: 'gradual:1/2', epochs: 7 });
    const stages = begun.mock.calls.map(([options]) => options);
    begun.mockRestore();
    expect(stages).toEqual([
      { step: 6, warmupSteps: 1 },
      { step: 12, warmupSteps: 1 },
      { step: 18, warmupSteps: 1 },
    ]);
    const long = vi.spyOn(Trainer.prototype, 'beginStage');
    await trained({ freezing: 'plateau:3,0/1', epochs: 9, optimizer: STILL });
    expect(long.mock.calls).toEqual([[{ step: 6, warmupSteps: 3 }]]);
    long.mockRestore();
  });
});

describe('the outputs of the frozen prefix under a schedule', () => {
  /** Freezes more and less again, by epochs. */
  const depths = [1, 3, 2, 3];
  const upAndDown: FreezeSchedule<number> = {
    notation: 'test:up-and-down',
    start: (numLayers) => ({ state: 0, plan: bottomUp(depths[0]!).plan(numLayers) }),
    reachable: (numLayers, state = 0) => depths.slice(state).map((k) => bottomUp(k).plan(numLayers)),
    observe(state) {
      if (state + 1 === depths.length) return { state, decision: null };
      const plan = bottomUp(depths[state + 1]!).plan(LAYERS);
      return { state: state + 1, decision: { plan, fromBest: false, reason: 'in turn' } };
    },
  };

  it.each<[string, Settings]>([
    ['plateau', { freezing: 'plateau:3,2,1/1', optimizer: STILL }],
    ['gradual', { freezing: 'gradual:1/1' }],
    ['auto-freeze', { freezing: 'auto-freeze:50/6' }],
    ['a schedule of one’s own', { freezing: upAndDown }],
  ])('have the bits of those computed in every step: %s', async (_, options) => {
    const common = { frozenDropout: 'off', test, ...options } as const;
    const computed = await trained({ ...common, prefixCache: false });
    const kept = await trained(common);
    expect(kept.result.stages.length).toBeGreaterThan(1);
    expect(kept.result.losses).toEqual(computed.result.losses);
    expect(kept.result.stages).toEqual(computed.result.stages);
    expect(kept.result.test).toEqual(computed.result.test);
    expect(changedNames(computed.weights, kept.weights)).toEqual([]);
    expect(kept.result.prefixStore!.hits).toBeGreaterThan(0);
  });

  it('are computed once for all depths where layers thaw', async () => {
    const { result } = await trained({ freezing: 'plateau:3,2,1/1', frozenDropout: 'off', optimizer: STILL });
    expect(result.stages.map(frozenOf)).toEqual([3, 2, 1]);
    expect(result.prefixStore).toMatchObject({ depth: 3, misses: train.length + validation.length });
    expect(result.prefixStore!.hits).toBe(5 * (train.length + validation.length));
  });

  it('are computed anew where layers freeze that have learnt, once for each depth', async () => {
    const { result } = await trained({ freezing: 'auto-freeze:60/6', frozenDropout: 'off', epochs: 9 });
    const depths = result.stages.map(frozenOf).filter((depth) => depth > 0);
    expect(depths.length).toBeGreaterThan(0);
    expect(result.prefixStore).toMatchObject({ depth: depths.at(-1) });
    expect(result.prefixStore!.misses).toBeLessThanOrEqual(
      depths.length * (train.length + validation.length),
    );
    expect(result.prefixStore!.misses).toBeGreaterThan(0);
  });
});
