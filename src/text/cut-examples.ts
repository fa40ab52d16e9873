import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { IGNORED_LABEL } from '../contract/packed-batch.js';
import { IntList } from './int-list.js';
import { cutWindows, defaultOverlap, type TokenRange, type Window } from './windows.js';

/** What is done with a sentence that is longer than an example. */
export type LongSentences = 'truncate' | 'windows';

export interface CutOptions {
  /** Most tokens of an example, `[CLS]` and `[SEP]` included. */
  maxLength: number;
  longSentences: LongSentences;
  /** Most tokens of its document on each side of a sentence. */
  contextTokens: number;
  /** Whether a sentence begins a document. */
  beginsDocument(sentence: number): boolean;
}

/** Word index of tokens of which nothing is asked: special tokens and context. */
const NO_WORD = -1;

/**
 * Cuts whole sentences into examples: where they are too long into overlapping windows, of which each word belongs to
 * one, and where they are short with words of their neighbours around them. Tokens of the overlap and of the
 * neighbours are seen and neither learnt nor scored.
 *
 * @param whole the sentences without a limit, one example each.
 * @returns examples with `sentences` where a sentence may be several.
 */
export function cutExamples(whole: EncodedDataset, options: CutOptions): EncodedDataset {
  const { maxLength, longSentences, contextTokens } = options;
  const maxTokens = maxLength - 2;
  const truncatedWords = new Int32Array(whole.size);
  const tokens = new ExampleColumns(whole);
  for (let sentence = 0; sentence < whole.size; sentence++) {
    const { start, end } = contentOf(whole, sentence);
    const words = whole.wordIds.subarray(start, end);
    if (end - start <= maxTokens) {
      const context = contextTokens > 0 && end > start ? contextOf(whole, sentence, options) : NO_CONTEXT;
      const window = { start, end, from: start, to: end };
      tokens.add(sentence, window, context);
    } else if (longSentences === 'windows') {
      for (const window of cutWindows(words, { maxTokens, overlap: defaultOverlap(maxTokens) }))
        tokens.add(sentence, shifted(window, start), NO_CONTEXT);
    } else {
      const cut = start + maxTokens;
      tokens.add(sentence, { start, end: cut, from: start, to: cut }, NO_CONTEXT);
      truncatedWords[sentence] = countFirstTokens(whole, cut, end);
    }
  }
  return { ...tokens.columns(), wordCounts: whole.wordCounts, truncatedWords };
}

/** Tokens of a sentence between its special ones. */
function contentOf({ offsets }: EncodedDataset, sentence: number): TokenRange {
  return { start: offsets[sentence]! + 1, end: offsets[sentence + 1]! - 1 };
}

/** What stands before and behind a sentence, in the order of the text. */
interface Context {
  before: TokenRange[];
  behind: TokenRange[];
}

const NO_CONTEXT: Context = { before: [], behind: [] };

/** Whole words of the sentence's document on both sides, as many as are wanted and have room. */
function contextOf(whole: EncodedDataset, sentence: number, options: CutOptions): Context {
  const { start, end } = contentOf(whole, sentence);
  const room = options.maxLength - 2 - (end - start);
  const wanted = Math.min(options.contextTokens, room);
  // What one side lacks is the other's.
  const behindAtMost = countTokens(rangesBehind(whole, sentence, wanted, options));
  const before = rangesBefore(
    whole,
    sentence,
    Math.min(wanted, Math.max(Math.floor(room / 2), room - behindAtMost)),
    options,
  );
  const behind = rangesBehind(whole, sentence, Math.min(wanted, room - countTokens(before)), options);
  return { before, behind };
}

function rangesBefore(
  whole: EncodedDataset,
  sentence: number,
  limit: number,
  { beginsDocument }: CutOptions,
): TokenRange[] {
  const ranges: TokenRange[] = [];
  for (let left = limit, at = sentence; left > 0 && at > 0 && !beginsDocument(at); at--) {
    const { start, end } = contentOf(whole, at - 1);
    let from = Math.max(start, end - left);
    while (from < end && !isFirstToken(whole, from)) from++;
    if (from < end) ranges.unshift({ start: from, end });
    if (from > start) break;
    left -= end - from;
  }
  return ranges;
}

function rangesBehind(
  whole: EncodedDataset,
  sentence: number,
  limit: number,
  { beginsDocument }: CutOptions,
): TokenRange[] {
  const ranges: TokenRange[] = [];
  for (let left = limit, at = sentence + 1; left > 0 && at < whole.size && !beginsDocument(at); at++) {
    const { start, end } = contentOf(whole, at);
    let to = Math.min(end, start + left);
    while (to > start && to < end && !isFirstToken(whole, to)) to--;
    if (to > start) ranges.push({ start, end: to });
    if (to < end) break;
    left -= to - start;
  }
  return ranges;
}

function countTokens(ranges: readonly TokenRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** Whether a token, which is no special one, is the first of its word; special tokens stand between sentences. */
function isFirstToken({ wordIds }: EncodedDataset, token: number): boolean {
  return wordIds[token] !== wordIds[token - 1];
}

function countFirstTokens(whole: EncodedDataset, start: number, end: number): number {
  let count = 0;
  for (let token = start; token < end; token++) if (isFirstToken(whole, token)) count++;
  return count;
}

function shifted({ start, end, from, to }: Window, by: number): Window {
  return { start: start + by, end: end + by, from: from + by, to: to + by };
}

/** The examples so far. */
class ExampleColumns {
  readonly #whole: EncodedDataset;
  readonly #inputIds = new IntList();
  readonly #labels = new IntList();
  readonly #wordIds = new IntList();
  readonly #offsets = new IntList();
  readonly #sentences = new IntList();

  constructor(whole: EncodedDataset) {
    this.#whole = whole;
    this.#offsets.push(0);
  }

  add(sentence: number, window: Window, { before, behind }: Context): void {
    const { offsets } = this.#whole;
    const specials = [offsets[sentence]!, offsets[sentence + 1]! - 1] as const;
    this.#unasked({ start: specials[0], end: specials[0] + 1 });
    for (const range of before) this.#unasked(range);
    this.#asked(window);
    for (const range of behind) this.#unasked(range);
    this.#unasked({ start: specials[1], end: specials[1] + 1 });
    this.#offsets.push(this.#inputIds.length);
    this.#sentences.push(sentence);
  }

  columns(): Omit<EncodedDataset, 'wordCounts' | 'truncatedWords'> {
    return {
      size: this.#sentences.length,
      inputIds: this.#inputIds.toArray(),
      labels: this.#labels.toArray(),
      wordIds: this.#wordIds.toArray(),
      offsets: this.#offsets.toArray(),
      sentences: this.#sentences.toArray(),
    };
  }

  #asked({ start, end, from, to }: Window): void {
    const { wordIds } = this.#whole;
    // A word that is longer than a window goes on in the next one, which is not asked for it.
    let first = from;
    while (first < to && !isFirstToken(this.#whole, first)) first++;
    for (let token = start; token < end; token++) {
      const isAsked = token >= first && token < to;
      this.#push(token, isAsked ? wordIds[token]! : NO_WORD);
    }
  }

  #unasked({ start, end }: TokenRange): void {
    for (let token = start; token < end; token++) this.#push(token, NO_WORD);
  }

  #push(token: number, word: number): void {
    const { inputIds, labels } = this.#whole;
    this.#inputIds.push(inputIds[token]!);
    this.#labels.push(word === NO_WORD ? IGNORED_LABEL : labels[token]!);
    this.#wordIds.push(word);
  }
}
