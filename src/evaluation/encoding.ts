import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import type { EncoderModel } from '../model/encoder-model.js';
import type { EncodeDatasetOptions } from '../text/encode.js';

/** Where sentences are cut, as in the paper. */
const DEFAULT_MAX_LENGTH = 128;

/** How sentences become examples, beside their greatest length. A model keeps what it was trained with. */
export const encodingShape = {
  /**
   * What is done with sentences longer than `maxLength`: cut off, as the paper has it, or divided into overlapping
   * windows, in which each word is learnt and scored once. @default as the model was trained before, else 'truncate'
   */
  longSentences: z
    .enum(['truncate', 'windows'])
    .optional()
    .describe('longer sentences: truncate (the paper), or windows that overlap, which lose nothing'),
  /**
   * Tokens of its document that a sentence has on each side as context, which is neither learnt nor scored; 64 in FLERT
   * (Schweter & Akbik 2020). @default as the model was trained before, else 0
   */
  contextTokens: z
    .int()
    .nonnegative()
    .optional()
    .describe('tokens of the document around each sentence, as context'),
};

/** What is asked for of an encoding; undefined where nothing is. */
type RequestedEncoding = { [Name in keyof EncodeDatasetOptions]?: EncodeDatasetOptions[Name] | undefined };

/**
 * How sentences become examples of a model: as asked for, else as it was trained.
 *
 * @throws INVALID_OPTION where more is asked for than the model has positions
 */
export function encodingOf(
  model: EncoderModel,
  requested: RequestedEncoding,
): Required<EncodeDatasetOptions> {
  const { trainedWith } = model;
  return {
    maxLength: maxLengthFor(model, requested.maxLength),
    longSentences: requested.longSentences ?? trainedWith?.longSentences ?? 'truncate',
    contextTokens: requested.contextTokens ?? trainedWith?.contextTokens ?? 0,
  };
}

/**
 * Longest example in tokens: as asked for, else what the model was trained with, else 128, the paper's, or what the
 * model has positions for.
 *
 * @throws INVALID_OPTION where more is asked for than the model has positions
 */
export function maxLengthFor(model: EncoderModel, requested: number | undefined): number {
  const { maxLength } = model;
  if (requested === undefined) return Math.min(model.trainedWith?.maxLength ?? DEFAULT_MAX_LENGTH, maxLength);
  if (requested <= maxLength) return requested;
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`maxLength\`: the model has ${maxLength} positions, got ${requested}. Choose at most ${maxLength}.`,
    { option: 'maxLength', got: requested, maxLength },
  );
}

/** The model's tokenizer. @throws INVALID_OPTION where it has none */
export function tokenizerOf(model: EncoderModel) {
  if (model.tokenizer) return model.tokenizer;
  throw new PermafrostError(
    'INVALID_OPTION',
    'The model has no tokenizer: its directory holds neither tokenizer.json nor vocab.txt nor a SentencePiece model. Put one there. ' +
      'A model that is created takes one as `tokenizer`.',
  );
}
