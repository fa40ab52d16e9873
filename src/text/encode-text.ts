import { ATTACHED_CHARACTERS } from '../data/split-words.js';
import { PermafrostError } from '../errors/error.js';
import { Turns } from '../io/turns.js';
import { type CuttableDocument, chunksOf, isCuttable } from './text-chunks.js';
import { type Encoding, type NativeTokenizer, tokenizersLibrary } from './tokenizers-library.js';

/** A text as token ids, without special tokens, and where in the text each token stands. */
export interface EncodedText {
  /** Shape [T]. */
  inputIds: Int32Array;
  /** Number of each token's word, ascending, shape [T]. */
  wordIds: Int32Array;
  /** UTF-16 offset of each token's first unit in the text, shape [T]. */
  starts: Int32Array;
  /** UTF-16 offset behind each token's last unit, shape [T]. */
  ends: Int32Array;
}

export type TextEncoder = (text: string) => Promise<EncodedText>;

const SURROGATE = /[\ud800-\udfff]/;
const JOINER = new RegExp(`[${ATTACHED_CHARACTERS}]`, 'u');
/** Punctuation as BERT's pre-tokenizer has it: Unicode's, and every ASCII character that is no letter or digit. */
const ONLY_PUNCTUATION = /^[\p{P}!-/:-@[-`{-~]+$/u;

/**
 * The encoder of running text for a tokenizer.json.
 *
 * Normalizer, pre-tokenizer and model are those of the `tokenizers` package. It is told to cut nothing off: what lies
 * beyond a length limit would be lost there. Long texts go in chunks, so that what is done with each is a short piece of work.
 *
 * @throws UNSUPPORTED_MODEL where the package cannot read the document; while encoding DATA_FORMAT for a token that the
 * vocabulary would need
 */
export function textEncoder(document: object, where: string): TextEncoder {
  const library = tokenizersLibrary();
  let native: NativeTokenizer;
  try {
    native = library.Tokenizer.fromString(JSON.stringify({ ...document, truncation: null, padding: null }));
  } catch (cause) {
    throw new PermafrostError(
      'UNSUPPORTED_MODEL',
      `${where}: the tokenizer cannot be read: ${(cause as Error).message}. Save it anew with Hugging Face's tools.`,
      { file: where },
      { cause },
    );
  }
  const isInChunks = isCuttable(document as CuttableDocument);
  const encode = (text: string) =>
    native.encode(text, null, { addSpecialTokens: false }).catch((cause: Error) => {
      throw unusable(where, cause);
    });
  return async (text) => {
    const chunks = isInChunks ? chunksOf(text) : [{ start: 0, context: 0, end: text.length }];
    const turns = new Turns();
    const parts: EncodedText[] = [];
    let words = 0;
    for (const { start, context, end } of chunks) {
      const given = text.slice(context, end);
      const whole = encodedText(await encode(given), given);
      if (turns.areDue) await turns.take();
      const part = moved(whole, context, start, words);
      words = (part.wordIds.at(-1) ?? words - 1) + 1;
      parts.push(part);
    }
    return parts.length === 1 ? parts[0]! : joined(parts);
  };
}

/** What turns up only when a text needs it, such as an unknown token that the vocabulary lacks. */
function unusable(where: string, cause: Error): Error {
  // An argument that is no text is not the tokenizer's fault.
  if ((cause as NodeJS.ErrnoException).code === 'StringExpected') return cause;
  return new PermafrostError(
    'DATA_FORMAT',
    `${where}: the tokenizer cannot encode the text: ${cause.message}. Its vocabulary must hold its unknown token.`,
    { file: where },
    { cause },
  );
}

function encodedText(encoding: Encoding, text: string): EncodedText {
  const inputIds = Int32Array.from(encoding.getIds());
  const units = codeUnits(text);
  const starts = new Int32Array(inputIds.length);
  const ends = new Int32Array(inputIds.length);
  for (const [token, [start, end]] of encoding.getOffsets().entries()) {
    starts[token] = units(start!);
    ends[token] = units(end!);
  }
  return { inputIds, wordIds: wordNumbers(encoding.getWordIds(), text, starts, ends), starts, ends };
}

/**
 * A chunk's tokens in their places.
 *
 * @param shift place of what was encoded.
 * @param start place of the chunk, whose context is left out.
 * @param words number of its first word.
 */
function moved(
  { inputIds, wordIds, starts, ends }: EncodedText,
  shift: number,
  start: number,
  words: number,
): EncodedText {
  const first = shift === start ? 0 : starts.findIndex((place) => place + shift >= start);
  const from = first < 0 ? inputIds.length : first;
  const firstWord = words - (wordIds[from] ?? 0);
  return {
    inputIds: inputIds.subarray(from),
    wordIds: wordIds.subarray(from).map((word) => word + firstWord),
    starts: starts.subarray(from).map((place) => place + shift),
    ends: ends.subarray(from).map((place) => place + shift),
  };
}

function joined(parts: readonly EncodedText[]): EncodedText {
  const length = parts.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const all = (column: keyof EncodedText) => {
    const result = new Int32Array(length);
    let at = 0;
    for (const part of parts) {
      result.set(part[column], at);
      at += part[column].length;
    }
    return result;
  };
  return { inputIds: all('inputIds'), wordIds: all('wordIds'), starts: all('starts'), ends: all('ends') };
}

/** UTF-16 offset of a code point's number, which is what the tokenizers package counts in. */
function codeUnits(text: string): (codePoint: number) => number {
  if (!SURROGATE.test(text)) return (codePoint) => codePoint;
  const offsets = new Int32Array(text.length + 1);
  let count = 0;
  let offset = 0;
  for (const character of text) {
    offsets[count++] = offset;
    offset += character.length;
  }
  offsets[count] = offset;
  return (codePoint) => offsets[codePoint]!;
}

/**
 * Numbers of the words that the pre-tokenizer found. One that splits at white space alone leaves punctuation in the
 * words (`Oslo.`); whole tokens of it at a word's edges become words of their own, as annotated corpora have it. One
 * that splits at joiners parts words, which are put together again.
 */
function wordNumbers(
  found: readonly (number | null | undefined)[],
  text: string,
  starts: Int32Array,
  ends: Int32Array,
): Int32Array {
  const numbers = new Int32Array(found.length);
  const isPunctuation = (token: number) =>
    ONLY_PUNCTUATION.test(text.slice(starts[token], ends[token]).trim());
  let number = -1;
  const hasJoiners = JOINER.test(text);
  const isSameWord = (token: number) =>
    (found[token] === found[token - 1] && found[token] != null) ||
    (hasJoiners && isJoined(text, ends[token - 1]!, starts[token]!));
  for (let begin = 0; begin < found.length; ) {
    let end = begin + 1;
    while (end < found.length && isSameWord(end)) end++;
    let first = begin;
    while (first < end - 1 && isPunctuation(first)) first++;
    let last = end;
    while (last > first + 1 && isPunctuation(last - 1)) last--;
    for (let token = begin; token < end; token++) {
      if (token <= first || token >= last) number++;
      numbers[token] = number;
    }
    begin = end;
  }
  return numbers;
}

/** Whether a joiner stands right before or behind the border of two tokens, and no space between them. */
function isJoined(text: string, end: number, start: number): boolean {
  const before = Array.from(text.slice(Math.max(0, end - 2), end)).at(-1) ?? '';
  const behind = String.fromCodePoint(text.codePointAt(start) ?? 0);
  const between = text.slice(end, start);
  return !/\s/.test(between + behind) && JOINER.test(before + between + behind);
}
