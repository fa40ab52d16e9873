import type { Sentence } from '../data/sentence.js';
import { spansOfTags } from '../data/spans/select.js';
import { requireMaxLength, type Tokenizer } from './tokenizer.js';

/** What a tokenizer makes of sentences, and what they are labelled with. */
export interface TokenizationReport {
  sentences: number;
  words: number;
  /** Tokens before truncation, `[CLS]` and `[SEP]` of each sentence excluded. */
  subTokens: number;
  /** Over all words. */
  subTokensPerWord: number;
  /** Sub-tokens that are the unknown token. */
  unknownTokens: number;
  /** Share of the sub-tokens, 0 to 1. */
  unknownTokenRate: number;
  /** Words with at least one unknown sub-token. */
  wordsWithUnknown: number;
  /** Share of the words, 0 to 1. */
  unknownWordRate: number;
  /** Words of which the tokenizer leaves nothing. */
  wordsWithoutTokens: number;
  /** Most tokens of an example, special tokens included. */
  maxLength: number;
  /** Sentences longer than that. */
  truncatedSentences: number;
  /** Words that lose their first sub-token, and with it their prediction. */
  truncatedWords: number;
  /** Words that keep their first sub-token and lose another one. */
  partialWords: number;
  /** Entities that lose a word, or a part of one. */
  truncatedEntities: number;
  /** Tokens a sentence before truncation, special tokens included. */
  lengths: LengthSummary;
  /** Sentences whose words are those of an earlier one. */
  repeatedSentences: number;
  /** Words with each tag, most frequent first. */
  labels: Record<string, number>;
  /** Entities of each type, most frequent first. */
  entities: Record<string, number>;
  /** The same by entity type, most words first; `O` stands for the words outside of entities. */
  types: Record<string, TypeTokenization>;
}

/** What a tokenizer makes of the words of one entity type. */
export interface TypeTokenization {
  words: number;
  subTokens: number;
  subTokensPerWord: number;
  unknownTokens: number;
  wordsWithUnknown: number;
  /** Share of the words, 0 to 1. */
  unknownWordRate: number;
  truncatedWords: number;
}

export interface LengthSummary {
  mean: number;
  median: number;
  p99: number;
  max: number;
}

export interface InspectOptions {
  /** Most tokens of an example, special tokens included; at least 3. @default 128 */
  maxLength?: number;
}

/** `[CLS]` and `[SEP]`. */
const SPECIAL_TOKENS = 2;

/**
 * Measures how a tokenizer cuts sentences, what truncation costs, and which labels there are.
 *
 * @throws INVALID_OPTION for a maximum length below 3.
 */
export function inspectTokenization(
  sentences: readonly Sentence[],
  tokenizer: Tokenizer,
  options: InspectOptions = {},
): TokenizationReport {
  const maxLength = requireMaxLength(options.maxLength ?? 128);
  const sums = {
    subTokens: 0,
    unknownTokens: 0,
    wordsWithUnknown: 0,
    wordsWithoutTokens: 0,
    truncatedSentences: 0,
    truncatedWords: 0,
    partialWords: 0,
    truncatedEntities: 0,
  };
  const lengths = new Int32Array(sentences.length);
  const types = new Map<string, TypeSums>();
  let words = 0;
  for (const [index, sentence] of sentences.entries()) {
    words += sentence.words.length;
    const tokens = countWords(sentence, tokenizer, maxLength - SPECIAL_TOKENS, sums, types);
    lengths[index] = tokens + SPECIAL_TOKENS;
    sums.subTokens += tokens;
    if (lengths[index]! > maxLength) sums.truncatedSentences++;
  }
  return {
    sentences: sentences.length,
    words,
    ...sums,
    subTokensPerWord: share(sums.subTokens, words),
    unknownTokenRate: share(sums.unknownTokens, sums.subTokens),
    unknownWordRate: share(sums.wordsWithUnknown, words),
    maxLength,
    lengths: summarise(lengths),
    repeatedSentences: sentences.length - new Set(sentences.map(keyOf)).size,
    labels: byFrequency(countTags(sentences)),
    entities: byFrequency(countEntities(sentences)),
    types: typeReports(types),
  };
}

/** A sentence that two splits share makes the second one easier than it looks. */
export interface SharedSentences {
  first: string;
  second: string;
  /** Sentences of the second split whose words are those of a sentence of the first, letter case included. */
  sentences: number;
}

