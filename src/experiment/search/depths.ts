import { PermafrostError } from '../../errors/error.js';
import { parseStrategyList } from '../grid.js';

/**
 * Reads the plans of a search: a list of strategies in which a direction alone, such as `bottom-up`, stands for one plan
 * a depth.
 *
 * @param depths such as `0-12` or `0,3,6-9`; null takes every one from 0 to the number of layers.
 * @returns each notation once, in the order given.
 * @throws INVALID_PLAN for an unknown notation, INVALID_OPTION for depths that the model does not have.
 */
export function parseSearchedPlans(text: string, depths: string | null, numLayers: number): string[] {
  const numbers = parseDepths(depths ?? `0-${numLayers}`, numLayers);
  const expanded = text.replace(/\b(bottom-up|top-down)\b(?!:)/g, (direction) =>
    numbers.map((depth) => `${direction}:${depth}`).join(','),
  );
  if (depths !== null && expanded === text) {
    throw invalid('goes with a direction alone, such as `strategies` bottom-up', depths);
  }
  return parseStrategyList(expanded, numLayers);
}

function parseDepths(text: string, numLayers: number): number[] {
  const depths = text.split(',').flatMap((item) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(item.trim());
    if (match === null) throw invalid('expected numbers and ranges such as 0-12 or 0,3,6-9', text);
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (first > last) throw invalid(`expected a range that rises, such as ${last}-${first}`, text);
    if (last > numLayers) throw invalid(`the model has ${numLayers} layers`, text);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return [...new Set(depths)];
}

function invalid(expected: string, got: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', `\`depths\`: ${expected}, got "${got}".`, {
    option: 'depths',
    got,
  });
}
