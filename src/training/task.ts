import type { BatchShape, PackedBatch } from '../contract/packed-batch.js';
import type { Peers } from '../contract/peers.js';
import type { Prediction } from '../evaluation/predictions.js';
import type { LossOptions } from '../model/loss-options.js';
import type { PrefixStore } from '../model/prefix-store.js';
import type { EvaluatedSplit } from './events.js';
import type { FrozenPrefix } from './prefix.js';
import type { PrefixCache } from './prefix-cache.js';

/** What the present weights are worth on a split. */
export interface Measured<Scores> {
  metrics: Scores;
  /** Mean cross-entropy over the labelled tokens, dropout off; finite, or null where there are none. */
  loss: number | null;
  /** What they answer, where a task has answers; read no later than the next measurement. */
  predictions?: Iterable<Prediction>;
}

/** What a training trains and measures; all that the loop does not know. Epochs count from 1. */
export interface Task<Scores> {
  /** What decides the bits beside the settings that all trainings share, as JSON: data, sizes, digests. */
  readonly identity: object;
  /** How labelled tokens count in the loss, where not all alike. */
  readonly loss?: LossOptions | undefined;
  readonly hasTest: boolean;
  /** Where outputs of the frozen prefix may be kept; false where they are not, undefined for a cache of the run's own. */
  readonly prefixCache: PrefixCache | false | undefined;
  /** Number of batches of an epoch. */
  countBatches(epoch: number): number;
  /** The batches of an epoch from the given one on, each packed when it is asked for. */
  batches(epoch: number, from: number): Iterable<PackedBatch>;
  /** The shapes of an epoch's batches, where they are known without packing them: what a card may prepare for. */
  shapes?(epoch: number): BatchShape[];
  /** To be called whenever the plan has changed: where the frozen prefix's outputs of training batches are kept. */
  keepPrefix(prefix: FrozenPrefix): PrefixStore | undefined;
  /** All training examples, in whatever batches are quickly computed; for what is kept of them. */
  prefixBatches(): Iterable<PackedBatch>;
  /**
   * Measures the model's present weights.
   *
   * @param peers ranks that each measure a part of the split; all come to the same.
   * @throws NON_FINITE; `signal.reason` on abort
   */
  measure(split: EvaluatedSplit, peers?: Peers): Promise<Measured<Scores>>;
  /** What a person should know of the data, and of the best weights by their scores: sentences. */
  warnings(best: Scores): string[];
  /** What the best weights have most of; finite. */
  score(scores: Scores): number;
}
