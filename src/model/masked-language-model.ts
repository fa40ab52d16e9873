import { type EncoderConfigInput, encoderConfig, type HuggingFaceConfig } from './config.js';
import { EncoderModel, type ModelParts } from './encoder-model.js';
import { createParts, loadParts } from './open-model.js';
import { type CreateOptions, type LoadOptions, parseCreateOptions, parseLoadOptions } from './options.js';

const HEAD = 'masked-lm';

/**
 * A BERT encoder with the head that predicts hidden tokens, as BertForMaskedLM has it. Its decoder is the
 * table of word embeddings: one parameter, which learns by both and freezes with the embeddings.
 *
 * Labels are token ids at the places to predict, -100 elsewhere; classes are the tokens of the vocabulary.
 */
export class MaskedLanguageModel extends EncoderModel {
  private constructor(parts: ModelParts) {
    super(parts);
  }

  /**
   * Loads a model directory as Hugging Face writes it, or a model of the Hub by its name. An encoder without this head, such as a token
   * classifier's, starts the head afresh; `loadReport` says so.
   *
   * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT, WEIGHTS_MISMATCH, UNSUPPORTED_MODEL, INVALID_OPTION,
   *   DEVICE_UNAVAILABLE, ADDON_MISSING, ADDON_MISMATCH
   */
  static async load(
    model: string,
    options: Omit<LoadOptions, 'labels' | 'head'> = {},
  ): Promise<MaskedLanguageModel> {
    const parsed = parseLoadOptions(options, 'MaskedLanguageModel.load');
    return new MaskedLanguageModel(
      await loadParts(
        () => HEAD,
        model,
        parsed,
        [],
        () => 'stored',
      ),
    );
  }

  /**
   * A model of random weights, drawn as Hugging Face draws them.
   *
   * @param config an {@link EncoderConfig} without labels, or the content of a Hugging Face `config.json`
   * @throws INVALID_OPTION, UNSUPPORTED_MODEL, DEVICE_UNAVAILABLE, ADDON_MISSING, ADDON_MISMATCH
   */
  static async create(
    config: Omit<EncoderConfigInput, 'labels'> | HuggingFaceConfig,
    options: Omit<CreateOptions, 'head'> = {},
  ): Promise<MaskedLanguageModel> {
    const parsed = parseCreateOptions(options, 'MaskedLanguageModel.create');
    const encoder = { ...encoderConfig(config, 'config', []), labels: [] };
    return new MaskedLanguageModel(await createParts(HEAD, encoder, parsed));
  }
}
