import { PermafrostError } from '../errors/error.js';
import { frozenPrefixLength, prefixDepths } from '../freezing/frozen-prefix.js';
import { FREEZING_NAMES, parseFreezing } from '../freezing/schedule-notation.js';
import type { Scenario } from './scenario.js';

/** One training to do. */
export interface GridRun {
  scenario: Scenario;
  seed: number;
  /** Frozen prefixes, in layers, that any run from the same weights has the outputs of: that of the first plan and lesser ones. */
  prefixDepths: number[];
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

/** A comma or semicolon before the name of a strategy or a schedule. */
const SEPARATOR = new RegExp(`\\s*[,;]\\s*(?=(?:${['paper', ...FREEZING_NAMES].join('|')})\\b)`);

/**
 * Reads a list of notations such as `paper,interleaved`, where `paper` stands for {@link paperStrategies}.
 *
 * An item with a comma of its own (`only:embeddings,layers=0-5`, `plateau:9,6,3,0/1`) is kept whole: a comma separates
 * two items only where the name of a strategy or a schedule follows.
 *
 * @returns each notation once, in the order given.
 * @throws INVALID_PLAN for an unknown notation, or one that does not fit the number of layers.
 */
export function parseStrategyList(text: string, numLayers: number): string[] {
  const items = text.split(SEPARATOR);
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
  const schedule = parseFreezing(item);
  schedule.start(numLayers);
  return schedule.notation;
}

/**
 * Names an earlier strategy of the list that freezes exactly the same, for "same configuration as …" in tables.
 *
 * @returns a map from notation to the first notation with the same plan; strategies without a twin are left out, and so
 *   are schedules that may come to several plans.
 */
export function sameConfigurations(strategies: readonly string[], numLayers: number): Map<string, string> {
  const firstOfPlan = new Map<string, string>();
  const twins = new Map<string, string>();
  for (const notation of strategies) {
    const plans = parseFreezing(notation).reachable(numLayers);
    if (plans.length > 1) continue;
    const plan = JSON.stringify(plans[0]);
    const first = firstOfPlan.get(plan);
    if (first === undefined) firstOfPlan.set(plan, notation);
    else twins.set(notation, first);
  }
  return twins;
}

/**
 * All runs of a grid, seed by seed, so that an early end leaves whole tables of the first seeds.
 *
 * Within a seed the runs go by the frozen prefix that they begin with, longest first: where outputs of the prefix are kept, the first run then
 * computes those that all others read.
 */
export function gridRuns(
  scenarios: readonly Scenario[],
  seeds: readonly number[],
  numLayers: number,
): GridRun[] {
  const planned = scenarios.map((scenario) => {
    const schedule = parseFreezing(scenario.strategy);
    const prefix = frozenPrefixLength(schedule.start(numLayers).plan);
    return { scenario, prefix, prefixDepths: prefixDepths(schedule.reachable(numLayers), prefix) };
  });
  planned.sort((a, b) => b.prefix - a.prefix);
  return seeds.flatMap((seed) => planned.map(({ prefix: _, ...run }) => ({ ...run, seed })));
}
