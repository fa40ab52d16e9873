import type { EncodedDataset } from '../contract/encoded-dataset.js';
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

/**
 * The same examples with the label of a word on all of its sub-tokens: behind the first one `I-x` for `B-x`, where there
 * is such a label, as the tokens of an entity continue it (Hugging Face's `label_all_tokens`); else the word's own.
 *
 * @param labels of each id.
 */
export function labelAllSubTokens(dataset: EncodedDataset, labels: readonly string[]): EncodedDataset {
  const continuing = labels.map((label) => {
    const inside = labels.indexOf(label.replace(/^B-/, 'I-'));
    return inside < 0 ? labels.indexOf(label) : inside;
  });
  const spread = dataset.labels.slice();
  for (let token = 1; token < spread.length; token++) {
    const word = dataset.wordIds[token]!;
    if (word < 0 || word !== dataset.wordIds[token - 1]) continue;
    const before = spread[token - 1]!;
    spread[token] = before === IGNORED_LABEL ? IGNORED_LABEL : continuing[before]!;
  }
  return { ...dataset, labels: spread };
}
