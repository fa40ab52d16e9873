import { tokenBudgetBatches } from '../batching/batches.js';
import { lengthSortedOrder } from '../batching/order.js';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import type { LabelSet } from '../data/label-set.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import { softmaxRows } from './probabilities.js';

/** Tokens that are computed at once. */
const BATCH_TOKENS = 4096;

/** Probabilities of the labels of a sentence's tokens, in the order of its words. */
export interface TokenScores {
  /** Word of each token, ascending, shape [T]. */
  words: Int32Array;
  /** Shape [T, labels]. */
  scores: Float32Array;
}

/**
 * Probabilities of the labels of the tokens of each sentence. A long sentence's come from its windows, each word's from
 * the one that it belongs to.
 *
 * @param dataset S sentences; long ones may be several examples.
 * @returns shape [S]
 */
export async function scoreTokens(
  model: TokenClassifier,
  dataset: EncodedDataset,
  options: { signal?: AbortSignal } = {},
): Promise<TokenScores[]> {
  const columns = model.labels.length;
  const { results, firsts } = emptyScores(dataset, columns);
  for (const { batch, indices } of tokenBudgetBatches(dataset, lengthSortedOrder(dataset), BATCH_TOKENS)) {
    const { inputIds, cuSeqlens } = batch;
    const { data } = await model.logits({ inputIds, cuSeqlens }, options);
    for (const [i, example] of indices.entries()) {
      const { words, scores } = results[sentenceOf(dataset, example)]!;
      let to = firsts[example]!;
      const begin = dataset.offsets[example]!;
      for (let token = begin; token < dataset.offsets[example + 1]!; token++) {
        if (dataset.wordIds[token]! < 0) continue;
        const from = (cuSeqlens[i]! + token - begin) * columns;
        words[to] = dataset.wordIds[token]!;
        scores.set(softmaxRows(data.slice(from, from + columns), columns), to * columns);
        to++;
      }
    }
  }
  return results;
}

/** Room for the scores of each sentence, and where among them those of each example begin. */
function emptyScores(
  dataset: EncodedDataset,
  columns: number,
): { results: TokenScores[]; firsts: Int32Array } {
  const tokens = new Int32Array(dataset.wordCounts.length);
  const firsts = new Int32Array(dataset.size);
  for (let example = 0; example < dataset.size; example++) {
    const sentence = sentenceOf(dataset, example);
    firsts[example] = tokens[sentence]!;
    for (let token = dataset.offsets[example]!; token < dataset.offsets[example + 1]!; token++) {
      if (dataset.wordIds[token]! >= 0) tokens[sentence]!++;
    }
  }
  const results = Array.from(tokens, (count) => ({
    words: new Int32Array(count),
    scores: new Float32Array(count * columns),
  }));
  return { results, firsts };
}

function sentenceOf({ sentences }: EncodedDataset, example: number): number {
  return sentences?.[example] ?? example;
}

/**
 * The probability of each word's tag, at its first token.
 *
 * @param tags one a word.
 * @returns null for words without a token, and for tags that are no label.
 */
export function tagScores(
  tags: readonly string[],
  { words, scores }: TokenScores,
  labels: LabelSet,
): (number | null)[] {
  const found = new Array<number | null>(tags.length).fill(null);
  const columns = labels.labels.length;
  for (let token = words.length - 1; token >= 0; token--) {
    const word = words[token]!;
    const id = labels.id(tags[word]!);
    found[word] = id === undefined ? null : scores[token * columns + id]!;
  }
  return found;
}
