import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { frozenPrefixLength } from '../../src/entries/training.js';
import { PermafrostError } from '../../src/errors/error.js';
import { FREEZING_NOTATIONS } from '../../src/freezing/schedule-notation.js';
import type { Observation } from '../../src/index.js';
import {
  autoFreeze,
  bottomUp,
  type FreezePlan,
  type FreezeSchedule,
  full,
  gradual,
  parseFreezing,
  plateau,
} from '../../src/index.js';

const cases = JSON.parse(
  readFileSync(new URL('../fixtures/schedules/cases.json', import.meta.url), 'utf8'),
) as {
  autoFreeze: { numLayers: number; percentile: number; history: number[][]; starts: number[] }[];
  gradual: { numLayers: number; groups: number; epochs: number; learning: number[] }[];
  plateau: { depths: number[]; patience: number; scores: number[]; frozen: number[] }[];
};

/** Plans behind each of so many observations; states go through JSON, as from one process to another. */
function plansOf<State>(
  schedule: FreezeSchedule<State>,
  numLayers: number,
  count: number,
  observed: (i: number, plan: FreezePlan) => Partial<Observation>,
): FreezePlan[] {
  const reachable = textsOf(schedule.reachable(numLayers));
  let { state, plan } = schedule.start(numLayers);
  expect(reachable).toContain(JSON.stringify(plan));
  return Array.from({ length: count }, (_, i) => {
    const observation = { epoch: i + 1, step: i + 1, totalSteps: count, ...observed(i, plan) };
    const text = JSON.stringify(state);
    const seen = schedule.observe(JSON.parse(text) as State, observation);
    expect(schedule.observe(state, observation)).toEqual(seen);
    expect(JSON.stringify(state), 'the state was changed').toBe(text);
    ({ state } = seen);
    if (seen.decision) ({ plan } = seen.decision);
    const ahead = textsOf(schedule.reachable(numLayers, state));
    expect(ahead).toContain(JSON.stringify(plan));
    expect(reachable).toEqual(expect.arrayContaining(ahead));
    return plan;
  });
}

const textsOf = (plans: FreezePlan[]) => plans.map((plan) => JSON.stringify(plan));
const frozenLayers = (plan: FreezePlan) => plan.layers.filter(Boolean).length;
const bottom = (k: number, numLayers: number) => bottomUp(k).plan(numLayers);

describe('schedules against decisions that numpy made by the definitions of their papers', () => {
  it('gradual thaws the same layers in every epoch', () => {
    for (const { numLayers, groups, epochs, learning } of cases.gradual) {
      const schedule = gradual({ groups, epochs });
      const plans = [
        schedule.start(numLayers).plan,
        ...plansOf(schedule, numLayers, 15, () => ({ score: 0.5 })),
      ];
      expect(plans, `${schedule.notation} of ${numLayers} layers`).toEqual(
        learning.map((count) => bottom(numLayers - count, numLayers)),
      );
    }
  });

  it('plateau goes on to the same depths', () => {
    for (const { depths, patience, scores, frozen } of cases.plateau) {
      const schedule = plateau({ depths, patience });
      const plans = plansOf(schedule, 12, scores.length, (i) => ({ score: scores[i]! }));
      expect(plans, schedule.notation).toEqual(frozen.map((k) => bottom(k, 12)));
    }
  });

  it('auto-freeze freezes the same layers after every interval', () => {
    for (const { numLayers, percentile, history, starts } of cases.autoFreeze) {
      const schedule = autoFreeze({ percentile, intervals: history.length });
      const plans = plansOf(schedule, numLayers, history.length, (i, plan) => ({
        gradientL1: history[i]!.map((norm, layer) => (plan.layers[layer] ? 0 : norm)),
      }));
      expect(plans.map(frozenLayers), `${schedule.notation} of ${numLayers} layers`).toEqual(starts);
      for (const plan of plans) {
        const k = frozenLayers(plan);
        expect(plan).toEqual(k === 0 ? full().plan(numLayers) : bottom(k, numLayers));
      }
    }
  });
});

