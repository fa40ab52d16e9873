import { PermafrostError } from '../errors/error.js';
import type { FreezeSchedule } from './schedule.js';
import { checkScheduleNumber, type ScheduleForm } from './schedule-form.js';
import { bottomUp } from './strategy.js';

/** Course of {@link plateau}. */
export interface PlateauOptions {
  /** Numbers of frozen layers, descending. @default [9, 6, 3, 0] */
  depths?: readonly number[];
  /** Evaluations without a rise before the next depth. @default 1 */
  patience?: number;
}

interface PlateauState {
  numLayers: number;
  /** Index into the depths. */
  stage: number;
  /** The last score that was a rise. */
  best: number | null;
  /** Evaluations since. */
  waited: number;
}

/** A score must be higher by more than this to be a rise. */
const MIN_RISE = 0.001;

/**
 * Thaws by validation: bottom-up with the first number of frozen layers, and with the next one when the score has not
 * risen by more than 0.001 in `patience` evaluations, going on from the best weights. Early stopping counts under the
 * last one.
 *
 * @throws INVALID_PLAN for depths that do not descend and numbers that are not whole; from `start()` where the model has
 *   fewer layers
 */
export function plateau({
  depths = [9, 6, 3, 0],
  patience = 1,
}: PlateauOptions = {}): FreezeSchedule<PlateauState> {
  checkScheduleNumber('plateau', 'patience', patience, { from: 1 });
  const notation = `plateau:${depths.join(',')}/${patience}`;
  checkDepths(notation, depths);
  const last = depths.length - 1;
  const planOf = (numLayers: number, stage: number) => bottomUp(depths[stage]!).plan(numLayers);
  return {
    notation,
    start(numLayers) {
      requireLayers(notation, depths[0]!, numLayers);
      return { state: { numLayers, stage: 0, best: null, waited: 0 }, plan: planOf(numLayers, 0) };
    },
    reachable: (numLayers, state) =>
      depths.slice(state?.stage ?? 0).map((depth) => bottomUp(depth).plan(numLayers)),
    observe(state, { score }) {
      if (score === undefined) return { state, decision: null };
      const { numLayers, stage, best } = state;
      if (best === null || score > best + MIN_RISE) {
        return { state: { ...state, best: score, waited: 0 }, decision: null };
      }
      const waited = state.waited + 1;
      if (stage === last || waited < patience) return { state: { ...state, waited }, decision: null };
      const evaluations = patience === 1 ? 'an evaluation' : `${patience} evaluations`;
      const depth = depths[stage + 1]!;
      const left = depth === 0 ? 'all layers learn' : `${depth} of ${numLayers} layers stay frozen`;
      const reason = `no rise by more than ${MIN_RISE} in ${evaluations}: ${left}`;
      return {
        state: { ...state, stage: stage + 1, waited: 0 },
        decision: { plan: planOf(numLayers, stage + 1), fromBest: true, reason },
      };
    },
    countsForStopping: ({ stage }) => stage === last,
  };
}

export const PLATEAU: ScheduleForm = {
  form: 'plateau:K,K,…/P',
  example: 'plateau:9,6,3,0/1',
  freezes: 'the embeddings and the first K layers, the next K once P evaluations brought no rise',
  values: 'descending numbers of frozen layers and P evaluations, whole numbers such as 9,6,3,0/1',
  read(value) {
    if (value === null) return plateau();
    const match = /^(\d{1,4}(?:,\d{1,4})*)(?:\/(\d{1,4}))?$/.exec(value);
    if (match === null) return null;
    return plateau({ depths: match[1]!.split(',').map(Number), patience: Number(match[2] ?? 1) });
  },
};

function requireLayers(notation: string, deepest: number, numLayers: number): void {
  if (deepest <= numLayers) return;
  throw new PermafrostError(
    'INVALID_PLAN',
    `${notation}: cannot freeze ${deepest} layers, the model has ${numLayers} encoder layers. ` +
      `Choose descending numbers from ${numLayers} to 0.`,
    { strategy: notation, got: deepest, numLayers },
  );
}

function checkDepths(notation: string, depths: readonly number[]): void {
  for (const depth of depths) checkScheduleNumber(notation, 'depths', depth, { from: 0 });
  const isDescending = depths.every((depth, i) => i === 0 || depth < depths[i - 1]!);
  if (depths.length > 0 && isDescending) return;
  throw new PermafrostError(
    'INVALID_PLAN',
    `${notation}: expected numbers of frozen layers that descend, such as plateau:9,6,3,0/1: each stage thaws more.`,
    { strategy: notation, where: 'depths', got: [...depths] },
  );
}
