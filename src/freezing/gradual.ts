import type { FreezeSchedule } from './schedule.js';
import { checkScheduleNumber, type ScheduleForm } from './schedule-form.js';
import { bottomUp } from './strategy.js';

/** Course of {@link gradual}. */
export interface GradualOptions {
  /** Layers that are thawed at a time. @default 1 */
  groups?: number;
  /** Epochs between two changes. @default 1 */
  epochs?: number;
}

interface GradualState {
  numLayers: number;
  /** Top layers that learn. */
  learning: number;
}

/**
 * Gradual unfreezing (Howard & Ruder 2018, section 3.3): the head and the top `groups` layers learn first, and every
 * `epochs` epochs as many more from the top. The embeddings never learn. Early stopping counts once all layers learn.
 *
 * @throws INVALID_PLAN for numbers that are not whole and at least 1
 */
export function gradual({ groups = 1, epochs = 1 }: GradualOptions = {}): FreezeSchedule<GradualState> {
  checkScheduleNumber('gradual', 'groups', groups, { from: 1 });
  checkScheduleNumber('gradual', 'epochs', epochs, { from: 1 });
  const planOf = (numLayers: number, learning: number) => bottomUp(numLayers - learning).plan(numLayers);
  // The last group has what is left.
  const learningIn = (numLayers: number, stage: number) => Math.min(numLayers, groups * (stage + 1));
  return {
    notation: `gradual:${groups}/${epochs}`,
    start(numLayers) {
      const learning = learningIn(numLayers, 0);
      const isLast = learning === numLayers;
      return {
        state: { numLayers, learning },
        plan: planOf(numLayers, learning),
        ...(!isLast && { untilEpoch: epochs }),
      };
    },
    reachable(numLayers, { learning } = { numLayers, learning: learningIn(numLayers, 0) }) {
      const plans = [planOf(numLayers, learning)];
      for (let next = learning + groups; next < numLayers + groups; next += groups) {
        plans.push(planOf(numLayers, Math.min(numLayers, next)));
      }
      return plans;
    },
    observe(state, { epoch, endsEpoch = true }) {
      const { numLayers } = state;
      const stage = Math.floor(epoch / epochs);
      const learning = learningIn(numLayers, stage);
      if (!endsEpoch || learning <= state.learning) return { state, decision: null };
      const isLast = learning === numLayers;
      const reason = `after epoch ${epoch} ${isLast ? 'all' : `the top ${learning}`} layers learn`;
      return {
        state: { numLayers, learning },
        decision: {
          plan: planOf(numLayers, learning),
          fromBest: false,
          reason,
          ...(!isLast && { untilEpoch: (stage + 1) * epochs }),
        },
      };
    },
    countsForStopping: ({ numLayers, learning }) => learning === numLayers,
  };
}

export const GRADUAL: ScheduleForm = {
  form: 'gradual:G/E',
  example: 'gradual:1/1',
  freezes: 'the embeddings and all but the top G layers, and G layers fewer every E epochs',
  values: 'G layers at a time and E epochs between, whole numbers from 1',
  read(value) {
    if (value === null) return gradual();
    const match = /^(\d{1,4})(?:\/(\d{1,4}))?$/.exec(value);
    if (match === null) return null;
    return gradual({ groups: Number(match[1]), epochs: Number(match[2] ?? 1) });
  },
};
