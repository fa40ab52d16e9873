import { z } from 'zod';
import { KNOWN_DATASETS } from '../data/hub/known-datasets.js';
import { readingShape } from '../data/reader-options.js';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import { type OptionShape, optionalShape, pick } from '../errors/option-shape.js';
import { headShape } from '../model/options.js';
import type { PrefixCacheOptions } from '../training/prefix-cache.js';
import { courseShape, optimizerShape, savingShape } from '../training/settings.js';
import { taggingLossShape } from '../training/tagging-loss.js';
import { taggingShape, taggingStoppingShape } from '../training/tagging-task.js';
import { engineOptionsShape, modelShape, name } from './model-options.js';
import { PRESETS } from './presets/by-name.js';
import type { TrainingSettings } from './training-settings.js';

/** One file, or several that are read one after another. */
const files = (description: string) =>
  z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .meta({ description, value: 'file', isRepeated: true });
const bytes = z.int().nonnegative().optional();

const dataShape = {
  train: files('training sentences, in any of the forms of docs/data.md; again for more files'),
  validation: files('validation sentences; again for more files'),
  /** One file, or several as `name=file`: then the first is the test split, and scores of all are kept by name. */
  test: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .meta({
      description: 'test sentences; again as name=file for further test sets, such as other languages',
      value: 'file',
      isRepeated: true,
    }),
  /** Entity types that become others in all data: `GPE=LOC`; `MISC=O` leaves one out, `*=O` all that are not named. */
  map: z.array(z.string().min(1)).optional().meta({
    description: 'entity type that becomes another one, GPE=LOC, or none, MISC=O or "*=O"; may be repeated',
    value: 'type=type',
    isRepeated: true,
  }),
  /** What is divided into all three splits, instead of `train`, `validation` and `test`. */
  data: files('one file for all three splits; again for more files'),
  /** A dataset of the Hub, instead of files: `conll2003` or another known one, or `owner/name[@revision]`. */
  dataset: name.meta({
    description: 'dataset of the Hugging Face Hub: a short name (permafrost datasets) or owner/name',
    value: 'name',
    suggestions: KNOWN_DATASETS.map(({ name }) => name),
  }),
  /** Part of `dataset`, such as a language. */
  datasetConfig: name.meta({ description: 'part of --dataset, such as a language', value: 'name' }),
  /** Per cent of `data` for train, validation and test. @default '80-10-10' */
  split: z.string().optional().meta({
    description: 'how --data is divided (default: 80-10-10)',
    value: 'per cent',
  }),
  /** Seed of the split; independent of the seeds of the runs. @default 42 */
  splitSeed: z.int().nonnegative().optional().describe('seed of the division (default: 42)'),
  ...readingShape,
};

/** What energy is measured with. */
export const energyOptionsShape = {
  /** `false` measures no energy. */
  energy: z.literal(false).optional().describe('measure no energy'),
  /** Grams of CO2 equivalents a kilowatt-hour; without it no emissions are reported. */
  carbonIntensity: z.number().nonnegative().optional().meta({
    description: 'grams of CO2 a kilowatt-hour, for emissions beside the measured energy',
    value: 'g/kWh',
  }),
};

/** Outputs of the frozen layers, which are kept where they never change. */
const prefixShape = {
  /** `false` computes the frozen prefix in every step. */
  prefixCache: z.literal(false).optional().describe('compute the frozen layers in every step'),
  /** Bytes of memory for outputs of the frozen prefix. @default a quarter of what is free */
  prefixMemory: bytes.meta({
    description: 'memory for outputs of frozen layers, such as 4GB (default: a quarter of what is free)',
    value: 'size',
  }),
  /** Bytes of a card's memory for outputs of the frozen prefix. @default 0 */
  prefixDevice: bytes.meta({
    description: "the card's memory for outputs of frozen layers, such as 8GB (default: 0)",
    value: 'size',
  }),
  /** Bytes of temporary files for what does not fit into memory. @default 0 */
  prefixFile: bytes.meta({ description: 'temporary files for the rest (default: 0)', value: 'size' }),
  /** Directory of those files. @default the system's */
  prefixDirectory: name.meta({
    description: "where those files are made (default: the system's)",
    value: 'dir',
  }),
  prefixPrecision: z
    .enum(['fp32', 'bf16', 'fp16'])
    .optional()
    .describe(
      'type in which they are kept; fp32 changes no result, and is bf16 for a model that computes in bf16 (default: fp32)',
    ),
};

/** When training ends before the last epoch. */
const earlyStoppingShape = {
  ...optionalShape(taggingStoppingShape),
  patience: z.int().positive().optional().describe(taggingStoppingShape.patience.description!),
};

/** Where data and model come from. */
export const sourceShape = {
  /** `demo`, `demo-kk`, `conll2003`, `kaznerd`. @default 'demo' where no data are given */
  preset: z
    .string()
    .optional()
    .meta({
      description: `${PRESETS.map((preset) => preset.name).join(', ')} (default: demo where no data are given)`,
      value: 'name',
      suggestions: PRESETS.map((preset) => preset.name),
    }),
  ...dataShape,
  ...modelShape,
};

/** Where a run's data and model come from, for whom it is to be repeated. */
export const sourcesSchema = z.strictObject(sourceShape);

/** Where data, model and settings come from. Either a preset, or data files with a model; files may complete a preset. */
export const workspaceShape = {
  ...sourceShape,
  ...headShape,
  ...optionalShape(courseShape),
  ...optionalShape(taggingShape),
  ...optionalShape(optimizerShape),
  ...taggingLossShape,
  ...earlyStoppingShape,
  /** `false` trains all epochs. */
  earlyStopping: z.literal(false).optional().describe('train all epochs'),
  ...optionalShape(savingShape),
  ...prefixShape,
  ...engineOptionsShape,
  ...energyOptionsShape,
};

