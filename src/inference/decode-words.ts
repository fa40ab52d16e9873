import type { Decoder } from '../evaluation/decoding.js';
import type { DecodeWords } from './aggregate.js';

/** What stands for a probability of 0, whose logarithm is no number: the least that float32 holds. */
const SMALLEST = 2 ** -149;

/** Lets a decoder choose the labels of words by their probabilities, of which it takes the logarithms. */
export function decodeWith(decoder: Decoder, numLabels: number): DecodeWords {
  return (probabilities) => {
    const scores = Float64Array.from(probabilities, (probability) =>
      Math.log(Math.max(probability, SMALLEST)),
    );
    const labels = decoder.labels(scores);
    const worth = decoder.probabilities?.(scores) ?? probabilities;
    return { labels, scores: Float32Array.from(labels, (label, word) => worth[word * numLabels + label]!) };
  };
}
