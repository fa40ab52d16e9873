import { IGNORED_LABEL } from '../contract/packed-batch.js';

/**
 * Gives each word's label to its first sub-token and -100 to every other token, as the paper's protocol has it.
 *
 * @param wordIds index of each token's word, -1 or null on special tokens, shape [tokens].
 * @param wordLabels label id of each word, shape [words].
 * @param labels where the label ids of the tokens are written, from `start` on.
 */
export function alignLabels(
  wordIds: ArrayLike<number | null>,
  wordLabels: ArrayLike<number>,
  labels: Int32Array | number[],
  start = 0,
): void {
  let previous: number | null = null;
  for (let token = 0; token < wordIds.length; token++) {
    const word = wordIds[token]!;
    const isFirst = word !== null && word >= 0 && word !== previous;
    labels[start + token] = isFirst ? wordLabels[word]! : IGNORED_LABEL;
    previous = word;
  }
}
