import type { Decoding } from '../evaluation/decoding.js';
import { encodingOf, tokenizerOf } from '../evaluation/encoding.js';
import { predictTags } from '../evaluation/evaluate.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import { encodeWordsDataset } from '../text/encode.js';

export interface TagWordsOptions {
  /** Tokens that the model sees at once, special tokens included. @default as in training, or the model's positions if fewer */
  maxLength?: number;
  /** Tokens of neighbouring rows that a row has on each side; a row without words parts documents. @default as in training */
  contextTokens?: number;
  /** How scores become tags. @default as the model was measured in training; see {@link Decoding} */
  decoding?: Decoding;
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

/**
 * Predicts a tag for every word of rows of any length, in windows where a row is longer than the model takes. Each word's
 * tag comes from the window in which it has more context.
 *
 * @throws INVALID_OPTION where the model has no tokenizer, or fewer positions than `maxLength`; `signal.reason` on abort
 */
export async function tagWords(
  model: TokenClassifier,
  rows: readonly (readonly string[])[],
  { signal, decoding, ...options }: TagWordsOptions = {},
): Promise<TaggedWords[]> {
  const tokenizer = tokenizerOf(model);
  const encoding = encodingOf(model, { ...options, longSentences: 'windows' });
  const dataset = encodeWordsDataset(rows, tokenizer, encoding);
  const { predicted } = await predictTags(model, dataset, {
    ...(decoding && { decoding }),
    ...(signal && { signal }),
  });
  const room = encoding.maxLength - 2;
  return rows.map((words, row) => {
    const counts = words.map((word) => tokenizer.wordPieces(word).length);
    const where = (isMeant: (count: number) => boolean) =>
      Array.from(counts.keys()).filter((word) => isMeant(counts[word]!));
    return {
      tags: predicted[row]!,
      empty: where((count) => count === 0),
      cut: where((count) => count > room),
    };
  });
}
