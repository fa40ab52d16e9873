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
    for (;;) {
      let best: { rank: number; id: number } | undefined;
      let at = 0;
      for (let i = 1; i < symbols.length; i++) {
        const merge = ranks.get(keyOf(symbols[i - 1]!, symbols[i]!));
        if (merge === undefined || (best !== undefined && merge.rank >= best.rank)) continue;
        best = merge;
        at = i;
      }
      if (best === undefined) break;
      symbols.splice(at - 1, 2, best.id);
    }
    for (const id of symbols) ids.push(id);
  };
}
