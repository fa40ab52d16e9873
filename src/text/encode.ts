import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { IGNORED_LABEL } from '../contract/packed-batch.js';
import type { LabelSet } from '../data/label-set.js';
import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import { atOnce, type Steps } from '../io/turns.js';
import { alignLabels } from './align-labels.js';
import { cutExamples, type LongSentences } from './cut-examples.js';
import { requireMaxLength, type Tokenizer } from './tokenizer.js';

export interface EncodeDatasetOptions {
  /** Most tokens of an example, `[CLS]` and `[SEP]` included; at least 3. @default 128 */
  maxLength?: number;
  /**
   * Whether a sentence that is longer is cut off, as the paper has it, or is several examples: windows that overlap by a
   * quarter, of which each word belongs to one, the one in which it has more around it. @default 'truncate'
   */
  longSentences?: LongSentences;
  /**
   * Most tokens of its document that a sentence has on each side, in whole words, as far as there is room. They are seen
   * and neither learnt nor scored (FLERT: Schweter & Akbik 2020, who take 64). @default 0
   */
  contextTokens?: number;
}

/** The paper's maximum length. */
const DEFAULT_MAX_LENGTH = 128;
/** Between how many examples others may have a turn. */
const EXAMPLES_A_STEP = 32;
/** Word index of special tokens. */
const NO_WORD = -1;

/**
 * Encodes annotated sentences, one example each, in their order; long ones are several with `longSentences: 'windows'`.
 *
 * @returns flat arrays; see {@link EncodedDataset} for their shapes.
 * @throws LABEL_MISMATCH naming file, line and word of a tag that is not in the label set; DATA_FORMAT for a sentence
 * whose words and tags differ in number; INVALID_OPTION for a maximum length below 3.
 */
export function encodeDataset(
  sentences: readonly Sentence[],
  tokenizer: Tokenizer,
  labels: LabelSet,
  options: EncodeDatasetOptions = {},
): EncodedDataset {
  return atOnce(encodeSteps(sentences, tokenizer, labels, options));
}

/**
 * The same in steps, see `inTurns`.
 *
 * @param unknown whether a tag that is not in the label set is an error, or its word has no label.
 */
export function encodeSteps(
  sentences: readonly Sentence[],
  tokenizer: Tokenizer,
  labels: LabelSet,
  options: EncodeDatasetOptions = {},
  unknown: 'refuse' | 'ignore' = 'refuse',
): Steps<EncodedDataset> {
  return encodeExamples(
    sentences.map(({ words }) => words),
    (_, example) => labelIds(sentences[example]!, example, labels, unknown),
    tokenizer,
    options,
    (sentence) => beginsDocument(sentences, sentence),
  );
}

/**
 * Encodes sentences that have no tags; every label is -100. With context, a sentence without words parts documents.
 *
 * @throws INVALID_OPTION for a maximum length below 3.
 */
export function encodeWordsDataset(
  sentences: readonly (readonly string[])[],
  tokenizer: Tokenizer,
  options: EncodeDatasetOptions = {},
): EncodedDataset {
  return atOnce(encodeWordSteps(sentences, tokenizer, options));
}

/** The same in steps, see `inTurns`. */
export function encodeWordSteps(
  sentences: readonly (readonly string[])[],
  tokenizer: Tokenizer,
  options: EncodeDatasetOptions = {},
): Steps<EncodedDataset> {
  return encodeExamples(
    sentences,
    (words) => new Int32Array(words.length).fill(IGNORED_LABEL),
    tokenizer,
    options,
    (sentence) =>
      sentence === 0 || sentences[sentence]!.length === 0 || sentences[sentence - 1]!.length === 0,
  );
}

/** A document is a run of sentences of one file whose readers found one document, or no borders of documents. */
function beginsDocument(sentences: readonly Sentence[], index: number): boolean {
  if (index === 0) return true;
  const [before, sentence] = [sentences[index - 1]!, sentences[index]!];
  return sentence.file !== before.file || sentence.document !== before.document;
}

function* encodeExamples(
  sentences: readonly (readonly string[])[],
  labelsOf: (words: readonly string[], example: number) => ArrayLike<number>,
  tokenizer: Tokenizer,
  { maxLength = DEFAULT_MAX_LENGTH, longSentences = 'truncate', contextTokens = 0 }: EncodeDatasetOptions,
  beginsDocument: (sentence: number) => boolean,
): Steps<EncodedDataset> {
  requireMaxLength(maxLength);
  const isCut = longSentences === 'windows' || contextTokens > 0;
  const whole = yield* encodeAll(sentences, labelsOf, tokenizer, isCut ? Infinity : maxLength);
  return isCut ? cutExamples(whole, { maxLength, longSentences, contextTokens, beginsDocument }) : whole;
}

