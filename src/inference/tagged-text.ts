import type { Tokenizer } from '../text/tokenizer.js';
import { cutFixedWindows, cutWindows, type TokenRange } from '../text/windows.js';
import { aggregate, type DecodeWords } from './aggregate.js';
import type { AggregationStrategy, Entity } from './entity.js';
import { huggingFaceOverlaps, huggingFaceWords } from './hugging-face-rules.js';
import type { TaggingRules } from './options.js';

/** Combining marks right at the beginning. */
const MARKS = /^\p{M}*/u;
/** How far marks are looked for; nothing that people write has more on one letter. */
const MOST_MARKS = 32;

/** A text in tokens, ready to be cut into windows. */
export interface TokenizedText {
  text: string;
  inputIds: Int32Array;
  /** Number of each token's word. */
  words: Int32Array;
  starts: Int32Array;
  ends: Int32Array;
  /** Whether the words were given, so that their edges are final. */
  given: boolean;
}

export interface AggregationSettings {
  labels: readonly string[];
  strategy: AggregationStrategy;
  ignoreLabels: readonly string[];
  decode?: DecodeWords;
}

/** A text's windows, and what to make of their scores. */
export interface TextPlan {
  windows: readonly TokenRange[];
  /** @param scores probabilities of each window's tokens, shape [window tokens, labels] each. */
  entities(scores: readonly Float32Array[], settings: AggregationSettings): Entity[];
}

/** @param window see `cutWindows`; @throws INVALID_OPTION */
export function planText(
  tokens: TokenizedText,
  window: { maxTokens: number; overlap: number },
  rules: TaggingRules,
): TextPlan {
  return rules === 'huggingface' ? fixedPlan(tokens, window) : wholeWordsPlan(tokens, window);
}

/** Each token's scores come from one window, so that entities are put together as if there were none. */
function wholeWordsPlan(tokens: TokenizedText, window: { maxTokens: number; overlap: number }): TextPlan {
  const windows = cutWindows(tokens.words, window);
  return {
    windows,
    entities(parts, { labels, ...settings }) {
      const { strategy } = settings;
      const scores = new Float32Array(tokens.words.length * labels.length);
      for (const [i, { start, from, to }] of windows.entries()) {
        const taken = parts[i]!.subarray((from - start) * labels.length, (to - start) * labels.length);
        scores.set(taken, from * labels.length);
      }
      const own = strategy === 'none' ? labels : labels.map(inIob2);
      const entities = aggregate({ ...tokens, scores }, { labels: own, ...settings });
      const isWords = strategy !== 'none' && strategy !== 'simple';
      return tokens.given ? entities : entities.flatMap((entity) => trimmed(entity, tokens.text, isWords));
    },
  };
}

/** Each window is put together by itself; where two found something at one place, one of the two is dropped. */
function fixedPlan(tokens: TokenizedText, window: { maxTokens: number; overlap: number }): TextPlan {
  const windows = cutFixedWindows(tokens.words.length, window);
  return {
    windows,
    entities(parts, settings) {
      const found = windows.flatMap(({ start, end }, i) => {
        const [starts, ends] = [tokens.starts.subarray(start, end), tokens.ends.subarray(start, end)];
        const words = tokens.words.subarray(start, end);
        return aggregate({ text: tokens.text, starts, ends, words, scores: parts[i]! }, settings);
      });
      return windows.length > 1 ? huggingFaceOverlaps(found) : found;
    },
  };
}

/** The label in IOB2 that joins and parts entities as a label of IOBES or BILOU does. */
export function inIob2(label: string): string {
  return label.replace(/^[EL]-/, 'I-').replace(/^[SU]-/, 'B-');
}

/** Without the white space that some tokenizers count to a token; to the end of a word belong its last letter's marks. */
function trimmed(entity: Entity, text: string, isWords: boolean): Entity[] {
  let { start, end } = entity;
  while (start < end && /\s/.test(text[start]!)) start++;
  while (start < end && /\s/.test(text[end - 1]!)) end--;
  if (start === end) return [];
  if (isWords) end += MARKS.exec(text.slice(end, end + MOST_MARKS))![0].length;
  return start === entity.start && end === entity.end
    ? [entity]
    : [{ ...entity, start, end, text: text.slice(start, end) }];
}

/** Running text, with words by the tokenizer's numbers or by Hugging Face's rule. */
export async function tokenizeText(
  text: string,
  tokenizer: Tokenizer,
  rules: TaggingRules,
): Promise<TokenizedText> {
  const { inputIds, wordIds, starts, ends } = await tokenizer.encodeText(text);
  if (rules === 'whole-words') return { text, inputIds, words: wordIds, starts, ends, given: false };
  const names = tokenizer.tokens();
  const tokens = Array.from(inputIds, (id) => names[id]!);
  const facts = { unknown: names[tokenizer.unkId]!, continuingPrefix: tokenizer.continuingPrefix };
  return {
    text,
    inputIds,
    words: huggingFaceWords({ text, tokens, starts, ends }, facts),
    starts,
    ends,
    given: false,
  };
}

/** Words as in training; the text is the words with a space between them, and each token stands where its word does. */
export function tokenizeWords(words: readonly string[], tokenizer: Tokenizer): TokenizedText {
  const encoded = tokenizer.encodeWords(words, { maxLength: Number.MAX_SAFE_INTEGER });
  const wordOf = Int32Array.from(encoded.wordIds.filter((word) => word !== null));
  const first = encoded.wordIds.findIndex((word) => word !== null);
  const inputIds = Int32Array.from(encoded.inputIds.slice(first, first + wordOf.length));
  const offsets = new Int32Array(words.length);
  for (let word = 1; word < words.length; word++)
    offsets[word] = offsets[word - 1]! + words[word - 1]!.length + 1;
  const starts = wordOf.map((word) => offsets[word]!);
  const ends = wordOf.map((word, token) => starts[token]! + words[word]!.length);
  return { text: words.join(' '), inputIds, words: wordOf, starts, ends, given: true };
}
