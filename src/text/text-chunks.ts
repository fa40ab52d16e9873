import { isObject, type Json } from '../io/json.js';

/** A part of a text that is encoded by itself. */
export interface TextChunk {
  /** Where it begins; the tokens that begin before are the context's. */
  start: number;
  /** Where the text to encode begins: a letter before the chunk, which makes its first word stand within a text. */
  context: number;
  end: number;
}

/** What of a tokenizer.json decides whether texts can be cut. */
export interface CuttableDocument {
  normalizer: unknown;
  pre_tokenizer: unknown;
  added_tokens: readonly { content: string; rstrip: boolean }[];
}

/** Length of a chunk in UTF-16 units, where the text has a border there. */
const CHUNK = 8192;
/** A single space between two words, at which no rule looks across. */
const BORDER = /[\p{L}\p{N}] (?=[\p{L}\p{N}])/gu;

/** Parts of normalizers and pre-tokenizers that treat each word alike, whatever stands beyond a space. */
const LOCAL = new Set([
  ...[
    'BertNormalizer',
    'NFC',
    'NFD',
    'NFKC',
    'NFKD',
    'Lowercase',
    'Strip',
    'StripAccents',
    'Nmt',
    'Precompiled',
  ],
  ...['BertPreTokenizer', 'ByteLevel', 'Metaspace', 'WhitespaceSplit', 'Whitespace', 'Punctuation', 'Digits'],
]);
const SPACES = ' {2,}';

/** Whether a tokenizer gives a text's tokens when it is given the text in chunks. */
export function isCuttable({ normalizer, pre_tokenizer, added_tokens }: CuttableDocument): boolean {
  if (pre_tokenizer === null || !isLocal(pre_tokenizer) || !isLocal(normalizer)) return false;
  return added_tokens.every(({ content, rstrip }) => !rstrip && !/\s/.test(content));
}

function isLocal(part: unknown): boolean {
  if (part === null) return true;
  if (!isObject(part)) return false;
  const { type, normalizers, pretokenizers, pattern, split } = part as Json;
  if (type === 'Sequence') return [normalizers ?? pretokenizers].flat().every(isLocal);
  if (type === 'Replace') return isObject(pattern) && (pattern.Regex === SPACES || pattern.String === ' ');
  return typeof type === 'string' && LOCAL.has(type) && split !== false;
}

/** Cuts a text between words, about every `CHUNK` units; where there is no border, a chunk is as long as it must be. */
export function* chunksOf(text: string): Generator<TextChunk> {
  let [start, context] = [0, 0];
  while (text.length - start > CHUNK) {
    BORDER.lastIndex = start + CHUNK;
    const border = BORDER.exec(text);
    if (border === null) break;
    // The space goes with the word behind it, as tokenizers that keep spaces have it.
    const end = border.index + border[0].length - 1;
    yield { start, context, end };
    [start, context] = [end, border.index];
  }
  yield { start, context, end: text.length };
}
