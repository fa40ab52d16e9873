import { PermafrostError } from '../errors/error.js';

/** A run of tokens that goes through the model at once. */
export interface TokenRange {
  /** First token. */
  start: number;
  /** Behind the last token. */
  end: number;
}

/** A run of tokens, and those of them whose scores count. */
export interface Window extends TokenRange {
  /** First of the tokens whose scores are taken from this window. */
  from: number;
  /** Behind the last of them; the next window's `from`. */
  to: number;
}

export interface WindowOptions {
  /** Most tokens of a window, special tokens not counted. */
  maxTokens: number;
  /** Tokens that neighbouring windows have in common, at least as far as whole words allow; below `maxTokens`. */
  overlap: number;
}

/** Tokens that neighbouring windows have in common where nothing else is asked for: a quarter of a window. */
export function defaultOverlap(maxTokens: number): number {
  return Math.floor(maxTokens / 4);
}

/**
 * Cuts a text's tokens into overlapping windows at the borders of words.
 *
 * Each token is taken from exactly one window, the one whose edges are farther away, so that none is lost and each
 * is seen with context on both sides. Only a word with more tokens than a window is cut. The last window reaches
 * back as far as it can.
 *
 * @param wordIds number of each token's word, shape [T].
 * @returns windows in order; `from` and `to` cover all tokens without gaps. None for no tokens.
 * @throws INVALID_OPTION where `maxTokens` is no whole number from 1, or `overlap` none from 0 below it
 */
export function cutWindows(wordIds: ArrayLike<number>, { maxTokens, overlap }: WindowOptions): Window[] {
  requireWindow(maxTokens, overlap);
  const { length } = wordIds;
  const isBorder = (token: number) => token === length || wordIds[token] !== wordIds[token - 1];
  const windows: Window[] = [];
  let start = 0;
  while (start < length) {
    if (windows.length > 0 && start + maxTokens >= length) {
      start = borderFrom(Math.max(windows.at(-1)!.start + 1, length - maxTokens), start, isBorder);
    }
    let end = Math.min(start + maxTokens, length);
    while (end > start && !isBorder(end)) end--;
    if (end === start) end = Math.min(start + maxTokens, length);
    windows.push({ start, end, from: start, to: end });
    if (end === length) break;
    start = borderFrom(Math.max(start + 1, end - overlap), end, isBorder);
  }
  for (let i = 1; i < windows.length; i++) {
    const [before, after] = [windows[i - 1]!, windows[i]!];
    const middle = Math.floor((Math.max(after.start, before.from) + before.end) / 2);
    before.to = after.from = borderFrom(middle, before.end, isBorder);
  }
  return windows;
}

/**
 * Windows as Hugging Face's pipeline cuts them: of `maxTokens` tokens wherever that falls, each beginning
 * `maxTokens - overlap` behind the one before.
 *
 * @throws INVALID_OPTION as {@link cutWindows}
 */
export function cutFixedWindows(length: number, { maxTokens, overlap }: WindowOptions): TokenRange[] {
  requireWindow(maxTokens, overlap);
  const windows: TokenRange[] = [];
  for (let start = 0; start < length; start += maxTokens - overlap) {
    const end = Math.min(start + maxTokens, length);
    windows.push({ start, end });
    if (end === length) break;
  }
  return windows;
}

/** First border of a word from `token` on, at most `limit`. */
function borderFrom(token: number, limit: number, isBorder: (token: number) => boolean): number {
  while (token < limit && !isBorder(token)) token++;
  return token;
}

function requireWindow(maxTokens: number, overlap: number): void {
  if (!Number.isSafeInteger(maxTokens) || maxTokens < 1) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `maxTokens: expected a whole number from 1, got ${maxTokens}.`,
      { option: 'maxTokens', got: maxTokens },
    );
  }
  if (Number.isSafeInteger(overlap) && overlap >= 0 && overlap < maxTokens) return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `overlap: expected a whole number from 0 below the window's ${maxTokens} tokens, got ${overlap}. ` +
      'Choose a smaller `overlap` or a larger `maxLength`.',
    { option: 'overlap', got: overlap, maxTokens },
  );
}
