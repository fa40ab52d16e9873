import type { EncoderConfig } from '../contract/encoder-config.js';
import { PermafrostError } from '../errors/error.js';
import { readRelativePositions, refuseField, writeRelativePositions } from './relative-positions.js';

/** Fields of an {@link EncoderConfig} that stand in `config.json` by themselves. */
export type ConfigField = Exclude<keyof EncoderConfig, 'modelType' | 'labels' | 'relativePositions'>;

/** How a family of encoders differs in its files; the names of its tensors are the engine's. */
export interface Architecture {
  /** Hugging Face's `model_type`. */
  modelType: string;
  /** First part of Hugging Face's classes; the head gives the rest. */
  className: string;
  /** First part of every encoder tensor's name, which checkpoints of a bare encoder lack. */
  prefix: string;
  /** Name of each field in `config.json`; null where the family has none and the default always holds. */
  names: Readonly<Record<ConfigField, string | null>>;
  /** Values of fields that are left out. */
  defaults: Readonly<Partial<Record<ConfigField, number | string>>>;
  /** Tensors of the encoder that a token classifier does without, such as a pooler. */
  unused: RegExp | null;
  /** Positions begin behind the padding token's id, which costs as many of them. */
  positionsFollowPadding: boolean;
  /** Fields that say what the arithmetic is, beyond those above. @throws UNSUPPORTED_MODEL */
  readOthers(config: Readonly<Record<string, unknown>>, where: string): Partial<EncoderConfig>;
  writeOthers(config: EncoderConfig): Record<string, unknown>;
}

const BERT_NAMES: Architecture['names'] = {
  vocabSize: 'vocab_size',
  embeddingSize: null,
  hiddenSize: 'hidden_size',
  numLayers: 'num_hidden_layers',
  numHeads: 'num_attention_heads',
  intermediateSize: 'intermediate_size',
  maxPositions: 'max_position_embeddings',
  typeVocabSize: 'type_vocab_size',
  hiddenAct: 'hidden_act',
  layerNormEps: 'layer_norm_eps',
  hiddenDropout: 'hidden_dropout_prob',
  attentionDropout: 'attention_probs_dropout_prob',
  classifierDropout: 'classifier_dropout',
  padTokenId: 'pad_token_id',
  initializerRange: 'initializer_range',
};

const BERT: Architecture = {
  modelType: 'bert',
  className: 'Bert',
  prefix: 'bert.',
  names: BERT_NAMES,
  defaults: {
    maxPositions: 512,
    typeVocabSize: 2,
    hiddenAct: 'gelu',
    layerNormEps: 1e-12,
    hiddenDropout: 0.1,
    attentionDropout: 0.1,
    padTokenId: 0,
    initializerRange: 0.02,
  },
  unused: /^(bert\.)?pooler\./,
  positionsFollowPadding: false,
  readOthers(config, where) {
    const { position_embedding_type: type = 'absolute' } = config;
    if (type !== 'absolute') throw refuseField(where, 'position_embedding_type', type, "'absolute'");
    return {};
  },
  writeOthers: () => ({ position_embedding_type: 'absolute' }),
};

function roberta(modelType: string, className: string): Architecture {
  return {
    ...BERT,
    modelType,
    className,
    prefix: 'roberta.',
    defaults: { ...BERT.defaults, padTokenId: 1 },
    unused: /^(roberta\.)?pooler\./,
    positionsFollowPadding: true,
  };
}

const DISTILBERT: Architecture = {
  ...BERT,
  modelType: 'distilbert',
  className: 'DistilBert',
  prefix: 'distilbert.',
  names: {
    ...BERT_NAMES,
    hiddenSize: 'dim',
    numLayers: 'n_layers',
    numHeads: 'n_heads',
    intermediateSize: 'hidden_dim',
    typeVocabSize: null,
    hiddenAct: 'activation',
    layerNormEps: null,
    hiddenDropout: 'dropout',
    attentionDropout: 'attention_dropout',
    classifierDropout: null,
  },
  defaults: { ...BERT.defaults, typeVocabSize: 0 },
  unused: null,
  readOthers({ sinusoidal_pos_embds: sinusoidal = false }, where) {
    if (sinusoidal !== false) throw refuseField(where, 'sinusoidal_pos_embds', sinusoidal, 'false');
    return {};
  },
  writeOthers: () => ({ sinusoidal_pos_embds: false }),
};

const ELECTRA: Architecture = {
  ...BERT,
  modelType: 'electra',
  className: 'Electra',
  prefix: 'electra.',
  names: { ...BERT_NAMES, embeddingSize: 'embedding_size' },
  unused: null,
};

const DEBERTA_V2: Architecture = {
  ...BERT,
  modelType: 'deberta-v2',
  className: 'DebertaV2',
  prefix: 'deberta.',
  names: { ...BERT_NAMES, classifierDropout: null },
  defaults: { ...BERT.defaults, typeVocabSize: 0, layerNormEps: 1e-7 },
  unused: /^(deberta\.)?pooler\.|embeddings\.(position_embeddings\.weight|word_embeddings\._weight)$/,
  readOthers: (config, where) => ({ relativePositions: readRelativePositions(config, where) }),
  writeOthers: ({ relativePositions }) => writeRelativePositions(relativePositions!),
};

const ARCHITECTURES: readonly Architecture[] = [
  BERT,
  roberta('roberta', 'Roberta'),
  roberta('xlm-roberta', 'XLMRoberta'),
  roberta('camembert', 'Camembert'),
  DISTILBERT,
  ELECTRA,
  DEBERTA_V2,
];

/** What families that people ask for have and no row can say. */
const BEYOND_ROWS: Readonly<Record<string, string>> = {
  albert: 'layers that share one set of weights',
  deberta: 'query, key and value in one tensor with biases of its own (version 1)',
  modernbert: 'rotary positions, attention to near tokens alone and a gated feed-forward block',
  mpnet: 'buckets of relative positions, whose biases are added to the scores of attention',
};

/**
 * The row of a `model_type`.
 *
 * @param where names its source in errors
 * @throws UNSUPPORTED_MODEL naming the types there are
 */
export function architectureOf(modelType: unknown, where: string): Architecture {
  const found = ARCHITECTURES.find((row) => row.modelType === modelType);
  if (found) return found;
  const beyond =
    typeof modelType === 'string' && Object.hasOwn(BEYOND_ROWS, modelType)
      ? BEYOND_ROWS[modelType]
      : undefined;
  const got =
    modelType === undefined
      ? 'there is no model_type'
      : `model_type ${JSON.stringify(modelType)} is not supported${beyond === undefined ? '' : `: it has ${beyond}`}`;
  const known = ARCHITECTURES.map((row) => JSON.stringify(row.modelType)).join(', ');
  throw new PermafrostError('UNSUPPORTED_MODEL', `${where}: ${got}. Expected one of ${known}.`, {
    modelType,
  });
}

/** Tokens of the longest sequence that the model has positions for, special tokens included. */
export function longestSequence(config: EncoderConfig): number {
  const { positionsFollowPadding } = architectureOf(config.modelType, 'config');
  return config.maxPositions - (positionsFollowPadding ? config.padTokenId + 1 : 0);
}
