import type { EncoderConfig } from '../contract/encoder-config.js';
import { PermafrostError } from '../errors/error.js';
import type { NativeParameter } from '../native/addon.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { StoredTensor } from './weights/stored-tensor.js';

/** Tokens for which a checkpoint has no row, behind those that it has. */
export interface GrownVocabulary {
  /** Rows that the checkpoint has. */
  rows: number;
  /** Tokens that the model is to have. */
  size: number;
  /** Text of each token whose row is drawn. */
  tokens: string[];
}

/**
 * What a tokenizer has beyond the embedding: tokens that were added to it, or more of its own where `vocab_size` of
 * config.json says that the model is to have them. Null where there is nothing.
 *
 * @throws WEIGHTS_MISMATCH for a tokenizer that may be another model's: its tokens would be those of wrong rows
 */
export function grownVocabulary(
  tokenizer: Tokenizer,
  config: EncoderConfig,
  configFile: string,
  tensors: readonly StoredTensor[],
): GrownVocabulary | null {
  const table = tensors.find(({ name }) => name.endsWith('word_embeddings.weight'));
  const rows = table?.shape[0] ?? config.vocabSize;
  const { vocabSize: size, ownVocabSize, file } = tokenizer;
  if (size <= rows) return null;
  const isStated = config.vocabSize === size;
  const isAdded = config.vocabSize === rows && ownVocabSize <= rows;
  if (isStated || isAdded) return { rows, size, tokens: tokenizer.tokens().slice(rows) };
  const weights = table?.file ?? configFile;
  throw new PermafrostError(
    'WEIGHTS_MISMATCH',
    `${file} has ${size} tokens, but the embedding in ${weights} has rows for ${rows}, and ${ownVocabSize} of the tokens are ` +
      'the vocabulary itself, not added to it: it may be that of another model. Take the tokenizer that the model was ' +
      `trained with; or, where its vocabulary was extended at the end, set vocab_size to ${size} in ${configFile}: then the ` +
      'rows of the others are drawn.',
    { tokenizer: file, weights, expected: rows, got: size },
  );
}

/** Whether a stored tensor has a row for each token but those that are new. */
export function lacksNewTokens(
  { shape }: StoredTensor,
  parameter: NativeParameter,
  { rows, size }: GrownVocabulary,
): boolean {
  const isOfTokens = /word_embeddings\.weight$|^cls\.predictions\./.test(parameter.name);
  const [[stored, ...width], [wanted, ...wide]] = [shape, parameter.shape];
  return isOfTokens && stored === rows && wanted === size && String(width) === String(wide);
}
