import { type FreezePlan, LAYER_PARTS, type LayerPart } from '../contract/freeze-plan.js';
import { PermafrostError } from '../errors/error.js';
import { parseStrategy } from '../freezing/notation.js';
import { isScheduleNotation } from '../freezing/schedule-notation.js';
import type { Strategy } from '../freezing/strategy.js';
import type { NativePlan } from '../native/addon.js';

const PART_BITS: Readonly<Record<LayerPart, number>> = {
  attention: 1,
  feedForward: 2,
  layerNorm: 4,
  bias: 8,
};

/**
 * A plan, or that of a strategy, in the form that crosses the border.
 *
 * @throws INVALID_PLAN where it speaks of another number of layers or of parts there are not
 */
export function nativePlan(freezing: FreezePlan | Strategy | string, numLayers: number): NativePlan {
  const plan = planOf(freezing, numLayers);
  checkForm(plan);
  const parts = plan.parts ?? plan.layers.map(() => []);
  if (plan.layers.length !== numLayers || parts.length !== numLayers) {
    throw new PermafrostError(
      'INVALID_PLAN',
      `The plan speaks of ${plan.layers.length === numLayers ? `parts of ${parts.length}` : plan.layers.length} layers, ` +
        `the model has ${numLayers}. Make it by a strategy's plan(${numLayers}).`,
      { expected: numLayers, got: plan.layers.length },
    );
  }
  return {
    embeddings: plan.embeddings,
    layers: Uint8Array.from(plan.layers, Number),
    parts: Uint8Array.from(parts, (names) => names.reduce((bits, name) => bits | partBit(name), 0)),
  };
}

// A plan is not always made by a strategy; one of another form would freeze something else than it says.
function checkForm(plan: FreezePlan): void {
  const isFlag = (value: unknown) => typeof value === 'boolean';
  const isPlan =
    typeof plan === 'object' &&
    plan !== null &&
    isFlag(plan.embeddings) &&
    Array.isArray(plan.layers) &&
    plan.layers.every(isFlag) &&
    (plan.parts === undefined || (Array.isArray(plan.parts) && plan.parts.every(Array.isArray)));
  if (isPlan) return;
  throw new PermafrostError(
    'INVALID_PLAN',
    'freeze: expected { embeddings: boolean, layers: boolean[], parts?: string[][] }, a strategy, or its notation such as ' +
      "'bottom-up:6', got something else.",
  );
}

function planOf(freezing: FreezePlan | Strategy | string, numLayers: number): FreezePlan {
  if (typeof freezing === 'string') {
    if (isScheduleNotation(freezing)) throw changesWhileTraining(freezing);
    return parseStrategy(freezing).plan(numLayers);
  }
  const isStrategy = typeof (freezing as Partial<Strategy> | null)?.plan === 'function';
  return isStrategy ? (freezing as Strategy).plan(numLayers) : (freezing as FreezePlan);
}

function changesWhileTraining(notation: string): PermafrostError {
  return new PermafrostError(
    'INVALID_PLAN',
    `freeze: '${notation}' is a schedule, whose plan changes while a model trains. Give it to finetune as \`freezing\`, ` +
      "or freeze by a strategy such as 'bottom-up:6'.",
    { got: notation },
  );
}

function partBit(name: LayerPart): number {
  const bit = PART_BITS[name];
  if (bit === undefined) {
    throw new PermafrostError(
      'INVALID_PLAN',
      `'${name}' is no part of a layer. Expected one of ${LAYER_PARTS.join(', ')}.`,
    );
  }
  return bit;
}
