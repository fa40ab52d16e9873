import type { Tokenizer } from './tokenizer.js';

/**
 * Cuts rows of words so that each piece has room in an example; nothing is lost but the end of a single word that is
 * longer than an example by itself.
 *
 * @param maxLength longest example in tokens, `[CLS]` and `[SEP]` included.
 */
export function segmentWords(
  rows: Iterable<readonly string[]>,
  tokenizer: Tokenizer,
  maxLength: number,
): string[][] {
  const segments: string[][] = [];
  for (const words of rows) {
    let segment: string[] = [];
    let tokens = 2;
    for (const word of words) {
      const at = tokenizer.pieces.find(word);
      const count = tokenizer.pieces.pool[at]!;
      // A word of which the tokenizer leaves nothing has no place in a text.
      if (count === 0) continue;
      if (tokens + count > maxLength && segment.length > 0) {
        segments.push(segment);
        segment = [];
        tokens = 2;
      }
      segment.push(word);
      tokens += count;
    }
    if (segment.length > 0) segments.push(segment);
  }
  return segments;
}
