/** An entity in a text. */
export interface Entity {
  /** Its type (`PER`); with aggregation `none` the token's whole label (`B-PER`). */
  type: string;
  /** Probability from 0 to 1. */
  score: number;
  /** UTF-16 offset of its first unit. */
  start: number;
  /** UTF-16 offset behind its last unit. */
  end: number;
  /** `text.slice(start, end)` of the text that was tagged. */
  text: string;
}

/**
 * How tokens become entities, as in Hugging Face's token classification pipeline.
 *
 * - `none`: each token by itself, with its label
 * - `simple`: neighbouring tokens of one type together
 * - `first`: a word takes the label of its first token; neighbouring words of one type together
 * - `average`: a word takes the label whose mean score over its tokens is highest
 * - `max`: a word takes the label of the token that is surest
 */
export type AggregationStrategy = 'none' | 'simple' | 'first' | 'average' | 'max';

/** Hugging Face's names of the ways in which a word takes its label. */
export const AGGREGATION_STRATEGIES: readonly AggregationStrategy[] = [
  'none',
  'simple',
  'first',
  'average',
  'max',
];

/** The tokens of a text with the probabilities of their labels. */
export interface ScoredTokens {
  text: string;
  /** UTF-16 offsets in `text`, shape [T]. */
  starts: ArrayLike<number>;
  ends: ArrayLike<number>;
  /** Number of each token's word; a token with the number of the one before it goes on with that word. Shape [T]. */
  words: ArrayLike<number>;
  /** Probability of each label, row by row, shape [T, labels]. */
  scores: Float32Array;
}
