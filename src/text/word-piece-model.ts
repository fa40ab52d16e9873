import { isWithinCharacter, type PieceModel, tokenLengths } from './word-pieces.js';

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
  const lengths = tokenLengths(vocab.keys()).reverse();
  const longestToken = lengths[0] ?? 0;
  return (piece, ids) => {
    if (piece.length > maxCharsPerPiece && numCodePoints(piece) > maxCharsPerPiece) {
      ids.push(unkId);
      return;
    }
    const before = ids.length;
    let start = 0;
    while (start < piece.length) {
      const prefix = start === 0 ? '' : continuingPrefix;
      const rest = prefix + piece.slice(start, start + longestToken);
      let id: number | undefined;
      let end = 0;
      for (const length of lengths) {
        if (length <= prefix.length) break;
        if (length > rest.length || isWithinCharacter(rest, length)) continue;
        id = vocab.get(rest.slice(0, length));
        if (id === undefined) continue;
        end = length;
        break;
      }
      if (id === undefined) {
        ids.length = before;
        ids.push(unkId);
        return;
      }
      ids.push(id);
      start += end - prefix.length;
    }
  };
}

function numCodePoints(text: string): number {
  let count = text.length;
  for (let i = 1; i < text.length; i++) if (isWithinCharacter(text, i)) count--;
  return count;
}
