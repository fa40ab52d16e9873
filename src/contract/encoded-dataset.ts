/**
 * Encoded sentences as flat typed arrays, so that millions of them fit in memory.
 *
 * Example `i` holds the tokens `offsets[i]` up to (not including) `offsets[i + 1]`.
 */
export interface EncodedDataset {
  /** Number of examples, N. */
  size: number;
  /** Token ids with `[CLS]` and `[SEP]`, shape [tokens]. */
  inputIds: Int32Array;
  /** Label id on the first sub-token of each word, -100 elsewhere, shape [tokens]. */
  labels: Int32Array;
  /** Index of each token's word in its sentence, -1 on special tokens and mere context, shape [tokens]. */
  wordIds: Int32Array;
  /** Borders of the examples, shape [N + 1]. */
  offsets: Int32Array;
  /**
   * Sentence of each example, shape [N]: a long one may be several. Absent where each sentence is one example.
   */
  sentences?: Int32Array;
  /** Number of words of each of the S sentences, truncated ones included, shape [S]. */
  wordCounts: Int32Array;
  /** Number of words of each sentence that lost at least their first sub-token to truncation, shape [S]. */
  truncatedWords: Int32Array;
}

/** The splits of one dataset, encoded with one tokenizer, label set and maximum length. */
export interface EncodedSplits {
  train: EncodedDataset;
  validation: EncodedDataset;
  /** `null` where there is none. */
  test: EncodedDataset | null;
}
