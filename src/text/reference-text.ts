import { canonicalForm } from './canonical-form.js';

/** How BERT's normalizer is set. */
export interface ReferenceTextSettings {
  cleanText: boolean;
  handleChineseChars: boolean;
  stripAccents: boolean;
}

const ASCII = /^[\x20-\x7e]*$/;
/** Category C of Unicode, but for tabs and line ends: control and format characters, private use, unassigned. */
const CONTROL = /(?![\t\n\r])\p{C}/gu;
const NONSPACING_MARK = /\p{Mn}/gu;
const PUNCTUATION = /\p{P}/gu;
/** The part of CJK extension E that the native normalizer's ranges leave out. */
const MISSED_IDEOGRAPH = /[\u{2b820}-\u{2b91f}]/gu;

/**
 * Prepares text so that the native BERT normalizer and pre-tokenizer give what Hugging Face's Python BertTokenizer
 * gives, whose vocabularies and published models rest on it.
 *
 * The two differ in three places. The native tables of categories stem from an older Unicode: later format
 * characters, accents and punctuation are unknown to them. Their CJK ranges have a gap. And only the Python one
 * composes text (NFC) whose accents stay, without which a cased vocabulary misses `e` + U+0301.
 */
export function toReferenceText(text: string, settings: ReferenceTextSettings): string {
  if (ASCII.test(text)) return text;
  let result = settings.cleanText ? text.replace(CONTROL, '') : text;
  result = settings.stripAccents
    ? canonicalForm(result, 'NFD').replace(NONSPACING_MARK, '')
    : canonicalForm(result, 'NFC');
  if (settings.handleChineseChars) result = result.replace(MISSED_IDEOGRAPH, ' $& ');
  // White space ends a piece and leaves nothing behind.
  return result.replace(PUNCTUATION, ' $& ');
}
