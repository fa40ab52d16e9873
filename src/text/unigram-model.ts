import { type PieceModel, tokenLengths } from './word-pieces.js';

export interface UnigramSettings {
  /** Tokens by id with the logarithm of their probability. */
  vocab: readonly (readonly [token: string, score: number])[];
  unkId: number;
}

/** How much less likely an unknown character is than the least likely token, as SentencePiece has it. */
const UNKNOWN_PENALTY = 10;

/**
 * SentencePiece's unigram model (Kudo 2018): the most likely way to cut a piece into tokens. Unknown characters that
 * follow one another are one token.
 */
export function unigramModel({ vocab, unkId }: UnigramSettings): PieceModel {
  const ids = new Map(vocab.map(([token], id) => [token, id]));
  const lengths = tokenLengths(ids.keys());
  let leastScore = Number.POSITIVE_INFINITY;
  for (const [, score] of vocab) leastScore = Math.min(leastScore, score);
  const unknownScore = leastScore - UNKNOWN_PENALTY;
  return (piece, output) => {
    const borders = characterBorders(piece);
    const count = borders.length - 1;
    const borderAt = new Int32Array(piece.length + 1);
    for (const [border, unit] of borders.entries()) borderAt[unit] = border;
    const best = new Float64Array(count + 1);
    const from = new Int32Array(count + 1).fill(-1);
    const token = new Int32Array(count + 1);
    const offer = (start: number, end: number, id: number, score: number) => {
      const total = best[start]! + score;
      if (from[end] !== -1 && total <= best[end]!) return;
      best[end] = total;
      from[end] = start;
      token[end] = id;
    };
    const tokenAt = (start: number, end: number) => ids.get(piece.slice(borders[start]!, borders[end]!));
    for (let start = 0; start < count; start++) {
      const character = tokenAt(start, start + 1);
      if (character === undefined) offer(start, start + 1, unkId, unknownScore);
      else offer(start, start + 1, character, vocab[character]![1]);
      for (const length of lengths) {
        const unit = borders[start]! + length;
        if (unit > piece.length) break;
        const end = borderAt[unit]!;
        // Within a character, or the single character above.
        if (end <= start + 1) continue;
        const id = tokenAt(start, end);
        if (id !== undefined) offer(start, end, id, vocab[id]![1]);
      }
    }
    const backwards: number[] = [];
    for (let end = count; end > 0; end = from[end]!) {
      const id = token[end]!;
      if (id !== unkId || backwards.at(-1) !== unkId) backwards.push(id);
    }
    for (let i = backwards.length - 1; i >= 0; i--) output.push(backwards[i]!);
  };
}

/** UTF-16 offsets of a text's characters and of its end. */
function characterBorders(text: string): number[] {
  const borders: number[] = [];
  let at = 0;
  for (const character of text) {
    borders.push(at);
    at += character.length;
  }
  borders.push(at);
  return borders;
}
