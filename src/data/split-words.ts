/**
 * Characters that show nothing by themselves and belong to the word that they follow: soft hyphen, Mongolian selectors,
 * zero-width (non-)joiner, word joiner, variation selectors, and the tags of flags. For a character class.
 */
export const ATTACHED_CHARACTERS =
  '\\u00ad\\u180b-\\u180d\\u180f\\u200c\\u200d\\u2060\\ufe00-\\ufe0f\\u{e0020}-\\u{e007f}\\u{e0100}-\\u{e01ef}';
const LETTER = '\\p{L}\\p{M}\\p{N}';
/** A symbol with its selectors, its skin tone and the frame of a keycap. */
const SYMBOL = `[^\\s${LETTER}${ATTACHED_CHARACTERS}][${ATTACHED_CHARACTERS}\\p{Emoji_Modifier}\\u20e3]*`;

const WORD = new RegExp(
  `(?![${ATTACHED_CHARACTERS}])[${LETTER}][${LETTER}${ATTACHED_CHARACTERS}]*|${SYMBOL}(?:(?<=\\u200d)${SYMBOL})*`,
  'gu',
);

/**
 * Words are runs of letters, marks and digits; any other character but white space is a word of its own.
 *
 * Joiners, variation selectors and soft hyphens are parts of the word that they stand in or behind, and no words by
 * themselves; symbols that a zero-width joiner joins are one word.
 */
export function splitWords(text: string): string[] {
  return text.match(WORD) ?? [];
}
