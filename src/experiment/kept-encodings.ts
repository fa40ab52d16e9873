import type { EncodedSplits } from '../contract/encoded-dataset.js';
import { LabelSet } from '../data/label-set.js';
import type { Sentence } from '../data/sentence.js';
import { inTurns } from '../io/turns.js';
import { encodeSteps } from '../text/encode.js';
import { encodingDirectory, keptEncoding } from '../text/kept-encoding.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { Splits } from './dataset-source.js';
import type { RunRecord } from './run-record.js';

export interface KeptEncodingsOptions {
  splits: Splits;
  /** Digests of the splits. */
  data: RunRecord['data'];
  labels: readonly string[];
  tokenizer: Tokenizer;
  maxLength: number;
  /** Whether the encodings are kept on disk for later commands on the same data. */
  keep: boolean;
}

/**
 * Encodes the splits that all runs of a grid share.
 *
 * @throws what `encodeDataset` throws.
 */
export async function keptEncodings(options: KeptEncodingsOptions): Promise<EncodedSplits> {
  const { splits, data, labels, tokenizer, maxLength, keep } = options;
  const labelIds = new LabelSet(labels);
  const encode = (sentences: readonly Sentence[], digest: string) => {
    const run = () => inTurns(encodeSteps(sentences, tokenizer, labelIds, { maxLength }));
    const key = { data: digest, tokenizer: tokenizer.digest, labels, maxLength };
    return keep ? keptEncoding(encodingDirectory(), key, run) : run();
  };
  return {
    train: await encode(splits.train, data.train.digest),
    validation: await encode(splits.validation, data.validation.digest),
    test: splits.test === null ? null : await encode(splits.test, data.test!.digest),
  };
}