/** The same by what they are about, in the order of the help; what stands nowhere else is the machine's. */
export const workspaceGroups = {
  Data: { preset: sourceShape.preset, ...dataShape },
  Model: { ...modelShape, ...headShape },
  Training: { ...optionalShape(courseShape), ...optionalShape(taggingShape) },
  Optimizer: optionalShape(optimizerShape),
  Loss: taggingLossShape,
  Stopping: { ...earlyStoppingShape, earlyStopping: workspaceShape.earlyStopping },
  'States and logs': optionalShape(savingShape),
  'Outputs of frozen layers': prefixShape,
  Machine: { ...engineOptionsShape, ...energyOptionsShape },
} satisfies Record<string, OptionShape>;

export const workspaceOptionsSchema = z.strictObject(workspaceShape);

/** Where data, model and settings of a grid come from. */
export type WorkspaceOptions = z.infer<typeof workspaceOptionsSchema>;

/**
 * Checks options from outside.
 *
 * @throws INVALID_OPTION naming the option.
 */
export function parseWorkspaceOptions(value: unknown): WorkspaceOptions {
  return checkCombination(parseOptions(workspaceOptionsSchema, value, 'openWorkspace'));
}

function checkCombination(options: WorkspaceOptions): WorkspaceOptions {
  const parts = (['train', 'validation', 'test'] as const).filter((name) => options[name] !== undefined);
  if (options.data !== undefined && parts.length > 0) {
    throw invalid('data', `\`data\` and \`${parts[0]}\`: give either one file to split, or the splits.`);
  }
  if (options.dataset !== undefined && (options.data !== undefined || parts.length > 0)) {
    const given = parts[0] ?? 'data';
    throw invalid('dataset', `\`dataset\` and \`${given}\`: give either a dataset of the Hub or files.`);
  }
  if (options.datasetConfig !== undefined && options.dataset === undefined) {
    throw invalid('datasetConfig', '`datasetConfig` names a part of `dataset`, which is not given.');
  }
  if (options.split !== undefined && options.data === undefined) {
    throw invalid('split', '`split` divides the file of `data`, which is not given.');
  }
  if (parts.length > 0 && (options.train === undefined || options.validation === undefined)) {
    const missing = options.train === undefined ? 'train' : 'validation';
    throw invalid(
      missing,
      `\`${parts[0]}\` without \`${missing}\`: training needs both \`train\` and \`validation\`.`,
    );
  }
  if (options.model !== undefined && options.shape !== undefined) {
    throw invalid(
      'shape',
      '`model` and `shape`: give either a model directory or the shape of a fresh model.',
    );
  }
  if (options.model !== undefined && options.vocab !== undefined) {
    throw invalid('vocab', '`model` brings its own vocabulary; `vocab` goes with `shape`.');
  }
  if (options.energy === false && options.carbonIntensity !== undefined) {
    throw invalid(
      'carbonIntensity',
      '`carbonIntensity` goes with measured energy; `energy: false` measures none.',
    );
  }
  const forCache = (
    ['prefixDevice', 'prefixMemory', 'prefixFile', 'prefixDirectory', 'prefixPrecision'] as const
  ).find((name) => options[name] !== undefined);
  if (options.prefixCache === false && forCache !== undefined) {
    throw invalid(
      forCache,
      `\`${forCache}\` is for outputs that are kept; \`prefixCache: false\` keeps none.`,
    );
  }
  return options;
}

/** Budget of the frozen prefix's outputs, for a grid or a single run; false where none are kept. */
export function prefixCacheOptions(
  options: WorkspaceOptions,
  settings: TrainingSettings,
): PrefixCacheOptions | false {
  if (options.prefixCache === false) return false;
  const { prefixDevice, prefixMemory, prefixFile, prefixDirectory } = options;
  return {
    precision: settings.prefixPrecision,
    ...(prefixDevice !== undefined && { deviceBytes: prefixDevice }),
    ...(prefixMemory !== undefined && { memoryBytes: prefixMemory }),
    ...(prefixFile !== undefined && { fileBytes: prefixFile }),
    ...(prefixDirectory !== undefined && { directory: prefixDirectory }),
  };
}

/** What energy is measured with; false measures none. */
export function energyOptions({
  energy,
  carbonIntensity,
}: {
  energy?: false | undefined;
  carbonIntensity?: number | undefined;
}): false | { carbonIntensity?: number } {
  return energy === false ? false : carbonIntensity === undefined ? {} : { carbonIntensity };
}

/** Settings with what the user gave in place of the defaults. */
export function applyOverrides(settings: TrainingSettings, options: WorkspaceOptions): TrainingSettings {
  const { optimizer, earlyStopping } = settings;
  const { prefixPrecision = settings.prefixPrecision, precision = settings.precision } = options;
  const loss = { ...settings.loss, ...pick(taggingLossShape, options) };
  return {
    ...settings,
    ...pick({ ...courseShape, ...taggingShape, ...headShape }, options),
    ...(Object.keys(loss).length > 0 && { loss }),
    optimizer: { ...optimizer, ...pick(optimizerShape, options) },
    earlyStopping:
      options.earlyStopping === false || earlyStopping === false
        ? false
        : { ...earlyStopping, ...pick(taggingStoppingShape, options) },
    prefixPrecision,
    precision,
  };
}

function invalid(option: string, message: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', message, { option });
}
