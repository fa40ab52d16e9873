// A schedule of one's own: the head learns first, then one more layer from the top with each evaluation.
import {
  type FinetuneOptions,
  type FinetuneRun,
  type FreezePlan,
  type FreezeSchedule,
  finetune,
} from 'permafrost';

/** Pure, with a state of JSON: the number of layers that learn. So a training that goes on decides the same. */
export function oneMoreLayer(numLayers: number): FreezeSchedule<number> {
  return {
    notation: 'one-more-layer',
    start: () => ({ state: 0, plan: topLayersLearn(numLayers, 0) }),
    // From a state on, the outputs of longer frozen prefixes need not be kept any more.
    reachable: (_, state = 0) =>
      Array.from({ length: numLayers + 1 - state }, (_, more) => topLayersLearn(numLayers, state + more)),
    observe(learning) {
      if (learning === numLayers) return { state: learning, decision: null };
      const plan = topLayersLearn(numLayers, learning + 1);
      return {
        state: learning + 1,
        decision: { plan, fromBest: false, reason: `${learning + 1} layers learn` },
      };
    },
    countsForStopping: (learning) => learning === numLayers,
  };
}

/** Fine-tunes under it, an epoch for the head and one for each layer; each change is a `freeze` event. */
export function gradualUnfreezing(options: Omit<FinetuneOptions, 'freezing' | 'epochs'>): FinetuneRun {
  const { numLayers } = options.model.config;
  return finetune({
    earlyStopping: false,
    ...options,
    freezing: oneMoreLayer(numLayers),
    epochs: numLayers + 1,
  });
}

function topLayersLearn(numLayers: number, learning: number): FreezePlan {
  return { embeddings: true, layers: Array.from({ length: numLayers }, (_, i) => i < numLayers - learning) };
}
