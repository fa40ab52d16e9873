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

const HEAD = 'token-classification';

/** A BERT-family encoder with a head that gives each token a label. */
export class TokenClassifier extends EncoderModel {
  private constructor(parts: Omit<ModelParts, 'head'>) {
    super({ ...parts, head: HEAD });
  }

  /**
   * Loads a model directory as Hugging Face writes it: `config.json`, `model.safetensors` (also in
   * shards), `tokenizer.json` or `vocab.txt`.
   *
   * A checkpoint without a classifier, such as one of a masked language model, starts the head afresh;
   * `loadReport` says so.
   *
   * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT, WEIGHTS_MISMATCH, UNSUPPORTED_MODEL, INVALID_OPTION,
   *   DEVICE_UNAVAILABLE, ADDON_MISSING, ADDON_MISMATCH
   */
  static async load(directory: string, options: LoadOptions = {}): Promise<TokenClassifier> {
    const { labels, lowercase, signal, ...device } = parseLoadOptions(options, 'TokenClassifier.load');
    signal?.throwIfAborted();
    const configFile = configFileOf(directory);
    const huggingFaceConfig = await readConfigFile(configFile);
    const config = huggingFaceEncoder(huggingFaceConfig, configFile, labels);
    const tokenizer = await findTokenizer(directory, lowercase);
    const freshHead = labels !== undefined && !sameLabels(labels, huggingFaceConfig.id2label);
    return withEngine(device, HEAD, config, async (engine, parameters) => {
      const architecture = architectureOf(config.modelType, configFile);
      const source = { directory, architecture, freshHead, device, signal };
      const loadReport = await loadWeights(engine, parameters, source);
      return new TokenClassifier({ engine, config, parameters, tokenizer, huggingFaceConfig, loadReport });
    });
  }

  /**
   * A model of random weights, drawn as Hugging Face draws them.
   *
   * @param config an {@link EncoderConfig}, or the content of a Hugging Face `config.json`
   * @throws INVALID_OPTION, UNSUPPORTED_MODEL, DEVICE_UNAVAILABLE, ADDON_MISSING, ADDON_MISMATCH
   */
  static async create(
    config: EncoderConfigInput | HuggingFaceConfig,
    options: CreateOptions = {},
  ): Promise<TokenClassifier> {
    const { tokenizer = null, ...device } = parseCreateOptions(options, 'TokenClassifier.create');
    const encoder: EncoderConfig = encoderConfig(config, 'config');
    return withEngine(device, HEAD, encoder, async (engine, parameters) => {
      const loadReport = await drawWeights(engine, parameters, device.seed);
      return new TokenClassifier({
        engine,
        config: encoder,
        parameters,
        tokenizer,
        huggingFaceConfig: {},
        loadReport,
      });
    });
  }

  /** Label of each id. */
  get labels(): readonly string[] {
    return this.config.labels;
  }
}

function sameLabels(labels: readonly string[], id2label: unknown): boolean {
  const stored = Object.values((id2label ?? {}) as Record<string, string>);
  return stored.length === labels.length && labels.every((label, id) => stored[id] === label);
}
