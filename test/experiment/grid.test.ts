import { describe, expect, it } from 'vitest';
import {
  gridRuns,
  paperDepths,
  paperStrategies,
  parseStrategyList,
  sameConfigurations,
} from '../../src/experiment/grid.js';
import { scenarioOf } from '../../src/experiment/scenario.js';
import { fakeWorkspace } from './fakes.js';

describe("the paper's grid", () => {
  it('has eleven scenarios for 12 layers: five bottom-up, five top-down, and full', () => {
    expect(paperStrategies(12)).toEqual([
      'full',
      ...[0, 3, 6, 9, 12].map((k) => `bottom-up:${k}`),
      ...[0, 3, 6, 9, 12].map((k) => `top-down:${k}`),
    ]);
  });

  it('takes the same shares of other depths', () => {
    expect(paperDepths(24)).toEqual([0, 6, 12, 18, 24]);
    expect(paperDepths(6)).toEqual([0, 2, 3, 5, 6]);
  });

  it('names no depth twice where the model is shallow', () => {
    expect(paperDepths(2)).toEqual([0, 1, 2]);
    expect(new Set(paperStrategies(1)).size).toBe(paperStrategies(1).length);
  });

  it('tells which scenarios are the same configuration', () => {
    expect([...sameConfigurations(paperStrategies(12), 12)]).toEqual([
      ['top-down:0', 'bottom-up:0'],
      ['top-down:12', 'bottom-up:12'],
    ]);
  });

  it('takes a schedule for another configuration, unless it never changes', () => {
    const strategies = ['bottom-up:9', 'bottom-up:0', 'plateau:9,0/1', 'gradual:12/1'];
    expect([...sameConfigurations(strategies, 12)]).toEqual([['gradual:12/1', 'bottom-up:0']]);
  });
});

describe('a list of strategies', () => {
  it('replaces "paper" by the eleven and keeps the others', () => {
    expect(parseStrategyList('paper,interleaved', 12)).toEqual([...paperStrategies(12), 'interleaved']);
  });

  it('keeps the commas that belong to one strategy', () => {
    expect(parseStrategyList('full, only:embeddings,layers=0-2,bottom-up:3', 12)).toEqual([
      'full',
      'only:embeddings,layers=0-2',
      'bottom-up:3',
    ]);
  });

  it('takes schedules, with the commas of their own', () => {
    expect(parseStrategyList('full,plateau:9,6,3,0/2,gradual:2;auto-freeze,bottom-up:3', 12)).toEqual([
      'full',
      'plateau:9,6,3,0/2',
      'gradual:2/1',
      'auto-freeze:50/20',
      'bottom-up:3',
    ]);
  });

  it('names each strategy once', () => {
    expect(parseStrategyList('full,full,bottom-up:3,full', 12)).toEqual(['full', 'bottom-up:3']);
  });

  it.each(['', ' ', 'bottom', 'bottom-up:13', 'full,sideways:3', 'plateau:13,0', 'gradual:0'])(
    'refuses %j',
    (text) => {
      expect(() => parseStrategyList(text, 12)).toThrowError(
        expect.objectContaining({ code: 'INVALID_PLAN' }),
      );
    },
  );
});

describe('the order of a grid', () => {
  const workspace = fakeWorkspace();
  const scenarios = paperStrategies(12).map((strategy) => scenarioOf(workspace.settings, strategy));

  it('finishes a seed before it begins the next', () => {
    const seeds = gridRuns(scenarios, [42, 7], 12).map((run) => run.seed);
    expect(seeds).toEqual([...Array(11).fill(42), ...Array(11).fill(7)]);
  });

  it('puts scenarios with the same frozen prefix side by side, the longest first', () => {
    expect(gridRuns(scenarios, [1], 12).map((run) => run.scenario.strategy)).toEqual([
      'bottom-up:12',
      'top-down:12',
      'bottom-up:9',
      'bottom-up:6',
      'bottom-up:3',
      'bottom-up:0',
      'top-down:0',
      'top-down:3',
      'top-down:6',
      'top-down:9',
      'full',
    ]);
  });

  it('puts a schedule where its first plan stands, and tells the depths that others can share', () => {
    const strategies = ['auto-freeze:50/20', 'plateau:9,6,0/1', 'bottom-up:12', 'gradual:4/1', 'bottom-up:3'];
    const runs = gridRuns(
      strategies.map((strategy) => scenarioOf(workspace.settings, strategy)),
      [1],
      12,
    );
    expect(runs.map(({ scenario, prefixDepths }) => [scenario.strategy, prefixDepths])).toEqual([
      ['bottom-up:12', [12]],
      ['plateau:9,6,0/1', [6, 9]],
      ['gradual:4/1', [4, 8]],
      ['bottom-up:3', [3]],
      ['auto-freeze:50/20', []],
    ]);
  });
});
