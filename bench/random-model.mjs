import { encoderConfigOf } from '../dist/experiment/shape.js';
import { TokenClassifier } from '../dist/model/token-classifier.js';

/** A model of random weights with two labels. The caller disposes of it. */
export function randomModel(shape, vocabSize, threads) {
  return TokenClassifier.create(encoderConfigOf(shape, vocabSize, 0, ['A', 'B']), { threads });
}
