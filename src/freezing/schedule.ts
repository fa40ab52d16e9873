import type { FreezePlan } from '../contract/freeze-plan.js';
import type { Strategy } from './strategy.js';

/** What a schedule learns of a training. */
export interface Observation {
  /** From 1. */
  epoch: number;
  /** Optimizer steps done, and those of the whole run. */
  step: number;
  totalSteps: number;
  /** Whether these steps end the epoch; false at evaluations and intervals within it. @default true */
  endsEpoch?: boolean;
  /** Validation score, at each evaluation; higher is better. */
  score?: number;
  /**
   * At the end of each of the schedule's `intervals`: L1 norm of the summed signed gradients of each layer over the
   * interval, 0 for a frozen one, [numLayers].
   */
  gradientL1?: number[];
}

/** A change of the plan. */
export interface Decision {
  plan: FreezePlan;
  /** Whether training goes on from the best weights so far instead of the present ones. */
  fromBest: boolean;
  /** Why, in a few words for people. */
  reason: string;
  /**
   * Last epoch under the plan, by which its warm-up is measured.
   * @default the plan may last until the end of the run
   */
  untilEpoch?: number;
}

/**
 * A plan that may change while a model trains.
 *
 * Pure: the same state and observation give the same answer, and states are JSON, so that a training that goes on in
 * another process decides the same. It is asked at every evaluation, and at the end of every interval.
 */
export interface FreezeSchedule<State = unknown> {
  /** The schedule as text; what {@link parseFreezing} reads for those it knows. Stands for it in a run's settings. */
  readonly notation: string;
  /**
   * Number of equal parts of a run at whose ends it observes `gradientL1`; a run of fewer steps has one a step. Where it
   * is left out, gradients are not summed.
   */
  readonly intervals?: number;
  /**
   * The first plan, and where it is known the last epoch under it.
   *
   * @throws INVALID_PLAN where the schedule does not fit a model of so many layers
   */
  start(numLayers: number): { state: State; plan: FreezePlan; untilEpoch?: number };
  /**
   * Every plan that it may come to, the first one included; with a state the present one and those that may follow. The
   * frozen prefix's outputs are kept for these.
   */
  reachable(numLayers: number, state?: State): FreezePlan[];
  observe(state: State, observation: Observation): { state: State; decision: Decision | null };
  /** Whether evaluations count for early stopping in a state. @default they always do */
  countsForStopping?(state: State): boolean;
}

/** What takes a way to freeze: a strategy, a schedule, or the notation of either. */
export type Freezing = Strategy | FreezeSchedule | string;

/** The schedule that never changes. */
export function constant(strategy: Strategy): FreezeSchedule<null> {
  return {
    notation: strategy.notation,
    start: (numLayers) => ({ state: null, plan: strategy.plan(numLayers) }),
    reachable: (numLayers) => [strategy.plan(numLayers)],
    observe: () => ({ state: null, decision: null }),
  };
}

/** Whether a value has the form of a strategy or a schedule. */
export function isFreezing(value: unknown): value is Freezing {
  return typeof value === 'string' || isSchedule(value) || isStrategy(value);
}

/** Whether a value has the form of a schedule. */
export function isSchedule(value: unknown): value is FreezeSchedule {
  const { notation, start, reachable, observe } = (value ?? {}) as Partial<FreezeSchedule>;
  const isCallable = [start, reachable, observe].every((method) => typeof method === 'function');
  return typeof notation === 'string' && isCallable;
}

function isStrategy(value: unknown): value is Strategy {
  const { notation, plan } = (value ?? {}) as Partial<Strategy>;
  return typeof notation === 'string' && typeof plan === 'function';
}