/** Counts for each two splits the sentences of the second that are in the first, too; pairs without any are left out. */
export function findSharedSentences(
  splits: Readonly<Record<string, readonly Sentence[]>>,
): SharedSentences[] {
  const names = Object.keys(splits);
  const keys = new Map(names.map((name) => [name, splits[name]!.map(keyOf)]));
  return names.flatMap((first, index) => {
    const known = new Set(keys.get(first));
    return names.slice(index + 1).flatMap((second) => {
      const sentences = keys.get(second)!.filter((key) => known.has(key)).length;
      return sentences === 0 ? [] : [{ first, second, sentences }];
    });
  });
}

function keyOf({ words }: Sentence): string {
  return JSON.stringify(words);
}

type WordSums = Pick<
  TokenizationReport,
  | 'unknownTokens'
  | 'wordsWithUnknown'
  | 'wordsWithoutTokens'
  | 'truncatedWords'
  | 'partialWords'
  | 'truncatedEntities'
>;

/** @returns sub-tokens of the sentence before truncation. */
function countWords(
  { words, tags }: Sentence,
  tokenizer: Tokenizer,
  room: number,
  sums: WordSums,
  types: Map<string, TypeSums>,
): number {
  const { pieces, unkId } = tokenizer;
  let tokens = 0;
  /** First word that is not there as a whole. */
  let cut = words.length;
  for (const [index, word] of words.entries()) {
    const start = pieces.find(word);
    const { pool } = pieces;
    const count = pool[start]!;
    let unknown = 0;
    for (let i = 1; i <= count; i++) if (pool[start + i] === unkId) unknown++;
    sums.unknownTokens += unknown;
    if (unknown > 0) sums.wordsWithUnknown++;
    if (count === 0) sums.wordsWithoutTokens++;
    else if (tokens >= room) sums.truncatedWords++;
    else if (tokens + count > room) sums.partialWords++;
    const type = sumsOf(types, tags[index]!);
    type.words++;
    type.subTokens += count;
    type.unknownTokens += unknown;
    if (unknown > 0) type.wordsWithUnknown++;
    if (count > 0 && tokens >= room) type.truncatedWords++;
    if (count > 0 && tokens + count > room) cut = Math.min(cut, index);
    tokens += count;
  }
  if (cut < words.length)
    sums.truncatedEntities += spansOfTags(tags).filter(({ last }) => last >= cut).length;
  return tokens;
}

type TypeSums = Omit<TypeTokenization, 'subTokensPerWord' | 'unknownWordRate'>;

function sumsOf(types: Map<string, TypeSums>, tag: string): TypeSums {
  const type = tag === 'O' ? tag : tag.slice(2);
  let sums = types.get(type);
  if (sums === undefined) {
    sums = { words: 0, subTokens: 0, unknownTokens: 0, wordsWithUnknown: 0, truncatedWords: 0 };
    types.set(type, sums);
  }
  return sums;
}

function typeReports(types: ReadonlyMap<string, TypeSums>): Record<string, TypeTokenization> {
  const sorted = [...types].sort(([a, x], [b, y]) => y.words - x.words || (a < b ? -1 : 1));
  return Object.fromEntries(
    sorted.map(([type, sums]) => [
      type,
      {
        ...sums,
        subTokensPerWord: share(sums.subTokens, sums.words),
        unknownWordRate: share(sums.wordsWithUnknown, sums.words),
      },
    ]),
  );
}

/** Median and 99th percentile by linear interpolation between the nearest ranks. */
function summarise(lengths: Int32Array): LengthSummary {
  if (lengths.length === 0) return { mean: 0, median: 0, p99: 0, max: 0 };
  const sorted = lengths.slice().sort();
  const quantile = (share: number) => {
    const rank = share * (sorted.length - 1);
    const below = sorted[Math.floor(rank)]!;
    return below + (sorted[Math.ceil(rank)]! - below) * (rank - Math.floor(rank));
  };
  const total = sorted.reduce((sum, length) => sum + length, 0);
  return {
    mean: total / sorted.length,
    median: quantile(0.5),
    p99: quantile(0.99),
    max: sorted[sorted.length - 1]!,
  };
}

function countTags(sentences: readonly Sentence[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { tags } of sentences) for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return counts;
}

function countEntities(sentences: readonly Sentence[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { tags } of sentences) {
    for (const { type } of spansOfTags(tags)) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return counts;
}

function byFrequency(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
