import type { FreezePlan } from '../contract/freeze-plan.js';
import type { EnergyUse } from '../energy/energy-use.js';
import type { Metrics } from '../evaluation/metrics.js';

/** Names of the data splits that are evaluated. */
export type EvaluatedSplit = 'validation' | 'test';

/** The part of a run between two changes of the plan. */
export interface Stage {
  /** From 1. */
  stage: number;
  /** Epoch of its first step, and optimizer steps done before. */
  epoch: number;
  step: number;
  /** Optimizer steps of the run by which it is over, as known when it began. */
  untilStep: number;
  plan: FreezePlan;
  reason: string;
}

/** A freezing plan took effect: the first one, or one that the schedule came to. */
export interface FreezeEvent extends Stage {
  type: 'freeze';
  trainableParameters: number;
  totalParameters: number;
  /** Parameters that the checkpoint lacked, such as a head for other labels, and that were drawn from the seed. */
  freshParameters: number;
  /** Labels whose rows of the head were drawn, where those of the others are the checkpoint's; else empty. */
  freshLabels: string[];
  /** Number of leading layers that are computed without gradients; -1 where the embeddings learn. */
  frozenPrefix: number;
  /** Tensors of the checkpoint that the model does not use; of the first stage. */
  unused?: readonly string[];
  /** Tokens that the checkpoint has no row for, whose rows were drawn; of the first stage. */
  freshTokens?: readonly string[];
  /** Where the model computes: `cpu`, `cuda:0`. */
  device: string;
}

/** The training goes on from a state that an earlier process left, or has nothing left to do. */
export interface ResumeEvent {
  type: 'resume';
  /** The directory. */
  path: string;
  /** Epoch that goes on, and the optimizer steps done before. */
  epoch: number;
  step: number;
  /** Whether the training was finished before; its result then follows. */
  finished: boolean;
}

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
  /** Tokens a second of training, over about the last second. */
  tokensPerSecond: number;
}

/** One epoch of steps. */
export interface EpochTraining {
  epoch: number;
  /** Mean of the step losses. */
  trainLoss: number;
  /** Seconds of training steps in this epoch, evaluation excluded. */
  trainSeconds: number;
  tokens: number;
}

/** All of the training data was seen once more. */
export interface EpochEvent extends EpochTraining {
  type: 'epoch';
}

/** A split was evaluated. */
export interface EvaluationEvent<Scores = Metrics> {
  type: 'evaluation';
  split: EvaluatedSplit;
  /** Epoch under way, and optimizer steps done; for the test split those of the best weights. */
  epoch: number;
  step: number;
  metrics: Scores;
  /** Mean cross-entropy over the labelled tokens of the split, dropout off; null where it has none. */
  loss: number | null;
  /** What the best weights have most of. */
  score: number;
  /** Whether no earlier weights of the run had so much of it. */
  best: boolean;
  seconds: number;
}

/** The best weights so far were kept, or the state to go on from was written. */
export interface CheckpointEvent {
  type: 'checkpoint';
  kind: 'best' | 'last';
  /** What was written; null where the weights are kept without a directory. */
  path: string | null;
  epoch: number;
  step: number;
  /** Best value so far of what early stopping watches; null before the first evaluation. */
  score: number | null;
}

/** What a training tells while it is under way. */
export type ProgressEvent<Scores = Metrics> =
  | FreezeEvent
  | ResumeEvent
  | StepEvent
  | EpochEvent
  | EvaluationEvent<Scores>
  | CheckpointEvent;

/** One epoch as a record keeps it. */
export interface EpochSummary<Scores = Metrics> extends EpochTraining {
  /** Of all evaluations within the epoch. */
  validationSeconds: number;
  /** Of the last one. */
  validation: Scores;
  /** Of the last one, beside `trainLoss`: the mean cross-entropy over the labelled tokens, dropout off. */
  validationLoss: number | null;
}

/** One evaluation of the validation data. */
export interface EvaluationSummary<Scores = Metrics> {
  epoch: number;
  /** Optimizer steps done. */
  step: number;
  /** What the best weights have most of. */
  score: number;
  metrics: Scores;
  /** Mean cross-entropy over the labelled tokens, dropout off; null where it has none. */
  loss: number | null;
  seconds: number;
}

/** A stage that is over, as a record keeps it. */
export interface StageSummary extends Stage {
  /** Validation scores under its plan, one an evaluation. */
  scores: number[];
}

/** Seconds of each phase of a run, over all processes that worked at it. */
export interface PhaseSeconds {
  encode: number;
  train: number;
  validation: number;
  test: number;
  /** Writing weights and states. */
  save: number;
  total: number;
}

/** What the store of the frozen prefix did. */
export interface PrefixStoreSummary {
  /** Number of layers whose output was kept, of the longest prefix that there was. */
  depth: number;
  precision: 'fp32' | 'bf16' | 'fp16';
  examples: number;
  memoryBytes: number;
  fileBytes: number;
  /** Sequences whose output was read, and those for which it was computed. */
  hits: number;
  misses: number;
  /** Sequences whose output another run had computed: this one's seconds lack what that took. */
  borrowed: number;
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

/** The processes that trained together: of the last part of a run that was resumed. */
export interface RanksSummary {
  number: number;
  /** Host and device of each, by rank. */
  hosts: string[];
  devices: string[];
}

/** What only the process that ends a training knows of it. */
export interface TrainingEnd<Scores> {
  test: Scores | null;
  /** What a person should know of the data and of the best weights: sentences. */
  warnings: string[];
  /** Of the last stage. */
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
  /**
   * The ranks that trained together, null where there was one process. Tokens and losses are those of all together;
   * energy is the sum over their machines and cards; seconds, memory and prefix store are those of the first.
   */
  ranks: RanksSummary | null;
}

/** What a finished run is worth. */
export interface TrainingResult<Scores = Metrics> extends TrainingEnd<Scores> {
  epochs: EpochSummary<Scores>[];
  evaluations: EvaluationSummary<Scores>[];
  stages: StageSummary[];
  /** 1-based epoch, and step, of the weights that the model holds. */
  bestEpoch: number;
  bestStep: number;
  bestScore: number;
  stoppedEarly: boolean;
  steps: number;
  /** Tokens trained on, special tokens included. */
  tokens: number;
  /** Loss of each step, in order. */
  losses: number[];
  seconds: PhaseSeconds;
  /** Whether it went on from a state that an earlier process left. */
  resumed: boolean;
}

/** The run is over; the model holds the best weights. */
export interface DoneEvent<Result = TrainingResult> {
  type: 'done';
  result: Result;
}