function* encodeAll(
  sentences: readonly (readonly string[])[],
  labelsOf: (words: readonly string[], example: number) => ArrayLike<number>,
  tokenizer: Tokenizer,
  maxLength: number,
): Steps<EncodedDataset> {
  const size = sentences.length;
  const tokens = new TokenColumns(sentences.reduce((sum, words) => sum + 2 * words.length + 2, 0));
  const offsets = new Int32Array(size + 1);
  const wordCounts = new Int32Array(size);
  const truncatedWords = new Int32Array(size);
  for (const [example, words] of sentences.entries()) {
    truncatedWords[example] = tokens.addSentence(words, labelsOf(words, example), tokenizer, maxLength);
    wordCounts[example] = words.length;
    offsets[example + 1] = tokens.length;
    if (example % EXAMPLES_A_STEP === 0) yield;
  }
  return { size, ...tokens.columns(), offsets, wordCounts, truncatedWords };
}

/** Ids, labels and words of all tokens so far, in arrays that grow as needed. */
class TokenColumns {
  length = 0;
  #inputIds: Int32Array;
  #labels: Int32Array;
  #wordIds: Int32Array;

  constructor(capacity: number) {
    this.#inputIds = new Int32Array(capacity);
    this.#labels = new Int32Array(capacity);
    this.#wordIds = new Int32Array(capacity);
  }

  /** @returns number of words whose first sub-token was cut off. */
  addSentence(
    words: readonly string[],
    wordLabels: ArrayLike<number>,
    tokenizer: Tokenizer,
    maxLength: number,
  ): number {
    const start = this.length;
    const end = start + maxLength - 1;
    let truncated = 0;
    this.#push(tokenizer.clsId, NO_WORD);
    for (let word = 0; word < words.length; word++) {
      const at = tokenizer.pieces.find(words[word]!);
      const { pool } = tokenizer.pieces;
      const count = pool[at]!;
      if (count > 0 && this.length >= end) truncated++;
      const taken = Math.min(count, end - this.length);
      for (let i = 1; i <= taken; i++) this.#push(pool[at + i]!, word);
    }
    this.#push(tokenizer.sepId, NO_WORD);
    alignLabels(this.#wordIds.subarray(start, this.length), wordLabels, this.#labels, start);
    return truncated;
  }

  columns(): Pick<EncodedDataset, 'inputIds' | 'labels' | 'wordIds'> {
    return {
      inputIds: this.#inputIds.slice(0, this.length),
      labels: this.#labels.slice(0, this.length),
      wordIds: this.#wordIds.slice(0, this.length),
    };
  }

  #push(id: number, word: number): void {
    this.#reserve(1);
    this.#inputIds[this.length] = id;
    this.#wordIds[this.length] = word;
    this.length++;
  }

  #reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.#inputIds.length) return;
    const capacity = Math.max(needed, Math.ceil(this.#inputIds.length * 1.5));
    this.#inputIds = grown(this.#inputIds, capacity);
    this.#labels = grown(this.#labels, capacity);
    this.#wordIds = grown(this.#wordIds, capacity);
  }
}

function grown(array: Int32Array, capacity: number): Int32Array {
  const result = new Int32Array(capacity);
  result.set(array);
  return result;
}

function labelIds(
  sentence: Sentence,
  example: number,
  labels: LabelSet,
  unknown: 'refuse' | 'ignore',
): number[] {
  const { words, tags } = sentence;
  if (words.length !== tags.length) {
    throw new PermafrostError(
      'DATA_FORMAT',
      `${placeOf(sentence, example)}: expected a tag for each of the ${words.length} words, got ${tags.length} tags.`,
      { file: sentence.file, line: sentence.line, words: words.length, tags: tags.length },
    );
  }
  return tags.map((tag, word) => {
    const id = labels.id(tag);
    if (id !== undefined) return id;
    if (unknown === 'ignore') return IGNORED_LABEL;
    const place = wordPlace(sentence, example, word);
    return labels.requireId(tag, place);
  });
}

/** File and line of a word, or its position where it has none. */
function wordPlace(sentence: Sentence, example: number, word: number): string {
  const { file, line, words } = sentence;
  const text = JSON.stringify(words[word]);
  // In column files each word has its line; JSON lines have the whole sentence on one.
  const isOneLine = file === undefined || line === undefined || /\.jsonl?$/.test(file);
  if (isOneLine)
    return `${placeOf(sentence, example)}${file === undefined ? ',' : ''} word ${word} (${text})`;
  return `${file}:${line + word} (word ${text})`;
}

function placeOf({ file, line }: Sentence, example: number): string {
  if (file === undefined) return `sentence ${example}`;
  return line === undefined ? `${file}, sentence ${example}` : `${file}:${line}`;
}
