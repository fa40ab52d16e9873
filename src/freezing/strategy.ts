import { type FreezePlan, LAYER_PARTS, type LayerPart } from '../contract/freeze-plan.js';
import { PermafrostError } from '../errors/error.js';
import { didYouMean } from '../errors/message.js';
import {
  coverLayer,
  formatSelection,
  type LayerSelection,
  normaliseSelection,
  PART_NOTATION,
  resolveSelection,
} from './parts.js';

/** A way to freeze that fits models of any depth. */
export interface Strategy {
  /** The strategy as text, such as `bottom-up:6`; `parseStrategy` reads it back. */
  readonly notation: string;
  /**
   * Which parts are frozen in a model of `numLayers` encoder layers.
   *
   * @throws INVALID_PLAN where the strategy names a layer that the model does not have.
   */
  plan(numLayers: number): FreezePlan;
}

/** What {@link only} freezes; everything that is left out learns. */
export interface OnlyOptions {
  /** Word, position and type embeddings with their LayerNorm. @default false */
  embeddings?: boolean;
  /** Whole encoder layers. */
  layers?: LayerSelection;
  /** Layers whose attention weights and biases are frozen. */
  attention?: LayerSelection;
  /** Layers whose feed-forward weights and biases are frozen. */
  feedForward?: LayerSelection;
  /** Layers whose LayerNorm weights and biases are frozen. */
  layerNorm?: LayerSelection;
  /** Layers whose biases, those of the LayerNorms included, are frozen. */
  bias?: LayerSelection;
}

/**
 * Freezes the embeddings and the first `k` encoder layers (the paper's main strategy).
 *
 * @param k number of frozen layers; 0 freezes the embeddings alone.
 * @throws INVALID_PLAN where `k` is negative or no integer; from `plan()` where the model has fewer layers.
 */
export function bottomUp(k: number): Strategy {
  return ranged('bottom-up', k, (layer) => layer < k);
}

/**
 * Freezes the embeddings and the last `k` encoder layers.
 *
 * @param k number of frozen layers; 0 freezes the embeddings alone.
 * @throws INVALID_PLAN where `k` is negative or no integer; from `plan()` where the model has fewer layers.
 */
export function topDown(k: number): Strategy {
  return ranged('top-down', k, (layer, numLayers) => layer >= numLayers - k);
}

/** Freezes the embeddings and every second encoder layer: 1, 3, 5, … counted from 0. */
export function interleaved(): Strategy {
  return {
    notation: 'interleaved',
    plan: (numLayers) => ({ embeddings: true, layers: layersWhere(numLayers, (layer) => layer % 2 === 1) }),
  };
}

/** Freezes nothing: full fine-tuning, embeddings included. */
export function full(): Strategy {
  return {
    notation: 'full',
    plan: (numLayers) => ({ embeddings: false, layers: layersWhere(numLayers, () => false) }),
  };
}

/**
 * Freezes exactly what is named: the embeddings, whole layers, or parts of layers.
 *
 * @throws INVALID_PLAN for an unknown name or a wrong layer index; from `plan()` for a layer the model does not have.
 */
export function only(options: OnlyOptions): Strategy {
  const embeddings = checkOnly(options);
  const selections = new Map<'layers' | LayerPart, LayerSelection>();
  for (const key of ['layers', ...LAYER_PARTS] as const) {
    const selection = options[key];
    if (selection === undefined) continue;
    const normal = normaliseSelection(selection, `only({ ${key} })`);
    if (normal.length > 0) selections.set(key, normal);
  }
  const notation = onlyNotation(embeddings, selections);
  return { notation, plan: (numLayers) => onlyPlan(notation, embeddings, selections, numLayers) };
}

function ranged(name: string, k: number, frozen: (layer: number, numLayers: number) => boolean): Strategy {
  if (!Number.isInteger(k) || k < 0) {
    throw new PermafrostError(
      'INVALID_PLAN',
      `${name}: expected the number of frozen layers as an integer from 0, got ${k}. ` +
        `${name}:0 freezes the embeddings alone, "full" nothing.`,
      { strategy: name, got: k },
    );
  }
  const notation = `${name}:${k}`;
  return {
    notation,
    plan(numLayers) {
      if (k > numLayers) {
        throw new PermafrostError(
          'INVALID_PLAN',
          `${notation}: cannot freeze ${k} layers, the model has ${numLayers} encoder layers. ` +
            `Choose a number from 0 to ${numLayers}.`,
          { strategy: notation, got: k, numLayers },
        );
      }
      return { embeddings: true, layers: layersWhere(numLayers, (layer) => frozen(layer, numLayers)) };
    },
  };
}

function layersWhere(numLayers: number, frozen: (layer: number) => boolean): boolean[] {
  return Array.from({ length: numLayers }, (_, layer) => frozen(layer));
}

const ONLY_KEYS = ['embeddings', 'layers', ...LAYER_PARTS];

/** Checks the form of the options and returns whether the embeddings are frozen. */
function checkOnly(options: OnlyOptions): boolean {
  for (const [key, value] of Object.entries(options)) {
    if (!ONLY_KEYS.includes(key)) {
      const meant = didYouMean(key, ONLY_KEYS);
      throw new PermafrostError(
        'INVALID_PLAN',
        `only(): unknown key '${key}'${meant ? `, did you mean '${meant}'?` : '.'} Valid keys: ${ONLY_KEYS.join(', ')}.`,
        { got: key, valid: ONLY_KEYS },
      );
    }
    const fits = key === 'embeddings' ? typeof value === 'boolean' : Array.isArray(value) || value === 'all';
    if (value !== undefined && !fits) {
      const expected = key === 'embeddings' ? 'true or false' : "an array of layer indices or 'all'";
      throw new PermafrostError(
        'INVALID_PLAN',
        `only({ ${key} }): expected ${expected}, got ${JSON.stringify(value)}.`,
        { where: key, got: value },
      );
    }
  }
  return options.embeddings === true;
}

function onlyNotation(embeddings: boolean, selections: Map<'layers' | LayerPart, LayerSelection>): string {
  const items = embeddings ? ['embeddings'] : [];
  for (const [key, selection] of selections) {
    items.push(`${key === 'layers' ? key : PART_NOTATION[key]}=${formatSelection(selection)}`);
  }
  return `only:${items.join(',') || 'none'}`;
}

function onlyPlan(
  notation: string,
  embeddings: boolean,
  selections: Map<'layers' | LayerPart, LayerSelection>,
  numLayers: number,
): FreezePlan {
  const layers = layersWhere(numLayers, () => false);
  const parts: LayerPart[][] = layers.map(() => []);
  for (const [key, selection] of selections) {
    for (const layer of resolveSelection(selection, numLayers, notation)) {
      if (key === 'layers') layers[layer] = true;
      else parts[layer]!.push(key);
    }
  }
  // Said in one way only: a layer without anything left to learn is a frozen layer, and its parts go without saying.
  for (const [layer, frozen] of parts.entries()) {
    if (coverLayer(frozen)) layers[layer] = true;
    if (layers[layer]) parts[layer] = [];
  }
  const plan: FreezePlan = { embeddings, layers };
  if (parts.some((frozen) => frozen.length > 0)) plan.parts = parts;
  return plan;
}
