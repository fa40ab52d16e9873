import { PermafrostError } from '../errors/error.js';
import type { PreTokenizer } from './tokenizers-library.js';

/** Appends the ids of a piece's sub-tokens: what a model makes of what normalizer and pre-tokenizer leave. */
export type PieceModel = (piece: string, ids: number[]) => void;

/** What is needed to cut a word into sub-tokens. */
export interface PieceRules {
  model: PieceModel;
  /** Tokens that are found in the text as it was typed, before anything else. */
  rawTokens: ReadonlyMap<string, number>;
  /** Tokens that are found after normalization, under their normalized text. */
  normalizedTokens: ReadonlyMap<string, number>;
  normalize: (text: string) => string;
  preTokenizer: PreTokenizer | null;
  /** The same for what stands behind an added token in a word, where a Metaspace marks a word's beginning alone. */
  innerPreTokenizer: PreTokenizer | null;
  /** Where both of the above are BERT's, whether it lowercases; null where they are others. */
  bertLowercase: boolean | null;
}

/** Words in the cache before it starts anew: about 200 MB of words that were each met once. */
const MAX_CACHED_WORDS = 1 << 20;

/** Longest word, in UTF-16 units; the longest line that is read has as many bytes. */
const MOST_UNITS = 1 << 20;

/** Printable ASCII, on which BERT's normalizer does nothing but lowercase: it needs no call of native code. */
const PLAIN_WORD = /^[\x21-\x7e]+$/;
/** What BERT's pre-tokenizer makes of such a word: runs of letters and digits, and each other character by itself. */
const PLAIN_PIECES = /[A-Za-z0-9]+|[^A-Za-z0-9]/g;
/** Normalized text that BERT's pre-tokenizer, which splits at white space and punctuation, leaves in one piece. */
const ONE_PIECE = /^[\p{L}\p{M}\p{N}]+$/u;

/**
 * Sub-tokens by word, each unique word cut once.
 *
 * The ids of all words lie in one pool: `pool[start]` is the number of sub-tokens, the ids follow.
 */
export class WordPieces {
  readonly #rules: PieceRules;
  readonly #starts = new Map<string, number>();
  readonly #rawPattern: RegExp | null;
  readonly #normalizedPattern: RegExp | null;
  #pool = new Int32Array(1 << 14);
  #used = 0;

  constructor(rules: PieceRules) {
    this.#rules = rules;
    this.#rawPattern = anyOf(rules.rawTokens.keys());
    this.#normalizedPattern = anyOf(rules.normalizedTokens.keys());
  }

  /** Read it after {@link find}, which may replace it. */
  get pool(): Int32Array {
    return this.#pool;
  }

  /** Where the word's number of sub-tokens lies in {@link pool}; its ids follow. */
  find(word: string): number {
    return this.#starts.get(word) ?? this.#add(word);
  }

  /** @throws DATA_FORMAT for a word that is none */
  #add(word: string): number {
    if (word.length > MOST_UNITS) {
      throw new PermafrostError(
        'DATA_FORMAT',
        `Expected words of at most ${MOST_UNITS} characters, got one of ${word.length} that begins with ` +
          `${JSON.stringify(word.slice(0, 20))}. Split the text into words.`,
        { maxLength: MOST_UNITS, got: word.length },
      );
    }
    if (this.#starts.size >= MAX_CACHED_WORDS) {
      this.#starts.clear();
      this.#used = 0;
    }
    const ids: number[] = [];
    this.#cut(word, ids);
    const start = this.#used;
    const needed = start + ids.length + 1;
    if (needed > this.#pool.length) {
      const grown = new Int32Array(Math.max(needed, this.#pool.length * 2));
      grown.set(this.#pool.subarray(0, start));
      this.#pool = grown;
    }
    this.#pool[start] = ids.length;
    this.#pool.set(ids, start + 1);
    this.#used = needed;
    this.#starts.set(word, start);
    return start;
  }

  #cut(word: string, ids: number[]): void {
    const { bertLowercase, rawTokens } = this.#rules;
    const pattern = this.#rawPattern;
    if (pattern?.test(word)) {
      let isFirst = true;
      for (const part of word.split(pattern)) {
        const id = rawTokens.get(part);
        if (id !== undefined) ids.push(id);
        else if (part !== '') this.#cutText(part, ids, isFirst);
        if (part !== '') isFirst = false;
      }
    } else if (bertLowercase !== null && this.#normalizedPattern === null && PLAIN_WORD.test(word)) {
      const text = bertLowercase ? word.toLowerCase() : word;
      for (const piece of text.match(PLAIN_PIECES)!) this.#rules.model(piece, ids);
    } else {
      this.#cutText(word, ids, true);
    }
  }

  #cutText(text: string, ids: number[], isFirst: boolean): void {
    const { normalize, normalizedTokens } = this.#rules;
    const normalized = normalize(text);
    const pattern = this.#normalizedPattern;
    const parts = pattern === null ? [normalized] : normalized.split(pattern);
    for (const part of parts) {
      const id = normalizedTokens.get(part);
      if (id !== undefined) ids.push(id);
      else if (part !== '') this.#cutNormalized(part, ids, isFirst);
      if (part !== '') isFirst = false;
    }
  }

  #cutNormalized(text: string, ids: number[], isFirst: boolean): void {
    const { model, bertLowercase } = this.#rules;
    const preTokenizer = isFirst ? this.#rules.preTokenizer : this.#rules.innerPreTokenizer;
    const isOnePiece = preTokenizer === null || (bertLowercase !== null && ONE_PIECE.test(text));
    if (isOnePiece) model(text, ids);
    else for (const [piece] of preTokenizer.preTokenizeString(text)) model(piece, ids);
  }
}

/** Whether an offset lies between the two halves of one character. */
export function isWithinCharacter(text: string, at: number): boolean {
  const next = text.charCodeAt(at);
  if (!(next >= 0xdc00 && next <= 0xdfff)) return false;
  const previous = text.charCodeAt(at - 1);
  return previous >= 0xd800 && previous <= 0xdbff;
}

/** The lengths that tokens have, ascending: other lengths need not be looked up, however long one token is. */
export function tokenLengths(tokens: Iterable<string>): number[] {
  const lengths = new Set<number>();
  for (const token of tokens) lengths.add(token.length);
  return [...lengths].sort((a, b) => a - b);
}

/** Matches, and keeps when splitting, any of the texts; longer ones first. */
function anyOf(texts: Iterable<string>): RegExp | null {
  const escaped = [...texts]
    .sort((a, b) => b.length - a.length)
    .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return escaped.length === 0 ? null : new RegExp(`(${escaped.join('|')})`, 'u');
}
