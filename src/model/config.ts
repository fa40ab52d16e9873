import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { EncoderConfig } from '../contract/encoder-config.js';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import type { NativeHead } from '../native/addon.js';

/** Hugging Face's `config.json`: the fields that matter here checked, the rest kept as they are. */
const huggingFaceSchema = z.looseObject({
  model_type: z.string(),
  vocab_size: z.int().positive(),
  hidden_size: z.int().positive(),
  num_hidden_layers: z.int().positive(),
  num_attention_heads: z.int().positive(),
  intermediate_size: z.int().positive(),
  max_position_embeddings: z.int().positive(),
  type_vocab_size: z.int().positive().default(2),
  hidden_act: z.string().default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-12),
  hidden_dropout_prob: z.number().min(0).lt(1).default(0.1),
  attention_probs_dropout_prob: z.number().min(0).lt(1).default(0.1),
  classifier_dropout: z.number().min(0).lt(1).nullish(),
  pad_token_id: z.int().default(0),
  initializer_range: z.number().positive().default(0.02),
  position_embedding_type: z.string().default('absolute'),
  id2label: z.record(z.string(), z.string()).optional(),
  num_labels: z.int().positive().optional(),
});

const encoderSchema = z.strictObject({
  modelType: z.string().default('bert'),
  vocabSize: z.int().positive(),
  hiddenSize: z.int().positive(),
  numLayers: z.int().positive(),
  numHeads: z.int().positive(),
  intermediateSize: z.int().positive(),
  maxPositions: z.int().positive().default(512),
  typeVocabSize: z.int().positive().default(2),
  hiddenAct: z.string().default('gelu'),
  layerNormEps: z.number().positive().default(1e-12),
  hiddenDropout: z.number().min(0).lt(1).default(0.1),
  attentionDropout: z.number().min(0).lt(1).default(0.1),
  classifierDropout: z.number().min(0).lt(1).default(0.1),
  padTokenId: z.int().default(0),
  initializerRange: z.number().positive().default(0.02),
  labels: z.array(z.string()).min(1),
});

/** For a model whose head has no labels. */
const unlabelledSchema = encoderSchema.extend({ labels: z.array(z.string()).default([]) });

/** An {@link EncoderConfig} in which everything with a common value may be left out. */
export type EncoderConfigInput = z.input<typeof encoderSchema>;
/** The content of a Hugging Face `config.json`. */
export type HuggingFaceConfig = Record<string, unknown>;

/**
 * Reads `config.json`.
 *
 * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT where it is not JSON
 */
export async function readConfigFile(file: string): Promise<HuggingFaceConfig> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new PermafrostError(
      'FILE_NOT_FOUND',
      `Cannot read ${file}: ${(cause as Error).message}. Expected the directory of a model with config.json in it.`,
      { file },
      { cause },
    );
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    const remedy = 'Fetch or save the model again.';
    throw new PermafrostError(
      'WEIGHTS_FORMAT',
      `${file} is not JSON: ${(cause as Error).message}. ${remedy}`,
      { file },
      { cause },
    );
  }
  if (typeof content === 'object' && content !== null && !Array.isArray(content))
    return content as HuggingFaceConfig;
  throw new PermafrostError(
    'WEIGHTS_FORMAT',
    `${file}: expected a JSON object, got ${text.trim().slice(0, 20)}. Fetch or save the model again.`,
    { file },
  );
}

/**
 * The encoder's shape from an object of either form: {@link EncoderConfigInput}, or Hugging Face's keys.
 *
 * @param where names its source in errors
 * @param labels `[]` for a model whose head has none
 * @throws UNSUPPORTED_MODEL, INVALID_OPTION
 */
export function encoderConfig(
  input: EncoderConfigInput | HuggingFaceConfig,
  where: string,
  labels?: [],
): EncoderConfig {
  const isHuggingFace =
    typeof input === 'object' && input !== null && ('hidden_size' in input || 'model_type' in input);
  if (isHuggingFace) return huggingFaceEncoder(input as HuggingFaceConfig, where, labels);
  return checkLabels(parseOptions(labels ? unlabelledSchema : encoderSchema, input, where), where);
}

/** What of `config.json` depends on how a model is saved. */
export interface SavedForm {
  head: NativeHead;
  /** Type of the weights. */
  dtype: 'float32' | 'float16';
}

