import type { FreezePlan, LayerPart } from '../contract/freeze-plan.js';
import { PermafrostError } from '../errors/error.js';

/** Layers by their index (the first is 0), or all layers of whatever model the strategy meets. */
export type LayerSelection = readonly number[] | 'all';

/** What each part is called where strategies are written as text. */
export const PART_NOTATION: Readonly<Record<LayerPart, string>> = {
  attention: 'attention',
  feedForward: 'feed-forward',
  layerNorm: 'layer-norm',
  bias: 'bias',
};

/**
 * Sorts a selection and drops repetitions.
 *
 * @throws INVALID_PLAN where an index is negative or no integer.
 */
export function normaliseSelection(selection: LayerSelection, what: string): LayerSelection {
  if (selection === 'all') return 'all';
  for (const layer of selection) {
    if (!Number.isInteger(layer) || layer < 0) {
      throw new PermafrostError(
        'INVALID_PLAN',
        `${what}: expected layer indices 0, 1, 2, … or 'all', got ${layer}.`,
        { where: what, got: layer },
      );
    }
  }
  return [...new Set(selection)].sort((a, b) => a - b);
}

/** Writes a normalised selection as text: `all`, `none`, or indices and ranges such as `0-5+8`. */
export function formatSelection(selection: LayerSelection): string {
  if (selection === 'all') return 'all';
  const ranges: string[] = [];
  for (let start = 0; start < selection.length; ) {
    let end = start;
    while (selection[end + 1] === selection[end]! + 1) end++;
    const first = selection[start]!;
    const last = selection[end]!;
    ranges.push(first === last ? `${first}` : `${first}-${last}`);
    start = end + 1;
  }
  return ranges.join('+');
}

/** A selection beyond this is a slip of the keyboard, and would cost memory to write out. */
const MAX_LAYER_INDEX = 9999;

/** Reads what {@link formatSelection} writes; null where the text is something else. */
export function parseSelection(text: string): LayerSelection | null {
  if (text === 'all') return 'all';
  const layers: number[] = [];
  for (const range of text.split('+')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (!match) return null;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first || last > MAX_LAYER_INDEX) return null;
    for (let layer = first; layer <= last; layer++) layers.push(layer);
  }
  return layers;
}

/**
 * Turns a selection into the indices of one model's layers.
 *
 * @throws INVALID_PLAN where an index is beyond the last layer.
 */
export function resolveSelection(selection: LayerSelection, numLayers: number, what: string): number[] {
  if (selection === 'all') return Array.from({ length: numLayers }, (_, layer) => layer);
  const beyond = selection.find((layer) => layer >= numLayers);
  if (beyond !== undefined) {
    throw new PermafrostError(
      'INVALID_PLAN',
      `${what}: layer ${beyond} does not exist, the model has ${numLayers} encoder layers. ` +
        `Choose indices from 0 to ${numLayers - 1}, or 'all'.`,
      { where: what, got: beyond, numLayers },
    );
  }
  return [...selection];
}

/** Whether parts frozen one by one leave nothing of a layer to learn (`bias` is contained in the other three). */
export function coverLayer(parts: readonly LayerPart[]): boolean {
  return parts.includes('attention') && parts.includes('feedForward') && parts.includes('layerNorm');
}

/** Whether nothing of a layer learns, be it frozen as a whole or part by part. */
export function isLayerFrozen(plan: FreezePlan, layer: number): boolean {
  return plan.layers[layer] === true || coverLayer(plan.parts?.[layer] ?? []);
}
