import { isWithinCharacter, type PieceModel } from './word-pieces.js';

export interface WordPieceSettings {
  /** Id of each token, added tokens excluded. */
  vocab: ReadonlyMap<string, number>;
  unkId: number;
  /** Prefix of the sub-tokens that go on inside a word: `##`. */
  continuingPrefix: string;
  /** Longest piece in code points; a longer one becomes the unknown token. */
  maxCharsPerPiece: number;
}

/** WordPiece: greedy longest match from the left; one unmatched rest makes the whole piece unknown. */
export function wordPieceModel(settings: WordPieceSettings): PieceModel {
  const { vocab, unkId, continuingPrefix, maxCharsPerPiece } = settings;
  let longestToken = 0;
  for (const token of vocab.keys()) longestToken = Math.max(longestToken, token.length);
  return (piece, ids) => {
    if (piece.length > maxCharsPerPiece && numCodePoints(piece) > maxCharsPerPiece) {
      ids.push(unkId);
      return;
    }
    const before = ids.length;
    let start = 0;
    while (start < piece.length) {
      const rest = start === 0 ? piece : continuingPrefix + piece.slice(start);
      const fixed = start === 0 ? 0 : continuingPrefix.length;
      let end = Math.min(rest.length, longestToken);
      let id: number | undefined;
      for (; end > fixed; end--) {
        if (isWithinCharacter(rest, end)) continue;
        id = vocab.get(rest.slice(0, end));
        if (id !== undefined) break;
      }
      if (id === undefined) {
        ids.length = before;
        ids.push(unkId);
        return;
      }
      ids.push(id);
      start += end - fixed;
    }
  };
}

function numCodePoints(text: string): number {
  let count = text.length;
  for (let i = 1; i < text.length; i++) if (isWithinCharacter(text, i)) count--;
  return count;
}
