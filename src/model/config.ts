import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { EncoderConfig } from '../contract/encoder-config.js';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import { isLfsPointer, LFS_POINTER } from '../io/git-lfs.js';
import { parseJson } from '../io/json.js';
import { type Architecture, architectureOf, type ConfigField } from './architectures.js';
import { type HeadName, headOf } from './heads.js';
import { missingConfig } from './missing-files.js';
import { refuseField } from './relative-positions.js';

const positive = z.int().positive();
const probability = z.number().min(0).lt(1);

/** What each field may be, in either form of a configuration. */
const FIELDS = {
  vocabSize: positive,
  embeddingSize: positive,
  hiddenSize: positive,
  numLayers: positive,
  numHeads: positive,
  intermediateSize: positive,
  maxPositions: positive,
  typeVocabSize: z.int().min(0),
  hiddenAct: z.string(),
  layerNormEps: z.number().positive(),
  hiddenDropout: probability,
  attentionDropout: probability,
  classifierDropout: probability,
  padTokenId: z.int(),
  initializerRange: z.number().positive(),
} satisfies Record<ConfigField, z.ZodType>;

const encoderSchema = z.strictObject({
  modelType: z.string().default('bert'),
  ...FIELDS,
  embeddingSize: FIELDS.embeddingSize.optional(),
  maxPositions: FIELDS.maxPositions.optional(),
  typeVocabSize: FIELDS.typeVocabSize.optional(),
  hiddenAct: FIELDS.hiddenAct.optional(),
  layerNormEps: FIELDS.layerNormEps.optional(),
  hiddenDropout: FIELDS.hiddenDropout.optional(),
  attentionDropout: FIELDS.attentionDropout.optional(),
  classifierDropout: FIELDS.classifierDropout.optional(),
  padTokenId: FIELDS.padTokenId.optional(),
  initializerRange: FIELDS.initializerRange.optional(),
  relativePositions: z
    .strictObject({
      buckets: z.int().min(0),
      maxDistance: positive,
      contentToPosition: z.boolean(),
      positionToContent: z.boolean(),
      layerNorm: z.boolean(),
    })
    .nullish(),
  labels: z.array(z.string()).min(1),
});

/** For a model whose head has no labels. */
const unlabelledSchema = encoderSchema.extend({ labels: z.array(z.string()).default([]) });

/** Labels that a number alone can ask for. */
const MOST_LABELS = 1_000_000;

/** The labels in a `config.json`. */
const labelSchema = z.looseObject({
  id2label: z.record(z.string(), z.string()).optional(),
  num_labels: z.int().positive().max(MOST_LABELS).optional(),
});

/** An {@link EncoderConfig} in which everything with a common value may be left out. */
export type EncoderConfigInput = z.input<typeof encoderSchema>;
/** The content of a Hugging Face `config.json`. */
export type HuggingFaceConfig = Record<string, unknown>;

/**
 * Reads `config.json`.
 *
 * @throws FILE_NOT_FOUND, saying what is there instead; WEIGHTS_FORMAT where it is not JSON
 */
export async function readConfigFile(file: string): Promise<HuggingFaceConfig> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw missingConfig(file, cause as NodeJS.ErrnoException);
  }
  return parseConfig(text, file);
}

/**
 * The same for its text.
 *
 * @throws WEIGHTS_FORMAT
 */
export function parseConfig(text: string, file: string): HuggingFaceConfig {
  if (isLfsPointer(text)) throw new PermafrostError('WEIGHTS_FORMAT', `${file} ${LFS_POINTER}.`, { file });
  let content: unknown;
  try {
    content = parseJson(text);
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
  const {
    modelType,
    labels: named,
    relativePositions = null,
    ...fields
  } = parseOptions(labels ? unlabelledSchema : encoderSchema, input, where);
  const row = architectureOf(modelType, where);
  return checkConfig({ modelType, ...completed(row, fields), relativePositions, labels: named }, where);
}

/** What of `config.json` depends on how a model is saved. */
export interface SavedForm {
  head: HeadName;
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
  const row = architectureOf(config.modelType, 'config');
  const head = headOf(form.head);
  const named = entriesOf(row.names).filter(([, name]) => name !== null);
  return {
    ...row.writeOthers(config),
    ...kept,
    architectures: [row.className + head.className],
    model_type: config.modelType,
    ...Object.fromEntries(named.map(([field, name]) => [name, config[field]])),
    ...(head.hasLabels && {
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
  const row = architectureOf(input.model_type, where);
  // Tokens of a decoder see only those before them.
  for (const field of ['is_decoder', 'add_cross_attention']) {
    if (input[field] === true) throw refuseField(where, field, true, 'an encoder, for which it is false');
  }
  const fields = parseOptions(schemaOf(row), input, where);
  const { id2label, num_labels } = parseOptions(labelSchema, input, where);
  const given = entriesOf(row.names).flatMap(([field, name]) =>
    name === null || fields[name] == null ? [] : [[field, fields[name]]],
  );
  return checkConfig(
    {
      modelType: row.modelType,
      ...completed(row, Object.fromEntries(given)),
      relativePositions: null,
      ...row.readOthers(input, where),
      labels: labels ?? labelsOf(id2label, num_labels, where),
    },
    labels ? 'TokenClassifier.load: labels' : where,
  );
}

/** Checks the fields that a family has in `config.json` under their names there; the rest is kept as it is. */
function schemaOf({ names, defaults }: Architecture) {
  const shape = entriesOf(names).flatMap(([field, name]): [string, z.ZodType][] => {
    if (name === null) return [];
    const isOptional = field in defaults || field === 'classifierDropout' || field === 'embeddingSize';
    return [[name, isOptional ? FIELDS[field].nullish() : FIELDS[field]]];
  });
  return z.looseObject(Object.fromEntries(shape));
}

/** All fields, those that are not given from the family's defaults. */
function completed(
  { defaults }: Architecture,
  given: Partial<Record<ConfigField, unknown>>,
): Pick<EncoderConfig, ConfigField> {
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const fields = { ...defaults, ...present } as Pick<EncoderConfig, ConfigField>;
  fields.embeddingSize ??= fields.hiddenSize;
  fields.classifierDropout ??= fields.hiddenDropout;
  return fields;
}

const entriesOf = (names: Architecture['names']) => Object.entries(names) as [ConfigField, string | null][];

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

function firstRepeated(labels: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return labels.find((label) => seen.size === seen.add(label).size);
}

function checkConfig(config: EncoderConfig, where: string): EncoderConfig {
  const repeated = firstRepeated(config.labels);
  if (repeated !== undefined) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `${where}: the label '${repeated}' appears twice; labels must differ.`,
    );
  }
  // What a family has no field for in config.json would be lost when the model is saved.
  const { names } = architectureOf(config.modelType, where);
  if (names.classifierDropout === null && config.classifierDropout !== config.hiddenDropout) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `${where}: '${config.modelType}' has no classifierDropout of its own. Leave it out; hiddenDropout holds.`,
    );
  }
  return config;
}
