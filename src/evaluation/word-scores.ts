import { tokenBudgetBatches } from '../batching/batches.js';
import { lengthSortedOrder } from '../batching/order.js';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import type { LabelSet } from '../data/label-set.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import type { Decoder } from './decoding.js';
import { best, softmaxRows } from './probabilities.js';
import { sentenceOf } from './word-tags.js';

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

/** What stands for a probability of 0, whose logarithm is no number: the least that float32 holds. */
const SMALLEST = 2 ** -149;

/** Labels of words, and the probabilities of all labels, shape [words, labels]. */
export interface DecodedWords {
  labels: Int32Array;
  probabilities: Float32Array;
}

/** Chooses the labels of words by their probabilities, of which a decoder takes the logarithms; null: each by itself. */
export function decodeWords(
  probabilities: Float32Array,
  columns: number,
  decoder: Decoder | null,
): DecodedWords {
  if (decoder === null) {
    const row = (word: number) => probabilities.subarray(word * columns, (word + 1) * columns);
    const labels = Int32Array.from(
      { length: probabilities.length / columns },
      (_, word) => best(row(word)).label,
    );
    return { labels, probabilities };
  }
  const scores = Float64Array.from(probabilities, (probability) => Math.log(Math.max(probability, SMALLEST)));
  return {
    labels: decoder.labels(scores),
    probabilities: decoder.probabilities?.(scores) ?? probabilities,
  };
}

/** Words by their first tokens. */
export interface WordScores extends DecodedWords {
  /** Row of each word in the others, -1 where it has no token, shape [words]. */
  rows: Int32Array;
}

/** What the model has of the words of a sentence. @param words number of them */
export function wordScores(
  words: number,
  { words: of, scores }: TokenScores,
  columns: number,
  decoder: Decoder | null,
): WordScores {
  const rows = new Int32Array(words).fill(-1);
  const firsts: number[] = [];
  for (let token = 0; token < of.length; token++) {
    if (rows[of[token]!]! >= 0) continue;
    rows[of[token]!] = firsts.length;
    firsts.push(token);
  }
  const probabilities = new Float32Array(firsts.length * columns);
  for (const [row, token] of firsts.entries()) {
    probabilities.set(scores.subarray(token * columns, (token + 1) * columns), row * columns);
  }
  return { rows, ...decodeWords(probabilities, columns, decoder) };
}

/**
 * The probability of each word's tag.
 *
 * @param tags one a word.
 * @returns null for words without a token, and for tags that are no label.
 */
export function tagScores(
  tags: readonly string[],
  { rows, probabilities }: WordScores,
  labels: LabelSet,
): (number | null)[] {
  return tags.map((tag, word) => {
    const [row, id] = [rows[word]!, labels.id(tag)];
    return row < 0 || id === undefined ? null : probabilities[row * labels.labels.length + id]!;
  });
}
