import { maxLengthFor, tokenizerOf } from '../evaluation/evaluate.js';
import { OUTSIDE } from '../evaluation/token-metrics.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import { cutWindows, type Window } from '../text/windows.js';
import { packSequences, sequenceOf } from './sequences.js';
import { tokenizeWords } from './tagged-text.js';

/** Tokens that are computed at once. */
const MAX_TOKENS = 4096;

export interface TagWordsOptions {
  /** Tokens that the model sees at once, special tokens included. @default as in training, or the model's positions if fewer */
  maxLength?: number;
  signal?: AbortSignal;
}

/** The tags of a row of words. */
export interface TaggedWords {
  /** One a word, that of its first token; `O` for the words of `empty`. */
  tags: string[];
  /** Words of which the tokenizer leaves nothing, by their positions. */
  empty: number[];
  /** Words that are longer than a window by themselves, of which the model saw no more than the beginning. */
  cut: number[];
}

/** A window of a row, and where the row's words lie in it. */
interface RowWindow {
  row: number;
  window: Window;
  sequence: Int32Array;
}

/**
 * Predicts a tag for every word of rows of any length, in windows where a row is longer than the model takes. Each word's
 * tag comes from the window in which it has more context.
 *
 * @throws INVALID_OPTION where the model has no tokenizer, or fewer positions than `maxLength`; `signal.reason` on abort
 */
export async function tagWords(
  model: TokenClassifier,
  rows: readonly (readonly string[])[],
  { maxLength, signal }: TagWordsOptions = {},
): Promise<TaggedWords[]> {
  const tokenizer = tokenizerOf(model);
  const maxTokens = maxLengthFor(model, maxLength) - 2;
  const overlap = Math.floor(maxTokens / 4);
  const tokens = rows.map((words) => tokenizeWords(words, tokenizer));
  const windows = tokens.flatMap(({ inputIds, words }, row) =>
    cutWindows(words, { maxTokens, overlap }).map(
      (window): RowWindow => ({ row, window, sequence: sequenceOf(inputIds, window, tokenizer) }),
    ),
  );
  const results = tokens.map(({ words }, row) => untagged(rows[row]!.length, words, maxTokens));
  for (const batch of batchesOf(windows)) {
    signal?.throwIfAborted();
    const { inputIds, cuSeqlens } = packSequences(batch.map(({ sequence }) => sequence));
    const [labels] = await model.predict([{ inputIds, cuSeqlens }], { ...(signal && { signal }) });
    for (const [i, { row, window }] of batch.entries()) {
      const { words } = tokens[row]!;
      // The first token of a sequence is [CLS].
      const first = cuSeqlens[i]! + 1 - window.start;
      for (let token = window.from; token < window.to; token++) {
        const word = words[token]!;
        if (token === 0 || words[token - 1] !== word) {
          results[row]!.tags[word] = model.labels[labels![first + token]!]!;
        }
      }
    }
  }
  return results;
}

function untagged(numWords: number, words: Int32Array, maxTokens: number): TaggedWords {
  const counts = new Int32Array(numWords);
  for (const word of words) counts[word]!++;
  const where = (isMeant: (count: number) => boolean) =>
    Array.from(counts.keys()).filter((word) => isMeant(counts[word]!));
  return {
    tags: new Array<string>(numWords).fill(OUTSIDE),
    empty: where((count) => count === 0),
    cut: where((count) => count > maxTokens),
  };
}

/** Windows of similar length together, the longest first. */
function* batchesOf(windows: readonly RowWindow[]): Generator<RowWindow[]> {
  let batch: RowWindow[] = [];
  let tokens = 0;
  for (const window of [...windows].sort((a, b) => b.sequence.length - a.sequence.length)) {
    if (batch.length > 0 && tokens + window.sequence.length > MAX_TOKENS) {
      yield batch;
      batch = [];
      tokens = 0;
    }
    batch.push(window);
    tokens += window.sequence.length;
  }
  if (batch.length > 0) yield batch;
}
