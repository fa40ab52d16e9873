import type { EntitySpan } from '../evaluation/entity-spans.js';
import type { ErrorExample } from '../experiment/error-examples.js';

/** Words of a sentence that are shown without a gap, those around an entity where it is longer, and those at most. */
const WHOLE_WORDS = 60;
const AROUND = 12;
const MOST_WORDS = 200;
/** Characters of a word. */
const WORD_LENGTH = 60;

/** A sentence as it is shown. */
export interface ClippedSentence {
  words: string[];
  /** Entities of the sentence among the words that are shown. */
  place: (spans: readonly EntitySpan[]) => EntitySpan[];
}

/** A long sentence without the words that are far from every entity, gold or predicted, and without the ends of long words. */
export function clipWords({ words, gold, answers }: ErrorExample): ClippedSentence {
  if (words.length <= WHOLE_WORDS) return { words: words.map(clipWord), place: (spans) => [...spans] };
  const isNear = new Array<boolean>(words.length).fill(false);
  for (const { start, end } of [...gold, ...answers.flatMap(({ predicted }) => predicted)]) {
    isNear.fill(true, Math.max(0, start - AROUND), end + AROUND);
  }
  const shown: string[] = [];
  const places = words.map((word, index) => {
    if (isNear[index] && shown.length < MOST_WORDS) return shown.push(clipWord(word)) - 1;
    if (shown.at(-1) !== '…') shown.push('…');
    return null;
  });
  const place = (spans: readonly EntitySpan[]) =>
    spans.flatMap(({ type, start, end }) => {
      const [first, last] = [places[start], places[end - 1]];
      return first == null || last == null ? [] : [{ type, start: first, end: last + 1 }];
    });
  return { words: shown, place };
}

function clipWord(word: string): string {
  // A character takes a few code units at most, so the rest need not be taken apart.
  const characters = [...word.slice(0, 2 * WORD_LENGTH + 2)];
  return characters.length > WORD_LENGTH ? `${characters.slice(0, WORD_LENGTH).join('')}…` : word;
}

/** Where a sentence comes from, without the folders, which may tell who ran it. */
export function shortSource(source: string): string {
  return source.slice(Math.max(source.lastIndexOf('/'), source.lastIndexOf('\\')) + 1);
}

/** The words with their entities in brackets: `[Ann Lee PER] met no one`. */
export function bracketed(words: readonly string[], spans: readonly EntitySpan[]): string {
  const marked = [...words];
  for (const { type, start, end } of spans) {
    marked[start] = `[${marked[start]}`;
    marked[end - 1] = `${marked[end - 1]} ${type}]`;
  }
  return marked.join(' ');
}
