import { z } from 'zod';
import type { TokenClassifier } from '../model/token-classifier.js';
import { bestPath, type LabelChain, marginals, schemeChain, sumOfChains } from './chain.js';

/** How scores become tags. */
export const decodingShape = {
  /**
   * `argmax` gives each word the label of its highest score. `viterbi` gives the words of a sentence the labels that are
   * likeliest together among those that are well-formed, such as `I-x` only behind `B-x` or `I-x`; of a chain (`head`
   * `crf`) with what it has learnt.
   * @default as the model was measured in training; else 'viterbi' for a chain and 'argmax' for other heads
   */
  decoding: z
    .enum(['argmax', 'viterbi'])
    .optional()
    .describe('how scores become tags: argmax, each word by itself, or viterbi, well-formed sentences'),
};

/** A way in which scores become tags. */
export type Decoding = 'argmax' | 'viterbi';

/** How a model's scores become tags: as asked for, else as it was measured in training, else by its head. */
export function decodingOf(model: TokenClassifier, requested: Decoding | undefined): Decoding {
  return requested ?? model.trainedWith?.decoding ?? (model.head === 'crf' ? 'viterbi' : 'argmax');
}

/** Chooses the labels of a sentence's words together. */
export interface Decoder {
  /** @param scores of the labels of each word, as logarithms, shape [words, labels]; @returns label ids */
  labels(scores: ArrayLike<number>): Int32Array;
  /** Probabilities of the labels, shape [words, labels], where they are not those of each word by itself; else null. */
  probabilities: ((scores: ArrayLike<number>) => Float32Array) | null;
}

/** The decoder of a model's present weights; null where each word is decoded by itself. @throws DISPOSED */
export async function decoderOf(model: TokenClassifier, decoding: Decoding): Promise<Decoder | null> {
  if (decoding === 'argmax') return null;
  const rules = rulesOf(model.labels);
  const learnt = await model.chainScores();
  if (learnt === null) return { labels: (scores) => bestPath(scores, rules), probabilities: null };
  const chain = {
    start: Float64Array.from(learnt.start),
    transitions: Float64Array.from(learnt.transitions),
    end: Float64Array.from(learnt.end),
  };
  const both = sumOfChains(chain, rules);
  return { labels: (scores) => bestPath(scores, both), probabilities: (scores) => marginals(scores, chain) };
}

const known = new WeakMap<readonly string[], LabelChain>();

/** The rules of a model's labels, which are worked out once. */
function rulesOf(labels: readonly string[]): LabelChain {
  const rules = known.get(labels) ?? schemeChain(labels);
  known.set(labels, rules);
  return rules;
}
