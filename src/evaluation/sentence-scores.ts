import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { Turns } from '../io/turns.js';
import type { Decoder } from './decoding.js';
import { eachWord, sentenceOf } from './word-tags.js';

interface WordScores {
  word: number;
  scores: Float32Array;
}

/**
 * Puts the scores of words together to whole sentences, which are decoded once all their examples have come: a sentence
 * that was cut into windows is one chain. Words of which the model saw nothing are passed over.
 */
export class SentenceScores {
  readonly #dataset: EncodedDataset;
  readonly #labels: readonly string[];
  readonly #decoder: Decoder;
  /** Examples of each sentence that are still to come. */
  readonly #missing: Int32Array;
  readonly #open = new Map<number, WordScores[]>();
  readonly #turns = new Turns();

  constructor(dataset: EncodedDataset, labels: readonly string[], decoder: Decoder) {
    this.#dataset = dataset;
    this.#labels = labels;
    this.#decoder = decoder;
    this.#missing = new Int32Array(dataset.wordCounts.length);
    for (let example = 0; example < dataset.size; example++) this.#missing[sentenceOf(dataset, example)]!++;
  }

  /** Where the first sub-tokens of the words stand in a batch of these examples. */
  wanted(indices: ArrayLike<number>): Int32Array {
    const positions: number[] = [];
    eachWord(this.#dataset, indices, ({ position }) => positions.push(position));
    return Int32Array.from(positions);
  }

  /**
   * @param tags of all sentences; those of sentences that are whole now are changed.
   * @param scores of the tokens that were wanted, shape [tokens, labels].
   */
  async add(tags: readonly string[][], indices: ArrayLike<number>, scores: Float32Array): Promise<void> {
    const size = this.#labels.length;
    let row = 0;
    eachWord(this.#dataset, indices, ({ sentence, word }) => {
      const words = this.#open.get(sentence) ?? [];
      this.#open.set(sentence, words);
      words.push({ word, scores: scores.subarray(row, row + size) });
      row += size;
    });
    for (let i = 0; i < indices.length; i++) {
      const sentence = sentenceOf(this.#dataset, indices[i]!);
      if (--this.#missing[sentence]! > 0) continue;
      this.#decode(tags[sentence]!, this.#open.get(sentence) ?? []);
      this.#open.delete(sentence);
      if (this.#turns.areDue) await this.#turns.take();
    }
  }

  #decode(tags: string[], words: WordScores[]): void {
    words.sort((a, b) => a.word - b.word);
    const scores = new Float32Array(words.length * this.#labels.length);
    for (const [i, word] of words.entries()) scores.set(word.scores, i * this.#labels.length);
    for (const [i, label] of this.#decoder.labels(scores).entries())
      tags[words[i]!.word] = this.#labels[label]!;
  }
}
