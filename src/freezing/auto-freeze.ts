import type { FreezeSchedule } from './schedule.js';
import { checkScheduleNumber, type ScheduleForm } from './schedule-form.js';
import { bottomUp, full } from './strategy.js';

/** Course of {@link autoFreeze}. */
export interface AutoFreezeOptions {
  /** Percentile of the layers' changes below which a layer counts as settled, 0 to 100. @default 50 */
  percentile?: number;
  /** Decisions a run. @default 20 */
  intervals?: number;
}

interface AutoFreezeState {
  /** The first layer that learns. */
  start: number;
  /** `gradientL1` of the interval before. */
  previous: number[] | null;
}

/**
 * AutoFreeze (Liu et al. 2021): after each of `intervals` parts of the run, every layer that learns is judged by how much
 * its summed gradient has changed since the part before, r = |previous - current| / previous. All layers below the first
 * one whose change reaches the percentile are frozen, bottom-up, and stay so; the last layer never is. The first part
 * only gives what the second is compared with. Until something freezes, everything learns.
 *
 * @throws INVALID_PLAN for a percentile outside 0 to 100, or a number of intervals that is not whole and at least 1
 */
export function autoFreeze({
  percentile = 50,
  intervals = 20,
}: AutoFreezeOptions = {}): FreezeSchedule<AutoFreezeState> {
  checkScheduleNumber('auto-freeze', 'percentile', percentile, { from: 0, to: 100, whole: false });
  checkScheduleNumber('auto-freeze', 'intervals', intervals, { from: 1 });
  const planFrom = (numLayers: number, start: number) =>
    (start === 0 ? full() : bottomUp(start)).plan(numLayers);
  return {
    notation: `auto-freeze:${percentile}/${intervals}`,
    intervals,
    start: (numLayers) => ({ state: { start: 0, previous: null }, plan: planFrom(numLayers, 0) }),
    reachable: (numLayers, state) =>
      Array.from({ length: numLayers }, (_, start) => start)
        .slice(state?.start ?? 0)
        .map((start) => planFrom(numLayers, start)),
    observe(state, { gradientL1: current }) {
      if (current === undefined) return { state, decision: null };
      const { start, previous } = state;
      if (previous === null) return { state: { start, previous: current }, decision: null };
      const changes = current.map((value, layer) => relativeChange(previous[layer]!, value)).slice(start);
      const threshold = percentileOf(changes, percentile);
      const settled = changes.findIndex((change) => change >= threshold);
      const next = { start: start + settled, previous: current };
      if (settled === 0) return { state: next, decision: null };
      const layers = settled === 1 ? `layer ${start} has` : `layers ${start} to ${next.start - 1} have`;
      const reason = `${layers} settled: gradients changed by less than ${(100 * threshold).toPrecision(3)} %`;
      return {
        state: next,
        decision: { plan: planFrom(current.length, next.start), fromBest: false, reason },
      };
    },
  };
}

export const AUTO_FREEZE: ScheduleForm = {
  form: 'auto-freeze:N/I',
  example: 'auto-freeze:50/20',
  freezes:
    'nothing at first, and after each of I parts of the run the leading layers whose gradients have settled',
  values: 'N, a percentile from 0 to 100, and I intervals, a whole number from 1',
  read(value) {
    if (value === null) return autoFreeze();
    const match = /^(\d{1,3}(?:\.\d+)?)(?:\/(\d{1,4}))?$/.exec(value);
    if (match === null) return null;
    return autoFreeze({ percentile: Number(match[1]), intervals: Number(match[2] ?? 20) });
  },
};

/** |previous - current| / previous; from nothing to something is beyond all measure, from nothing to nothing no change. */
function relativeChange(previous: number, current: number): number {
  if (previous === current) return 0;
  return Math.abs(previous - current) / previous;
}

/** A percentile by linear interpolation between the nearest ranks, with the bits of `numpy.percentile`. */
function percentileOf(values: readonly number[], percentile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (sorted.length - 1) * (percentile / 100);
  const below = sorted[Math.floor(rank)]!;
  const above = sorted[Math.ceil(rank)]!;
  const share = rank - Math.floor(rank);
  // Equal neighbours, and those without bounds, leave nothing to interpolate.
  if (below === above || !Number.isFinite(above)) return share === 0 ? below : above;
  const rise = above - below;
  return share >= 0.5 ? above - rise * (1 - share) : below + rise * share;
}
