import type { FreezePlan } from '../contract/freeze-plan.js';
import { parseStrategy } from './notation.js';
import type { Strategy } from './strategy.js';

/** What a schedule learns of a training. */
export interface Observation {
  /** From 1. */
  epoch: number;
  /** Optimizer steps done, and those of the whole run. */
  step: number;
  totalSteps: number;
  /** Validation score, at each evaluation; higher is better. */
  score?: number;
  /** L1 norm of the summed signed gradients of each layer over an interval, 0 for a frozen one, [numLayers]. */
  gradientL1?: number[];
}

/** A change of the plan. */
export interface Decision {
  plan: FreezePlan;
  /** Whether training goes on from the best weights so far instead of the present ones. */
  fromBest: boolean;
  /** Why, in a few words for people. */
  reason: string;
}

/**
 * A plan that may change while a model trains.
 *
 * Pure: the same state and observation give the same answer, and states are JSON, so that a training that goes on in
 * another process decides the same. It is asked at every evaluation.
 */
export interface FreezeSchedule<State = unknown> {
  /** The schedule as text; what {@link parseFreezing} reads for those it knows. Stands for it in a run's settings. */
  readonly notation: string;
  /** @throws INVALID_PLAN where the schedule does not fit a model of so many layers */
  start(numLayers: number): { state: State; plan: FreezePlan };
  /** Every plan that it may come to, the first one included. */
  reachable(numLayers: number): FreezePlan[];
  observe(state: State, observation: Observation): { state: State; decision: Decision | null };
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

/**
 * Reads a schedule from text: so far every notation is that of a strategy.
 *
 * @throws INVALID_PLAN naming the input and the valid notations
 */
export function parseFreezing(text: string): FreezeSchedule {
  return constant(parseStrategy(text));
}

/** The schedule that a caller means. */
export function scheduleOf(freezing: Freezing): FreezeSchedule {
  if (typeof freezing === 'string') return parseFreezing(freezing);
  return isSchedule(freezing) ? freezing : constant(freezing);
}

/** Whether a value has the form of a strategy or a schedule. */
export function isFreezing(value: unknown): value is Freezing {
  return typeof value === 'string' || isSchedule(value) || isStrategy(value);
}

function isSchedule(value: unknown): value is FreezeSchedule {
  const { notation, start, reachable, observe } = (value ?? {}) as Partial<FreezeSchedule>;
  const isCallable = [start, reachable, observe].every((method) => typeof method === 'function');
  return typeof notation === 'string' && isCallable;
}

function isStrategy(value: unknown): value is Strategy {
  const { notation, plan } = (value ?? {}) as Partial<Strategy>;
  return typeof notation === 'string' && typeof plan === 'function';
}
