import { atOnce, type Steps } from '../io/turns.js';
import type { WordPlace } from './sentence.js';

/**
 * Characters that show nothing by themselves and belong to the word that they follow: soft hyphen, Mongolian selectors,
 * zero-width (non-)joiner, word joiner, variation selectors, and the tags of flags. For a character class.
 */
export const ATTACHED_CHARACTERS =
  '\\u00ad\\u180b-\\u180d\\u180f\\u200c\\u200d\\u2060\\ufe00-\\ufe0f\\u{e0020}-\\u{e007f}\\u{e0100}-\\u{e01ef}';

const SPACE = 1;
const LETTER = 2;
const ATTACHED = 3;
const SYMBOL = 4;
const CLASSES: readonly [pattern: RegExp, kind: number][] = [
  [new RegExp(`[${ATTACHED_CHARACTERS}]`, 'u'), ATTACHED],
  [/[\p{L}\p{M}\p{N}]/u, LETTER],
  [/\s/u, SPACE],
];

/** Class of each code point, 0 where it was not asked for yet. */
const kinds = new Uint8Array(0x110000);

const ZERO_WIDTH_JOINER = 0x200d;
const KEYCAP = 0x20e3;
/** Between how many characters others may have a turn. */
const CHARACTERS_A_STEP = 8192;

/**
 * Words are runs of letters, marks and digits; any other character but white space is a word of its own.
 *
 * Joiners, variation selectors and soft hyphens are parts of the word that they stand in or behind, and no words by
 * themselves; symbols that a zero-width joiner joins are one word. Takes time in proportion to the text, whatever it
 * is made of.
 */
export function splitWords(text: string): string[] {
  return atOnce(wordSteps(text));
}

/** The same in steps. */
export function* wordSteps(text: string): Steps<string[]> {
  const words: string[] = [];
  yield* eachWord(text, (start, end) => words.push(text.slice(start, end)));
  return words;
}

/** Places of the words in the text, in UTF-16 units. */
export function wordPlaces(text: string): WordPlace[] {
  const places: WordPlace[] = [];
  atOnce(eachWord(text, (start, end) => places.push([start, end])));
  return places;
}

function* eachWord(text: string, take: (start: number, end: number) => void): Steps<void> {
  let due = CHARACTERS_A_STEP;
  for (let at = 0; at < text.length; ) {
    if (at >= due) {
      yield;
      due = at + CHARACTERS_A_STEP;
    }
    const first = text.codePointAt(at)!;
    const kind = kindOf(first);
    const start = at;
    at += unitsOf(first);
    // What attaches itself has nothing before it here.
    if (kind === SPACE || kind === ATTACHED) continue;
    at = kind === LETTER ? endOfLetters(text, at) : endOfSymbols(text, at);
    take(start, at);
  }
}

function endOfLetters(text: string, at: number): number {
  while (at < text.length) {
    const point = text.codePointAt(at)!;
    const kind = kindOf(point);
    if (kind !== LETTER && kind !== ATTACHED) break;
    at += unitsOf(point);
  }
  return at;
}

/** A symbol takes its selectors, its skin tone and the frame of a keycap, and behind a joiner the next symbol. */
function endOfSymbols(text: string, at: number): number {
  let isJoined = false;
  while (at < text.length) {
    const point = text.codePointAt(at)!;
    const kind = kindOf(point);
    const belongs = kind === ATTACHED || isModifier(point) || point === KEYCAP;
    if (!belongs && !(isJoined && kind === SYMBOL)) break;
    isJoined = point === ZERO_WIDTH_JOINER;
    at += unitsOf(point);
  }
  return at;
}

function kindOf(point: number): number {
  return kinds[point] || classify(point);
}

function classify(point: number): number {
  const character = String.fromCodePoint(point);
  const kind = CLASSES.find(([pattern]) => pattern.test(character))?.[1] ?? SYMBOL;
  kinds[point] = kind;
  return kind;
}

/** Whether it is one of the five skin tones. */
function isModifier(point: number): boolean {
  return point >= 0x1f3fb && point <= 0x1f3ff;
}

function unitsOf(point: number): number {
  return point > 0xffff ? 2 : 1;
}