describe('gradual', () => {
  it('decides at the end of epochs alone, and says until when its plans last', () => {
    const schedule = gradual({ groups: 4, epochs: 2 });
    const { state, plan, untilEpoch } = schedule.start(12);
    expect([plan, untilEpoch]).toEqual([bottom(8, 12), 2]);
    const at = (epoch: number, endsEpoch: boolean) => ({
      epoch,
      step: 1,
      totalSteps: 9,
      score: 1,
      endsEpoch,
    });
    expect(schedule.observe(state, at(2, false)).decision).toBeNull();
    const second = schedule.observe(state, at(2, true));
    expect(second.decision).toMatchObject({ plan: bottom(4, 12), fromBest: false, untilEpoch: 4 });
    expect(schedule.observe(second.state, at(3, true)).decision).toBeNull();
    const third = schedule.observe(second.state, at(4, true));
    expect(third.decision!.plan).toEqual(bottom(0, 12));
    expect(third.decision).not.toHaveProperty('untilEpoch');
    expect([state, second.state, third.state].map((one) => schedule.countsForStopping!(one))).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('learns with all layers at once where a group has as many', () => {
    const schedule = gradual({ groups: 20 });
    expect(schedule.reachable(12)).toEqual([bottom(0, 12)]);
    expect(schedule.countsForStopping!(schedule.start(12).state)).toBe(true);
  });
});

describe('plateau', () => {
  it('goes on from the best weights, and leaves the last depth to early stopping', () => {
    const schedule = plateau({ depths: [2, 0], patience: 2 });
    let { state } = schedule.start(3);
    const decisions = [0.5, 0.5009, 0.4, 0.3, 0.3, 0.3].map((score, i) => {
      const counts = schedule.countsForStopping!(state);
      const seen = schedule.observe(state, { epoch: i + 1, step: i, totalSteps: 9, score });
      ({ state } = seen);
      return [counts, seen.decision && [seen.decision.plan, seen.decision.fromBest]];
    });
    expect(decisions).toEqual([
      [false, null],
      [false, null],
      [false, [bottom(0, 3), true]],
      [true, null],
      [true, null],
      [true, null],
    ]);
  });

  it('passes over what is no evaluation', () => {
    const schedule = plateau();
    const { state } = schedule.start(12);
    const seen = schedule.observe(state, { epoch: 1, step: 1, totalSteps: 9, gradientL1: [1] });
    expect(seen).toEqual({ state, decision: null });
  });
});

describe('auto-freeze', () => {
  const observe = (previous: number[], current: number[], percentile = 50) => {
    const schedule = autoFreeze({ percentile, intervals: 4 });
    const at = { epoch: 1, step: 1, totalSteps: 9 };
    const { state } = schedule.observe(schedule.start(previous.length).state, {
      ...at,
      gradientL1: previous,
    });
    return schedule.observe(state, { ...at, gradientL1: current }).decision?.plan.layers ?? null;
  };

  it('takes a layer whose gradient comes out of nothing as the one that changes most', () => {
    expect(observe([4, 0, 4, 4], [5, 1, 5, 5], 75)).toEqual([true, false, false, false]);
    expect(observe([0, 0, 4, 4], [1, 1, 5, 5], 50)).toBeNull();
  });

  it('takes a layer without any gradient as settled', () => {
    expect(observe([0, 0, 4, 4], [0, 0, 5, 5])).toEqual([true, true, false, false]);
    expect(observe([0, 0, 0], [0, 0, 0])).toBeNull();
  });

  it('never freezes the last layer', () => {
    expect(observe([8, 4, 2], [8, 4, 3], 100)).toEqual([true, true, false]);
    expect(observe([3], [5], 100)).toBeNull();
  });

  it('observes as many intervals as it is asked for, and no evaluation', () => {
    const schedule = autoFreeze({ intervals: 7 });
    expect(schedule.intervals).toBe(7);
    expect([gradual().intervals, plateau().intervals, parseFreezing('bottom-up:3').intervals]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const { state } = schedule.start(2);
    expect(schedule.observe(state, { epoch: 1, step: 1, totalSteps: 9, score: 1 })).toEqual({
      state,
      decision: null,
    });
  });
});

describe('the notation of schedules', () => {
  it.each([
    gradual(),
    gradual({ groups: 3, epochs: 2 }),
    plateau(),
    plateau({ depths: [7, 1], patience: 3 }),
  ])('reads $notation back as the same schedule', (schedule) => {
    const read = parseFreezing(schedule.notation);
    expect(read.notation).toBe(schedule.notation);
    expect(read.reachable(12)).toEqual(schedule.reachable(12));
  });

  it.each([
    ['gradual', 'gradual:1/1'],
    ['gradual:2', 'gradual:2/1'],
    ['plateau', 'plateau:9,6,3,0/1'],
    ['plateau:6,0', 'plateau:6,0/1'],
    ['auto-freeze', 'auto-freeze:50/20'],
    ['auto-freeze:62.5', 'auto-freeze:62.5/20'],
    ['auto-freeze:50/8', 'auto-freeze:50/8'],
    ['bottom-up:6', 'bottom-up:6'],
  ])('completes %s to %s', (text, notation) => {
    expect(parseFreezing(text).notation).toBe(notation);
  });

  it('reads every example that its own messages give', () => {
    const examples = FREEZING_NOTATIONS.map(({ example }) => example);
    expect(examples.map((example) => parseFreezing(example).notation)).toEqual(examples);
  });

  it.each([
    ['gradul:1/1', "Did you mean 'gradual:1/1'"],
    ['platau', "Did you mean 'plateau:9,6,3,0/1'"],
    ['autofreeze:50', "Did you mean 'auto-freeze:50'"],
    ['gradual:', 'expected gradual:G/E'],
    ['gradual:1/2/3', 'expected gradual:G/E'],
    ['gradual:0', '`groups`: expected a whole number from 1'],
    ['gradual:1/0', '`epochs`: expected a whole number from 1'],
    ['plateau:', 'expected plateau:K,K,…/P'],
    ['plateau:9,6,/1', 'expected plateau:K,K,…/P'],
    ['plateau:3,6/1', 'numbers of frozen layers that descend'],
    ['plateau:6,6', 'numbers of frozen layers that descend'],
    ['plateau:6,0/0', '`patience`: expected a whole number from 1'],
    ['auto-freeze:101', '`percentile`: expected a number from 0 to 100'],
    ['auto-freeze:50/0', '`intervals`: expected a whole number from 1'],
    ['auto-freeze:-1', 'expected auto-freeze:N/I'],
    ['bottom-up:x', 'bottom-up:'],
    ['thaw', "unknown strategy 'thaw'"],
  ])('refuses %s', (text, message) => {
    const error = failure(() => parseFreezing(text));
    expect(error.code).toBe('INVALID_PLAN');
    expect(error.message).toContain(message);
    if (!message.startsWith('`') && !message.startsWith('numbers'))
      for (const { form } of FREEZING_NOTATIONS) expect(error.message).toContain(form);
  });

  it('is refused for a model that has fewer layers', () => {
    const error = failure(() => parseFreezing('plateau:9,0').start(6));
    expect(error.code).toBe('INVALID_PLAN');
    expect(error.message).toMatch(/plateau:9,0\/1: cannot freeze 9 layers, the model has 6/);
    expect(parseFreezing('gradual:9/1').start(6).plan).toEqual(bottom(0, 6));
    expect(frozenPrefixLength(parseFreezing('auto-freeze').start(6).plan)).toBe(-1);
  });
});

function failure(work: () => unknown): PermafrostError {
  try {
    work();
  } catch (error) {
    if (error instanceof PermafrostError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}
