import type { FreezePlan } from '../contract/freeze-plan.js';
import type { EnergyUse } from '../energy/energy-use.js';
import type { Metrics } from '../evaluation/metrics.js';

/** Names of the data splits that are evaluated. */
export type EvaluatedSplit = 'validation' | 'test';

/** One optimizer step. */
export interface StepEvent {
  type: 'step';
  /** 1-based over the whole run. */
  step: number;
  /** Number of steps the run takes if it is not stopped early. */
  totalSteps: number;
  /** 1-based. */
  epoch: number;
  /** Mean cross-entropy over the labelled tokens of the step. */
  loss: number;
  /** Global L2 norm of the gradients before clipping. */
  gradNorm: number;
  learningRate: number;
  /** Tokens of the step, special tokens included. */
  tokens: number;
}

/** All sentences of the training data were seen once more. */
export interface EpochEvent {
  type: 'epoch';
  epoch: number;
  /** Mean of the step losses. */
  trainLoss: number;
  /** Seconds of training steps in this epoch, evaluation excluded. */
  trainSeconds: number;
  tokens: number;
}

/** A split was evaluated. */
export interface EvaluationEvent {
  type: 'evaluation';
  split: EvaluatedSplit;
  epoch: number;
  metrics: Metrics;
  seconds: number;
}

/** A freezing plan took effect. */
export interface FreezeEvent {
  type: 'freeze';
  epoch: number;
  plan: FreezePlan;
  trainableParameters: number;
  totalParameters: number;
  /** Parameters that the checkpoint lacked, such as a head for other labels, and that were drawn from the seed. */
  freshParameters: number;
  /** Number of leading layers that are computed without gradients; -1 where the embeddings learn. */
  frozenPrefix: number;
}

/** The weights of the best epoch so far were kept. */
export interface CheckpointEvent {
  type: 'checkpoint';
  epoch: number;
  /** Value of the metric that early stopping watches. */
  score: number;
}

/** The run is over; the model holds the weights of the best epoch. */
export interface DoneEvent {
  type: 'done';
  result: FinetuneResult;
}

export type TrainingEvent =
  | StepEvent
  | EpochEvent
  | EvaluationEvent
  | FreezeEvent
  | CheckpointEvent
  | DoneEvent;

/** One epoch as a record keeps it. */
export interface EpochSummary {
  epoch: number;
  trainLoss: number;
  trainSeconds: number;
  validationSeconds: number;
  validation: Metrics;
}

/** Seconds of each phase of a run. */
export interface PhaseSeconds {
  encode: number;
  train: number;
  validation: number;
  test: number;
  total: number;
}

/** What the store of the frozen prefix did. */
export interface PrefixStoreSummary {
  /** Number of layers whose output was kept. */
  depth: number;
  precision: 'fp32' | 'bf16' | 'fp16';
  examples: number;
  memoryBytes: number;
  fileBytes: number;
  /** Sequences whose output was read, and those for which it was computed. */
  hits: number;
  misses: number;
}

/** Bytes that a model holds while it trains. */
export interface TrainingMemory {
  parameters: number;
  /** Of what learns only. */
  gradients: number;
  /** Of what learns only. */
  optimizer: number;
  /** Activations and buffers, at their most so far. */
  workspace: number;
}

/** What a finished run is worth. */
export interface FinetuneResult {
  epochs: EpochSummary[];
  /** 1-based epoch whose weights the model holds. */
  bestEpoch: number;
  bestScore: number;
  stoppedEarly: boolean;
  steps: number;
  /** Tokens trained on, special tokens included. */
  tokens: number;
  /** Loss of each step, in order. */
  losses: number[];
  test: Metrics | null;
  seconds: PhaseSeconds;
  trainableParameters: number;
  totalParameters: number;
  /** What `frozenDropout` came to: `auto` has been decided. */
  frozenDropout: 'on' | 'off';
  /** Use of the frozen prefix's store, null where the prefix was computed in every step. */
  prefixStore: PrefixStoreSummary | null;
  /** At the end of the last step. */
  memoryBytes: TrainingMemory;
  /** Of training and validation; null where the machine has no counters. */
  energy: EnergyUse | null;
  /** Highest resident set size of the process so far, in bytes. */
  peakRssBytes: number;
}