/** The object to write as `config.json`: what was read, with the labels and the head of this model. */
export function toHuggingFace(
  config: EncoderConfig,
  original: HuggingFaceConfig = {},
  form: SavedForm = { head: 'token-classification', dtype: 'float32' },
): HuggingFaceConfig {
  // All would contradict what is written below: the labels of another head, the type of other weights.
  const { num_labels: _num, id2label: _names, label2id: _ids, dtype: _dtype, ...kept } = original;
  return {
    ...kept,
    architectures: [form.head === 'masked-lm' ? 'BertForMaskedLM' : 'BertForTokenClassification'],
    model_type: config.modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.numLayers,
    num_attention_heads: config.numHeads,
    intermediate_size: config.intermediateSize,
    max_position_embeddings: config.maxPositions,
    type_vocab_size: config.typeVocabSize,
    hidden_act: config.hiddenAct,
    layer_norm_eps: config.layerNormEps,
    hidden_dropout_prob: config.hiddenDropout,
    attention_probs_dropout_prob: config.attentionDropout,
    classifier_dropout: config.classifierDropout,
    pad_token_id: config.padTokenId,
    initializer_range: config.initializerRange,
    position_embedding_type: 'absolute',
    ...(form.head === 'token-classification' && {
      id2label: Object.fromEntries(config.labels.map((label, id) => [String(id), label])),
      label2id: Object.fromEntries(config.labels.map((label, id) => [label, id])),
    }),
    // The version's own name for the type; newer ones read `dtype`.
    torch_dtype: form.dtype,
  };
}

/**
 * The encoder's shape from the content of a Hugging Face `config.json`.
 *
 * @param where names its source in errors
 * @param labels take the place of the config's own labels
 * @throws UNSUPPORTED_MODEL, INVALID_OPTION
 */
export function huggingFaceEncoder(
  input: HuggingFaceConfig,
  where: string,
  labels?: string[],
): EncoderConfig {
  if (input.model_type !== 'bert') {
    const got =
      input.model_type === undefined
        ? 'there is no model_type'
        : `model_type ${JSON.stringify(input.model_type)} is not supported`;
    throw new PermafrostError('UNSUPPORTED_MODEL', `${where}: ${got}. Expected "bert".`, {
      modelType: input.model_type,
    });
  }
  const hf = parseOptions(huggingFaceSchema, input, where);
  if (hf.position_embedding_type !== 'absolute') {
    throw new PermafrostError(
      'UNSUPPORTED_MODEL',
      `${where}: position_embedding_type '${hf.position_embedding_type}' is not supported. Expected 'absolute'.`,
    );
  }
  return checkLabels(
    {
      modelType: hf.model_type,
      vocabSize: hf.vocab_size,
      hiddenSize: hf.hidden_size,
      numLayers: hf.num_hidden_layers,
      numHeads: hf.num_attention_heads,
      intermediateSize: hf.intermediate_size,
      maxPositions: hf.max_position_embeddings,
      typeVocabSize: hf.type_vocab_size,
      hiddenAct: hf.hidden_act,
      layerNormEps: hf.layer_norm_eps,
      hiddenDropout: hf.hidden_dropout_prob,
      attentionDropout: hf.attention_probs_dropout_prob,
      classifierDropout: hf.classifier_dropout ?? hf.hidden_dropout_prob,
      padTokenId: hf.pad_token_id,
      initializerRange: hf.initializer_range,
      labels: labels ?? labelsOf(hf.id2label, hf.num_labels, where),
    },
    labels ? 'TokenClassifier.load: labels' : where,
  );
}

function labelsOf(
  id2label: Record<string, string> | undefined,
  numLabels: number | undefined,
  where: string,
): string[] {
  if (!id2label) return Array.from({ length: numLabels ?? 2 }, (_, id) => `LABEL_${id}`);
  const size = Object.keys(id2label).length;
  return Array.from({ length: size }, (_, id) => {
    const label = id2label[String(id)];
    if (label === undefined) {
      throw new PermafrostError(
        'INVALID_OPTION',
        `${where}: id2label has ${size} labels but none of id ${id}; ids must run from 0 to ${size - 1}.`,
      );
    }
    return label;
  });
}

function checkLabels(config: EncoderConfig, where: string): EncoderConfig {
  const repeated = config.labels.find((label, id) => config.labels.indexOf(label) !== id);
  if (repeated !== undefined) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `${where}: the label '${repeated}' appears twice; labels must differ.`,
    );
  }
  return config;
}
