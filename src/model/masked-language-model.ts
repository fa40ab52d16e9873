import type { EncoderConfig } from '../contract/encoder-config.js';
import { architectureOf } from './architectures.js';
import {
  type EncoderConfigInput,
  encoderConfig,
  type HuggingFaceConfig,
  huggingFaceEncoder,
  readConfigFile,
} from './config.js';
import {
  configFileOf,
  drawWeights,
  EncoderModel,
  loadWeights,
  type ModelParts,
  withEngine,
} from './encoder-model.js';
import { findTokenizer } from './model-directory.js';
import { type CreateOptions, type LoadOptions, parseCreateOptions, parseLoadOptions } from './options.js';

const HEAD = 'masked-lm';

/**
 * A BERT encoder with the head that predicts hidden tokens, as BertForMaskedLM has it. Its decoder is the
 * table of word embeddings: one parameter, which learns by both and freezes with the embeddings.
 *
 * Labels are token ids at the places to predict, -100 elsewhere; classes are the tokens of the vocabulary.
 */
export class MaskedLanguageModel extends EncoderModel {
  private constructor(parts: Omit<ModelParts, 'head'>) {
    super({ ...parts, head: HEAD });
  }

  /**
   * Loads a model directory as Hugging Face writes it. An encoder without this head, such as a token
   * classifier's, starts the head afresh; `loadReport` says so.
   *
   * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT, WEIGHTS_MISMATCH, UNSUPPORTED_MODEL, INVALID_OPTION,
   *   DEVICE_UNAVAILABLE, ADDON_MISSING, ADDON_MISMATCH
   */
  static async load(
    directory: string,
    options: Omit<LoadOptions, 'labels'> = {},
  ): Promise<MaskedLanguageModel> {
    const {
      labels: _labels,
      lowercase,
      signal,
      ...device
    } = parseLoadOptions(options, 'MaskedLanguageModel.load');
    signal?.throwIfAborted();
    const configFile = configFileOf(directory);
    const huggingFaceConfig = await readConfigFile(configFile);
    const config = huggingFaceEncoder(huggingFaceConfig, configFile, []);
    const tokenizer = await findTokenizer(directory, lowercase);
    return withEngine(device, HEAD, config, async (engine, parameters) => {
      const architecture = architectureOf(config.modelType, configFile);
      const source = { directory, architecture, freshHead: false, device, signal };
      const loadReport = await loadWeights(engine, parameters, source);
      return new MaskedLanguageModel({
        engine,
        config,
        parameters,
        tokenizer,
        huggingFaceConfig,
        loadReport,
      });
    });
  }

  /**
   * A model of random weights, drawn as Hugging Face draws them.
   *
   * @param config an {@link EncoderConfig} without labels, or the content of a Hugging Face `config.json`
   * @throws INVALID_OPTION, UNSUPPORTED_MODEL, DEVICE_UNAVAILABLE, ADDON_MISSING, ADDON_MISMATCH
   */
  static async create(
    config: Omit<EncoderConfigInput, 'labels'> | HuggingFaceConfig,
    options: CreateOptions = {},
  ): Promise<MaskedLanguageModel> {
    const { tokenizer = null, ...device } = parseCreateOptions(options, 'MaskedLanguageModel.create');
    const encoder: EncoderConfig = { ...encoderConfig(config, 'config', []), labels: [] };
    return withEngine(device, HEAD, encoder, async (engine, parameters) => {
      const loadReport = await drawWeights(engine, parameters, device.seed);
      return new MaskedLanguageModel({
        engine,
        config: encoder,
        parameters,
        tokenizer,
        huggingFaceConfig: {},
        loadReport,
      });
    });
  }
}
