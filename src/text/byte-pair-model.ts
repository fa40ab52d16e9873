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
  const next = Int32Array.from(symbols, (_, i) => i + 1);
  const previous = Int32Array.from(symbols, (_, i) => i - 1);
  const end = symbols.length;
  const queue = new MergeQueue();
  const offer = (left: number) => {
    const right = next[left]!;
    if (left < 0 || right >= end) return;
    const merge = merges.get(keyOf(symbols[left]!, symbols[right]!));
    if (merge !== undefined) queue.push({ ...merge, at: left, pair: keyOf(symbols[left]!, symbols[right]!) });
  };
  for (let left = 0; left < end; left++) offer(left);
  for (let merge = queue.pop(); merge !== undefined; merge = queue.pop()) {
    const { at, id, pair } = merge;
    const right = next[at]!;
    // One of the two may have become part of another symbol since.
    if (symbols[at] === MERGED || right >= end || keyOf(symbols[at]!, symbols[right]!) !== pair) continue;
    symbols[at] = id;
    symbols[right] = MERGED;
    next[at] = next[right]!;
    if (next[at]! < end) previous[next[at]!] = at;
    if (previous[at]! >= 0) offer(previous[at]!);
    offer(at);
  }
  for (const id of symbols) if (id !== MERGED) ids.push(id);
}

/** In place of a symbol that went into the one before it. */
const MERGED = -1;

interface PossibleMerge {
  rank: number;
  id: number;
  /** Place of its left symbol. */
  at: number;
  /** Key of the two symbols. */
  pair: number;
}

/** Merges by rank, of equal ones the leftmost first: a binary heap. */
class MergeQueue {
  readonly #heap: PossibleMerge[] = [];

  push(merge: PossibleMerge): void {
    const heap = this.#heap;
    let i = heap.length;
    for (let parent = (i - 1) >> 1; i > 0 && isBefore(merge, heap[parent]!); parent = (i - 1) >> 1) {
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = merge;
  }

  pop(): PossibleMerge | undefined {
    const heap = this.#heap;
    const [first, last] = [heap[0], heap.pop()];
    if (heap.length === 0 || last === undefined) return first;
    let i = 0;
    for (let child = 1; child < heap.length; child = 2 * i + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function isBefore(a: PossibleMerge, b: PossibleMerge): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.at < b.at);
}
