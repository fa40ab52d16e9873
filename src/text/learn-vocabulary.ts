import { PermafrostError } from '../errors/error.js';
import { BERT_SPECIAL_TOKENS } from './tokenizer-document.js';

export interface LearnVocabularyOptions {
  /** Most tokens, the five special ones included. A small corpus gives fewer. */
  vocabSize: number;
  /** How often two neighbours must come up to be joined. @default 2 */
  minFrequency?: number;
}

const SPECIALS = ['pad', 'unk', 'cls', 'sep', 'mask'] as const;
const PREFIX = '##';
/** Above every vocabulary, so that two ids make one number that is exact in a double. */
const MAX_VOCAB_SIZE = 2 ** 21;

/**
 * Learns WordPiece tokens from pieces and their counts, as Hugging Face's trainer does: every character, then the most
 * frequent pair of neighbours, joined again and again. Ties go to the older tokens, so that the same counts in any
 * order give the same vocabulary.
 *
 * @returns tokens by id: the special ones, the characters by code point, the joined ones by falling frequency.
 * @throws INVALID_OPTION for sizes that leave no room for a character.
 */
export function learnVocabulary(
  pieceCounts: ReadonlyMap<string, number>,
  options: LearnVocabularyOptions,
): string[] {
  const { vocabSize, minFrequency = 2 } = options;
  requireWhole('vocabSize', vocabSize, SPECIALS.length + 1, MAX_VOCAB_SIZE);
  requireWhole('minFrequency', minFrequency, 1, Number.MAX_SAFE_INTEGER);
  const pieces = [...pieceCounts].sort(([a], [b]) => (a < b ? -1 : 1));
  const tokens: string[] = SPECIALS.map((role) => BERT_SPECIAL_TOKENS[role]);
  tokens.push(...alphabet(pieces, vocabSize - tokens.length));
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const corpus = new PairCorpus(ids, pieces);
  while (tokens.length < vocabSize) {
    const pair = corpus.mostFrequent(minFrequency);
    if (pair === null) break;
    const joined = tokens[pair[0]]! + tokens[pair[1]]!.slice(PREFIX.length);
    let id = ids.get(joined);
    if (id === undefined) {
      id = tokens.push(joined) - 1;
      ids.set(joined, id);
    }
    corpus.join(pair, id);
  }
  return tokens;
}

/** First and continuing characters, the rarest left out where there are more than `limit`. */
function alphabet(pieces: readonly [string, number][], limit: number): string[] {
  const counts = new Map<string, number>();
  for (const [piece, count] of pieces) {
    for (const symbol of symbolsOf(piece)) counts.set(symbol, (counts.get(symbol) ?? 0) + count);
  }
  const byFrequency = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return byFrequency
    .slice(0, limit)
    .map(([symbol]) => symbol)
    .sort();
}

function symbolsOf(piece: string): string[] {
  return [...piece].map((character, index) => (index === 0 ? character : PREFIX + character));
}

/** Left and right token of neighbours. */
type Pair = [left: number, right: number];

/** All pieces as token ids, with the count of every pair of neighbours kept up to date. */
class PairCorpus {
  readonly #words: number[][] = [];
  readonly #wordCounts: number[] = [];
  readonly #pairCounts = new Map<number, number>();
  /** Words in which a pair comes up, or once did. */
  readonly #whereabouts = new Map<number, Set<number>>();
  readonly #heap = new PairHeap();

  constructor(ids: ReadonlyMap<string, number>, pieces: readonly [string, number][]) {
    for (const [piece, count] of pieces) {
      const word = symbolsOf(piece).map((symbol) => ids.get(symbol));
      // A piece with a character that found no room becomes the unknown token as a whole.
      if (word.length < 2 || word.includes(undefined)) continue;
      const index = this.#words.push(word as number[]) - 1;
      this.#wordCounts.push(count);
      this.#countPairs(index, count);
    }
    for (const [pair, count] of this.#pairCounts) this.#heap.push(count, pair);
  }

  /** The pair that comes up most, or null where none comes up often enough. */
  mostFrequent(minFrequency: number): Pair | null {
    for (let top = this.#heap.pop(); top !== null; top = this.#heap.pop()) {
      const [count, pair] = top;
      const now = this.#pairCounts.get(pair) ?? 0;
      if (now !== count) {
        // Counts that rose were pushed when they rose; those that fell are put back at their place here.
        if (now > 0 && now < count) this.#heap.push(now, pair);
        continue;
      }
      return count < minFrequency ? null : [Math.floor(pair / MAX_VOCAB_SIZE), pair % MAX_VOCAB_SIZE];
    }
    return null;
  }

  join([left, right]: Pair, joined: number): void {
    const pair = left * MAX_VOCAB_SIZE + right;
    const risen = new Set<number>();
    for (const index of this.#whereabouts.get(pair) ?? []) {
      this.#countPairs(index, -this.#wordCounts[index]!);
      this.#words[index] = joinIn(this.#words[index]!, left, right, joined);
      this.#countPairs(index, this.#wordCounts[index]!, risen);
    }
    this.#pairCounts.delete(pair);
    this.#whereabouts.delete(pair);
    for (const other of risen) {
      const count = this.#pairCounts.get(other);
      if (count !== undefined) this.#heap.push(count, other);
    }
  }

  #countPairs(index: number, count: number, seen?: Set<number>): void {
    const word = this.#words[index]!;
    for (let i = 0; i + 1 < word.length; i++) {
      const pair = word[i]! * MAX_VOCAB_SIZE + word[i + 1]!;
      this.#pairCounts.set(pair, (this.#pairCounts.get(pair) ?? 0) + count);
      seen?.add(pair);
      const words = this.#whereabouts.get(pair);
      if (words === undefined) this.#whereabouts.set(pair, new Set([index]));
      else words.add(index);
    }
  }
}

function joinIn(word: readonly number[], left: number, right: number, joined: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < word.length; i++) {
    const isPair = word[i] === left && word[i + 1] === right;
    result.push(isPair ? joined : word[i]!);
    if (isPair) i++;
  }
  return result;
}

/** Binary heap: the highest count first, among equal ones the lowest pair. */
class PairHeap {
  readonly #counts: number[] = [];
  readonly #pairs: number[] = [];

  push(count: number, pair: number): void {
    this.#counts.push(count);
    this.#pairs.push(pair);
    let at = this.#counts.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  pop(): [count: number, pair: number] | null {
    if (this.#counts.length === 0) return null;
    this.#swap(0, this.#counts.length - 1);
    const top: [number, number] = [this.#counts.pop()!, this.#pairs.pop()!];
    for (let at = 0; ; ) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.#counts.length && this.#isBefore(child, first)) first = child;
      }
      if (first === at) return top;
      this.#swap(at, first);
      at = first;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#counts[a]! - this.#counts[b]!;
    return difference > 0 || (difference === 0 && this.#pairs[a]! < this.#pairs[b]!);
  }

  #swap(a: number, b: number): void {
    [this.#counts[a], this.#counts[b]] = [this.#counts[b]!, this.#counts[a]!];
    [this.#pairs[a], this.#pairs[b]] = [this.#pairs[b]!, this.#pairs[a]!];
  }
}

function requireWhole(option: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `${option}: expected a whole number from ${least} to ${most}, got ${value}.`,
    { option, got: value },
  );
}
