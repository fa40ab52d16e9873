import { type EncoderConfigInput, encoderConfig, type HuggingFaceConfig } from './config.js';
import { EncoderModel, type ModelParts } from './encoder-model.js';
import { createParts, loadParts } from './open-model.js';
import { type CreateOptions, type LoadOptions, parseCreateOptions, parseLoadOptions } from './options.js';

const HEAD = 'token-classification';

/** A BERT-family encoder with a head that gives each token a label. */
export class TokenClassifier extends EncoderModel {
  private constructor(parts: ModelParts) {
    super(parts);
  }

  /**
   * Loads a model directory as Hugging Face writes it: `config.json`, the weights (`model.safetensors`, else
   * `pytorch_model.bin`, both also in shards, else ONNX), `tokenizer.json`, `vocab.txt` or a SentencePiece model; or a model
   * of the Hub by its name, which is fetched.
   *
   * A checkpoint without a classifier of tokens, such as one of a masked language model or a classifier of whole
   * sentences, starts the head afresh; `loadReport` says so. `Tagger.load` and the commands that use a model refuse it.
   *
   * @param model a directory, else `owner/name[@revision]`.
   * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT, WEIGHTS_MISMATCH, UNSUPPORTED_MODEL, INVALID_OPTION,
   *   DEVICE_UNAVAILABLE, ADDON_MISSING, ADDON_MISMATCH
   */
  static async load(model: string, options: LoadOptions = {}): Promise<TokenClassifier> {
    const parsed = parseLoadOptions(options, 'TokenClassifier.load');
    const { labels } = parsed;
    const headSource = ({ id2label, architectures }: HuggingFaceConfig) => {
      if (isOtherClassifier(architectures)) return 'fresh';
      return labels === undefined || sameLabels(labels, id2label) ? 'stored' : 'by-label';
    };
    return new TokenClassifier(await loadParts(HEAD, model, parsed, labels, headSource));
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
    const parsed = parseCreateOptions(options, 'TokenClassifier.create');
    return new TokenClassifier(await createParts(HEAD, encoderConfig(config, 'config'), parsed));
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

/** Whether the class that a checkpoint was saved by has a `classifier` that looks at whole sequences. */
function isOtherClassifier(architectures: unknown): boolean {
  return (
    Array.isArray(architectures) &&
    typeof architectures[0] === 'string' &&
    /For(SequenceClassification|MultipleChoice)$/.test(architectures[0])
  );
}
