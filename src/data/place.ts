import type { Sentence } from './sentence.js';

/** A part of a text, by the offsets of the file that it is from. */
export interface Place {
  start: number;
  end: number;
  text: string;
}

/**
 * Where words of a sentence stand, in the units and from the beginning that its file counts in: code points of the
 * document unless the file was read with `offsets: 'utf16'`. A sentence without text has that of {@link textOf}.
 *
 * @param first index of the first word.
 * @param last index of the last one.
 */
export function placeOf(sentence: Sentence, first: number, last: number): Place {
  return placesOf(sentence, [{ first, last }])[0]!;
}

/** The same for many of its parts, in time proportional to the text where they come in order. */
export function placesOf(
  sentence: Sentence,
  parts: readonly { readonly first: number; readonly last: number }[],
): Place[] {
  const { text, offsets } = textOf(sentence);
  const { textStart = 0, offsetUnit = 'codepoints' } = sentence;
  const count = offsetUnit === 'utf16' ? (_: string, start: number, end: number) => end - start : codePoints;
  let [at, before] = [0, textStart];
  return parts.map(({ first, last }) => {
    const [from, to] = [offsets[first]![0], offsets[last]![1]];
    if (from < at) [at, before] = [0, textStart];
    before += count(text, at, from);
    at = from;
    return { start: before, end: before + count(text, from, to), text: text.slice(from, to) };
  });
}

/** The text of a sentence with the places of its words in UTF-16 units; words without a text stand between spaces. */
export function textOf({
  words,
  text,
  offsets,
}: Pick<Sentence, 'words' | 'text' | 'offsets'>): Required<Pick<Sentence, 'text' | 'offsets'>> {
  if (text !== undefined && offsets !== undefined) return { text, offsets };
  let end = -1;
  const places = words.map((word): [number, number] => {
    const start = end + 1;
    end = start + word.length;
    return [start, end];
  });
  return { text: words.join(' '), offsets: places };
}

/** Code points between two places of a text; a surrogate that stands alone is one. */
export function codePoints(text: string, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; count++) i += text.codePointAt(i)! > 0xffff ? 2 : 1;
  return count;
}
