import type { EpochEvent, FreezeEvent, StepEvent } from './events.js';

/** The hidden tokens of the validation text were predicted; they are the same ones after every epoch. */
export interface ValidationEvent {
  type: 'validation';
  epoch: number;
  /** Mean cross-entropy over the hidden tokens. */
  loss: number;
  /** e^loss. */
  perplexity: number;
  seconds: number;
}

/** The state of the training was written, or the best weights so far were. */
export interface StateEvent {
  type: 'state';
  /** Directory or file that was written. */
  path: string;
  kind: 'best' | 'last';
  step: number;
}

/** The training goes on from a state that an earlier process left. */
export interface ResumeEvent {
  type: 'resume';
  path: string;
  /** Epoch that goes on, and the optimizer steps done before. */
  epoch: number;
  step: number;
}

export interface PretrainDoneEvent {
  type: 'done';
  result: PretrainResult;
}

export type PretrainEvent =
  | FreezeEvent
  | ResumeEvent
  | StepEvent
  | EpochEvent
  | ValidationEvent
  | StateEvent
  | PretrainDoneEvent;

/** One epoch as a record keeps it. */
export interface PretrainEpoch {
  epoch: number;
  /** Mean of the step losses. */
  trainLoss: number;
  trainSeconds: number;
  tokens: number;
  validationLoss: number;
  perplexity: number;
  validationSeconds: number;
}

export interface PretrainResult {
  epochs: PretrainEpoch[];
  /** 1-based epoch whose weights the model holds. */
  bestEpoch: number;
  /** Its validation loss. */
  bestLoss: number;
  steps: number;
  /** Tokens trained on, special tokens included. */
  tokens: number;
  /** Loss of each step, in order. */
  losses: number[];
  /** Examples that the text was cut into. */
  examples: { train: number; validation: number };
  /** Number of hidden tokens of the validation text. */
  validationTokens: number;
  /** Seconds of steps and of validation, those of earlier processes included. */
  seconds: { train: number; validation: number };
  trainableParameters: number;
  totalParameters: number;
  /** Whether the training went on from an earlier process's state. */
  resumed: boolean;
  /** Highest resident set size of the process so far, in bytes. */
  peakRssBytes: number;
}
