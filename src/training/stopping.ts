/** The best evaluation so far, and how many came after it. JSON. */
export interface StoppingState {
  bestScore: number | null;
  bestEpoch: number;
  bestStep: number;
  /** Evaluations since the best one, or since the plan changed. */
  waited: number;
}

export const STOPPING_START: StoppingState = { bestScore: null, bestEpoch: 0, bestStep: 0, waited: 0 };

/** The state after one more evaluation; a score counts as better only where it is higher. */
export function afterEvaluation(
  state: StoppingState,
  { score, epoch, step }: { score: number; epoch: number; step: number },
): StoppingState {
  if (state.bestScore !== null && score <= state.bestScore) return { ...state, waited: state.waited + 1 };
  return { bestScore: score, bestEpoch: epoch, bestStep: step, waited: 0 };
}

/** Whether the tolerated number of evaluations has passed without a better one; null tolerates all. */
export function shouldStop({ waited }: StoppingState, patience: number | null): boolean {
  return patience !== null && waited >= patience;
}
