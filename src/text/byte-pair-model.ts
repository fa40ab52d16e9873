import type { PieceModel } from './word-pieces.js';

export interface BytePairSettings {
  /** Id of each token, added tokens excluded. */
  vocab: ReadonlyMap<string, number>;
  /** Pairs of tokens, the ones to be merged first in front. */
  merges: readonly (readonly [string, string])[];
  /** Id of characters that the vocabulary lacks; undefined where these vanish. */
  unkId: number | undefined;
  /** Whether a run of unknown characters is one token. */
  fusesUnknown: boolean;
  /** Whether a piece that is a token needs no merges. */
  ignoresMerges: boolean;
}

/** Two ids as one key; vocabularies are far smaller. */
const keyOf = (left: number, right: number) => left * 2 ** 24 + right;

/** Symbols up to which looking through all of them for each merge is the fastest way. */
const FEW_SYMBOLS = 64;

/** What two neighbours become, and how early that was learnt, by their key. */
type Merges = ReadonlyMap<number, { rank: number; id: number }>;

/** Byte-pair encoding (Sennrich et al. 2016): merges neighbours, the earliest learnt pair first, from the left. */
export function bytePairModel(settings: BytePairSettings): PieceModel {
  const { vocab, unkId, fusesUnknown, ignoresMerges } = settings;
  const ranks = new Map<number, { rank: number; id: number }>();
  for (const [rank, [left, right]] of settings.merges.entries()) {
    const [a, b, id] = [vocab.get(left), vocab.get(right), vocab.get(left + right)];
    if (a !== undefined && b !== undefined && id !== undefined) ranks.set(keyOf(a, b), { rank, id });
  }
  const characters = (piece: string): number[] => {
    const symbols: number[] = [];
    for (const character of piece) {
      const id = vocab.get(character) ?? unkId;
      if (id === undefined || (fusesUnknown && id === unkId && symbols.at(-1) === unkId)) continue;
      symbols.push(id);
    }
    return symbols;
  };
  return (piece, ids) => {
    const whole = ignoresMerges ? vocab.get(piece) : undefined;
    if (whole !== undefined) {
      ids.push(whole);
      return;
    }
    const symbols = characters(piece);
    if (symbols.length > FEW_SYMBOLS) mergeMany(symbols, ranks, ids);
    else mergeFew(symbols, ranks, ids);
  };
}

function mergeFew(symbols: number[], merges: Merges, ids: number[]): void {
  for (;;) {
    let best: { rank: number; id: number } | undefined;
    let at = 0;
    for (let i = 1; i < symbols.length; i++) {
      const merge = merges.get(keyOf(symbols[i - 1]!, symbols[i]!));
      if (merge === undefined || (best !== undefined && merge.rank >= best.rank)) continue;
      best = merge;
      at = i;
    }
    if (best === undefined) break;
    symbols.splice(at - 1, 2, best.id);
  }
  for (const id of symbols) ids.push(id);
}

/** The same in time n log n: a queue of the merges that are possible, over a linked list of the symbols. */
function mergeMany(symbols: number[], merges: Merges, ids: number[]): void {
  const end = symbols.length;
  const next = Int32Array.from({ length: end }, (_, i) => i + 1);
  const previous = Int32Array.from({ length: end }, (_, i) => i - 1);
  /** What the symbol at a place and the one behind it become, undefined where nothing. */
  const mergeAt = (left: number) =>
    left >= 0 && next[left]! < end ? merges.get(keyOf(symbols[left]!, symbols[next[left]!]!)) : undefined;
  const queue = new MergeQueue(end);
  const offer = (left: number) => {
    const merge = mergeAt(left);
    if (merge !== undefined) queue.push(merge.rank, left);
  };
  for (let left = 0; left < end; left++) offer(left);
  while (queue.length > 0) {
    const { rank, at } = queue.pop();
    // One of the two may have become part of another symbol since. Each rank is that of one pair.
    if (symbols[at] === MERGED) continue;
    const merge = mergeAt(at);
    if (merge?.rank !== rank) continue;
    const right = next[at]!;
    symbols[at] = merge.id;
    symbols[right] = MERGED;
    next[at] = next[right]!;
    if (next[at]! < end) previous[next[at]!] = at;
    offer(previous[at]!);
    offer(at);
  }
  for (const id of symbols) if (id !== MERGED) ids.push(id);
}

/** In place of a symbol that went into the one before it. */
const MERGED = -1;
/** Places and ranks as one number: more than there are symbols in the longest text, and ranks up to 2^23. */
const PLACES = 2 ** 30;

/** Possible merges by rank, of equal ones the leftmost first: a binary heap of one number each. */
class MergeQueue {
  length = 0;
  #heap: Float64Array;

  constructor(capacity: number) {
    this.#heap = new Float64Array(capacity + 1);
  }

  push(rank: number, at: number): void {
    if (this.length === this.#heap.length) {
      const grown = new Float64Array(2 * this.length);
      grown.set(this.#heap);
      this.#heap = grown;
    }
    const heap = this.#heap;
    const entry = rank * PLACES + at;
    let i = this.length++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]! <= entry) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  /** Of a queue that is not empty. */
  pop(): { rank: number; at: number } {
    const heap = this.#heap;
    const first = heap[0]!;
    const size = --this.length;
    const last = heap[size]!;
    let i = 0;
    for (let child = 1; child < size; child = 2 * i + 1) {
      if (child + 1 < size && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= last) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return { rank: Math.floor(first / PLACES), at: first % PLACES };
  }
}
