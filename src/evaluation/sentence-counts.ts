import { spanReader } from './entity-spans.js';
import { checkAligned } from './scores.js';

/**
 * What one run got right in each sentence, so that the score of any draw of sentences is one of sums.
 *
 * The words' labels stand sentence after sentence, only those that are gold or predicted in it.
 */
export interface SentenceCounts {
  sentences: number;
  /** Entities of each sentence, as seqeval's default mode counts them: correct, predicted, gold; [sentences * 3]. */
  entities: Int32Array;
  /** Number of different labels. */
  labels: number;
  /** Where the labels of each sentence begin, [sentences + 1]. */
  offsets: Int32Array;
  /** Label by number, and words of it: correct, predicted, gold. */
  label: Int32Array;
  words: Int32Array;
}

/** Scores that can be had of any draw of sentences. */
export const DRAWN_SCORES = ['macroF1', 'entityF1'] as const;
export type DrawnScore = (typeof DRAWN_SCORES)[number];

/**
 * Counts what was gold, predicted and both in each sentence.
 *
 * @param gold tags, shape [sentences][words]
 * @param predicted tags of the same words, same shape
 * @throws INVALID_OPTION where the shapes differ
 */
export function countSentences(
  gold: readonly (readonly string[])[],
  predicted: readonly (readonly string[])[],
): SentenceCounts {
  checkAligned(gold, predicted);
  const spansOf = spanReader({});
  const numbers = new Map<string, number>();
  const numberOf = (tag: string) => {
    const found = numbers.get(tag) ?? numbers.size;
    numbers.set(tag, found);
    return found;
  };
  const entities = new Int32Array(3 * gold.length);
  const offsets = new Int32Array(gold.length + 1);
  const label: number[] = [];
  const words: number[] = [];
  for (const [sentence, goldTags] of gold.entries()) {
    const predictedTags = predicted[sentence]!;
    const keys = new Set(spansOf(goldTags).map(({ type, start, end }) => `${start} ${end} ${type}`));
    const found = spansOf(predictedTags);
    const correct = found.filter(({ type, start, end }) => keys.has(`${start} ${end} ${type}`)).length;
    entities.set([correct, found.length, keys.size], 3 * sentence);
    const ofLabel = new Map<number, [correct: number, predicted: number, gold: number]>();
    const countsOf = (tag: string) => {
      const number = numberOf(tag);
      const counts = ofLabel.get(number) ?? [0, 0, 0];
      ofLabel.set(number, counts);
      return counts;
    };
    for (const [word, tag] of goldTags.entries()) {
      const other = predictedTags[word]!;
      countsOf(tag)[2]++;
      countsOf(other)[1]++;
      if (tag === other) countsOf(tag)[0]++;
    }
    for (const [number, counts] of ofLabel) {
      label.push(number);
      words.push(...counts);
    }
    offsets[sentence + 1] = label.length;
  }
  return {
    sentences: gold.length,
    entities,
    labels: numbers.size,
    offsets,
    label: Int32Array.from(label),
    words: Int32Array.from(words),
  };
}

/**
 * Scores of a draw of sentences.
 *
 * @param times how often each sentence was drawn, [sentences]
 * @returns macro F1 over the labels that are gold or predicted in the draw, O included, and entity micro F1.
 */
export function scoresOfDraw(counts: SentenceCounts, times: Int32Array): Record<DrawnScore, number> {
  const { sentences, entities, labels, offsets, label, words } = counts;
  const sums = new Float64Array(3 * labels);
  let [correct, predicted, gold] = [0, 0, 0];
  for (let sentence = 0; sentence < sentences; sentence++) {
    const weight = times[sentence]!;
    if (weight === 0) continue;
    correct += weight * entities[3 * sentence]!;
    predicted += weight * entities[3 * sentence + 1]!;
    gold += weight * entities[3 * sentence + 2]!;
    for (let i = offsets[sentence]!; i < offsets[sentence + 1]!; i++) {
      const at = 3 * label[i]!;
      sums[at]! += weight * words[3 * i]!;
      sums[at + 1]! += weight * words[3 * i + 1]!;
      sums[at + 2]! += weight * words[3 * i + 2]!;
    }
  }
  let total = 0;
  let present = 0;
  for (let at = 0; at < sums.length; at += 3) {
    const both = sums[at + 1]! + sums[at + 2]!;
    if (both === 0) continue;
    present++;
    total += (2 * sums[at]!) / both;
  }
  return {
    macroF1: present === 0 ? 0 : total / present,
    entityF1: predicted + gold === 0 ? 0 : (2 * correct) / (predicted + gold),
  };
}
