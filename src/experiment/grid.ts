import type { FreezePlan } from '../contract/freeze-plan.js';
import { PermafrostError } from '../errors/error.js';
import { frozenPrefixLength } from '../freezing/frozen-prefix.js';
import { parseStrategy } from '../freezing/notation.js';
import type { Scenario } from './scenario.js';

/** One training to do. */
export interface GridRun {
  scenario: Scenario;
  seed: number;
  plan: FreezePlan;
}

/**
 * Numbers of frozen layers that the paper compares: 0, 3, 6, 9, 12 of 12 layers, the same shares of other depths.
 *
 * @returns ascending; fewer than five where the model has fewer than four layers.
 */
export function paperDepths(numLayers: number): number[] {
  return [...new Set([0, 1, 2, 3, 4].map((quarter) => Math.round((quarter * numLayers) / 4)))];
}

/**
 * The eleven scenarios of the paper's grid: its ten (bottom-up and top-down at five depths) and `full`.
 *
 * The paper runs and times k = 0 and k = 12 in both directions although they are the same configuration. So do we:
 * both rows of a pair must come out with equal metrics, and their times show how far a time can be trusted.
 */
export function paperStrategies(numLayers: number): string[] {
  const depths = paperDepths(numLayers);
  return [
    'full',
    ...depths.map((depth) => `bottom-up:${depth}`),
    ...depths.map((depth) => `top-down:${depth}`),
  ];
}

/**
 * Reads a list of notations such as `paper,interleaved`, where `paper` stands for {@link paperStrategies}.
 *
 * An item with a comma of its own (`only:embeddings,layers=0-5`) is kept whole: a comma separates two items only
 * where a strategy's name follows.
 *
 * @returns each notation once, in the order given.
 * @throws INVALID_PLAN for an unknown notation, or one that does not fit the number of layers.
 */
export function parseStrategyList(text: string, numLayers: number): string[] {
  const items = text.split(/\s*[,;]\s*(?=(?:paper|bottom-up|top-down|interleaved|full|only)\b)/);
  const notations = items
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .flatMap((item) => (item === 'paper' ? paperStrategies(numLayers) : [checkedNotation(item, numLayers)]));
  if (notations.length === 0) {
    throw new PermafrostError(
      'INVALID_PLAN',
      `Strategies: expected a list such as "paper,interleaved" or "bottom-up:0,bottom-up:6", got "${text}".`,
      { got: text },
    );
  }
  return [...new Set(notations)];
}

/**
 * Reads a list of numbers of training sentences, such as `50,100,500,all`.
 *
 * @throws INVALID_OPTION for anything but whole numbers above 0 and `all`.
 */
export function parseTrainSizes(text: string): (number | 'all')[] {
  const sizes = text.split(',').map((item) => {
    const size = item.trim();
    if (size === 'all') return size;
    if (/^[1-9]\d*$/.test(size)) return Number(size);
    throw new PermafrostError(
      'INVALID_OPTION',
      `\`trainSizes\`: expected whole numbers above 0 and "all", such as 50,100,500,all, got "${text}".`,
      { option: 'trainSizes', got: text },
    );
  });
  return [...new Set(sizes)];
}

function checkedNotation(item: string, numLayers: number): string {
  const strategy = parseStrategy(item);
  strategy.plan(numLayers);
  return strategy.notation;
}

/**
 * Names an earlier strategy of the list that freezes exactly the same, for "same configuration as …" in tables.
 *
 * @returns a map from notation to the first notation with the same plan; strategies without a twin are left out.
 */
export function sameConfigurations(strategies: readonly string[], numLayers: number): Map<string, string> {
  const firstOfPlan = new Map<string, string>();
  const twins = new Map<string, string>();
  for (const notation of strategies) {
    const plan = JSON.stringify(parseStrategy(notation).plan(numLayers));
    const first = firstOfPlan.get(plan);
    if (first === undefined) firstOfPlan.set(plan, notation);
    else twins.set(notation, first);
  }
  return twins;
}

/**
 * All runs of a grid, seed by seed, so that an early end leaves whole tables of the first seeds.
 *
 * Within a seed the runs go by frozen prefix, longest first: where outputs of the prefix are kept, the first run then
 * computes those that all others read.
 */
export function gridRuns(
  scenarios: readonly Scenario[],
  seeds: readonly number[],
  numLayers: number,
): GridRun[] {
  const planned = scenarios.map((scenario) => {
    const plan = parseStrategy(scenario.strategy).plan(numLayers);
    return { scenario, plan, prefix: frozenPrefixLength(plan) };
  });
  planned.sort((a, b) => b.prefix - a.prefix);
  return seeds.flatMap((seed) => planned.map(({ scenario, plan }) => ({ scenario, seed, plan })));
}
