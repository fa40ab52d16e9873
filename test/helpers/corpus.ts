import { generateCorpus, trainWordPiece } from '../../src/entries/data.js';
import type { EncoderConfigInput } from '../../src/entries/training.js';
import {
  type CreateOptions,
  labelSet,
  type Sentence,
  TokenClassifier,
  type Tokenizer,
} from '../../src/index.js';

export interface SmallTask {
  train: Sentence[];
  validation: Sentence[];
  test: Sentence[];
  labels: string[];
  tokenizer: Tokenizer;
  /** A fresh model of two layers for the task; the caller disposes it. */
  createModel(
    seed?: number,
    config?: Partial<EncoderConfigInput>,
    options?: CreateOptions,
  ): Promise<TokenClassifier>;
}

/** A generated corpus that a model of two layers learns in seconds. */
export function smallTask(): SmallTask {
  const corpus = generateCorpus('demo', { seed: 5, sizes: { train: 120, validation: 40, test: 40 } });
  const words = corpus.train.flatMap((sentence) => sentence.words);
  const tokenizer = trainWordPiece(words, { vocabSize: 600, lowercase: true });
  const labels = labelSet([...corpus.train, ...corpus.validation, ...corpus.test]);
  return {
    ...corpus,
    labels,
    tokenizer,
    createModel: (seed = 1, config = {}, options = {}) =>
      TokenClassifier.create(
        {
          vocabSize: tokenizer.vocabSize,
          hiddenSize: 32,
          numLayers: 2,
          numHeads: 2,
          intermediateSize: 64,
          maxPositions: 128,
          // Hidden states this narrow need larger weights to tell words apart soon.
          initializerRange: 0.2,
          labels,
          ...config,
        },
        { seed, threads: 1, tokenizer, ...options },
      ),
  };
}
