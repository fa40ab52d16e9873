import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import type { PrefixCacheOptions } from '../training/prefix-cache.js';
import type { TrainingSettings } from './training-settings.js';

const file = z.string().min(1);
const column = z.union([z.int().nonnegative(), z.string().min(1)]);

/** Where data, model and settings come from. Either a preset, or data files with a model; files may complete a preset. */
export const workspaceOptionsSchema = z.strictObject({
  /** `demo`, `demo-kk`, `conll2003`, `kaznerd`. @default 'demo' where no data are given */
  preset: z.string().optional(),
  train: file.optional(),
  validation: file.optional(),
  test: file.optional(),
  /** One file for all three splits, instead of `train`, `validation` and `test`. */
  data: file.optional(),
  /** Per cent of `data` for train, validation and test. @default '80-10-10' */
  split: z.string().optional(),
  /** Seed of the split; independent of the seeds of the runs. @default 42 */
  splitSeed: z.int().nonnegative().optional(),
  /** A dataset of the Hub, instead of files: `conll2003` or another known one, or `owner/name[@revision]`. */
  dataset: z.string().min(1).optional(),
  /** Part of `dataset`, such as a language. */
  datasetConfig: z.string().min(1).optional(),
  /** Column of the word and of the tag: 0-based, or its name where columns have names. @default by the file's form */
  tokenColumn: column.optional(),
  tagColumn: column.optional(),
  /** A Hugging Face model directory, or a model of the Hub: `owner/name[@revision]`. */
  model: file.optional(),
  /** Shape of a fresh random model, instead of `model`. */
  shape: z.string().optional(),
  /** vocab.txt, tokenizer.json or their directory, for `shape`. @default trained on the train split */
  vocab: file.optional(),
  /** Entries of a vocabulary that is trained. @default 8000 */
  vocabSize: z.int().min(100).optional(),
  /** @default true for vocab.txt without a tokenizer configuration, as the paper has it */
  lowercase: z.boolean().optional(),
  epochs: z.int().positive().optional(),
  batchSize: z.int().positive().optional(),
  gradientAccumulation: z.int().positive().optional(),
  maxLength: z.int().min(3).optional(),
  learningRate: z.number().positive().optional(),
  warmupRatio: z.number().min(0).max(1).optional(),
  /** `false` trains all epochs. */
  earlyStopping: z.literal(false).optional(),
  patience: z.int().nonnegative().optional(),
  frozenDropout: z.enum(['on', 'off', 'auto']).optional(),
  /** `false` computes the frozen prefix in every step. */
  prefixCache: z.literal(false).optional(),
  /** Bytes of memory for outputs of the frozen prefix. @default a quarter of what is free */
  prefixMemory: z.int().nonnegative().optional(),
  /** Bytes of temporary files for what does not fit into memory. @default 0 */
  prefixFile: z.int().nonnegative().optional(),
  /** Directory of those files. @default the system's */
  prefixDirectory: file.optional(),
  prefixPrecision: z.enum(['fp32', 'bf16', 'fp16']).optional(),
  precision: z.enum(['fp32', 'bf16']).optional(),
  /** `cpu`, `cuda`, `cuda:0`. @default 'cpu' */
  device: z.string().optional(),
  /** Grams of CO2 equivalents a kilowatt-hour; without it no emissions are reported. */
  carbonIntensity: z.number().nonnegative().optional(),
  /** @default all cores */
  threads: z.int().positive().optional(),
});

export type WorkspaceOptions = z.infer<typeof workspaceOptionsSchema>;

/**
 * Checks options from outside.
 *
 * @throws INVALID_OPTION naming the option.
 */
export function parseWorkspaceOptions(value: unknown): WorkspaceOptions {
  const result = workspaceOptionsSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    const option = issue.path.join('.');
    throw invalid(option, option ? `${flag(option)}: ${issue.message}.` : `Options: ${issue.message}.`);
  }
  return checkCombination(result.data);
}

function checkCombination(options: WorkspaceOptions): WorkspaceOptions {
  const parts = (['train', 'validation', 'test'] as const).filter((name) => options[name] !== undefined);
  if (options.data !== undefined && parts.length > 0) {
    throw invalid('data', `--data and --${parts[0]}: give either one file to split, or the splits.`);
  }
  if (options.dataset !== undefined && (options.data !== undefined || parts.length > 0)) {
    const given = parts[0] ?? 'data';
    throw invalid('dataset', `--dataset and --${given}: give either a dataset of the Hub or files.`);
  }
  if (options.datasetConfig !== undefined && options.dataset === undefined) {
    throw invalid('datasetConfig', '--dataset-config names a part of --dataset, which is not given.');
  }
  if (options.split !== undefined && options.data === undefined) {
    throw invalid('split', '--split divides the file of --data, which is not given.');
  }
  if (parts.length > 0 && (options.train === undefined || options.validation === undefined)) {
    const missing = options.train === undefined ? 'train' : 'validation';
    throw invalid(
      missing,
      `--${parts[0]} without --${missing}: training needs both --train and --validation.`,
    );
  }
  if (options.model !== undefined && options.shape !== undefined) {
    throw invalid(
      'shape',
      '--model and --shape: give either a model directory or the shape of a fresh model.',
    );
  }
  if (options.model !== undefined && options.vocab !== undefined) {
    throw invalid('vocab', '--model brings its own vocabulary; --vocab goes with --shape.');
  }
  const forCache = (['prefixMemory', 'prefixFile', 'prefixDirectory', 'prefixPrecision'] as const).find(
    (name) => options[name] !== undefined,
  );
  if (options.prefixCache === false && forCache !== undefined) {
    throw invalid(forCache, `${flag(forCache)} is for outputs that are kept; --no-prefix-cache keeps none.`);
  }
  return options;
}

/** Budget of the frozen prefix's outputs, for a grid or a single run; false where none are kept. */
export function prefixCacheOptions(
  options: WorkspaceOptions,
  settings: TrainingSettings,
): PrefixCacheOptions | false {
  if (options.prefixCache === false) return false;
  const { prefixMemory, prefixFile, prefixDirectory } = options;
  return {
    precision: settings.prefixPrecision,
    ...(prefixMemory !== undefined && { memoryBytes: prefixMemory }),
    ...(prefixFile !== undefined && { fileBytes: prefixFile }),
    ...(prefixDirectory !== undefined && { directory: prefixDirectory }),
  };
}

/** Settings with what the user gave in place of the defaults. */
export function applyOverrides(settings: TrainingSettings, options: WorkspaceOptions): TrainingSettings {
  const { optimizer, earlyStopping } = settings;
  return {
    epochs: options.epochs ?? settings.epochs,
    batchSize: options.batchSize ?? settings.batchSize,
    gradientAccumulation: options.gradientAccumulation ?? settings.gradientAccumulation,
    maxLength: options.maxLength ?? settings.maxLength,
    optimizer: {
      ...optimizer,
      learningRate: options.learningRate ?? optimizer.learningRate,
      warmupRatio: options.warmupRatio ?? optimizer.warmupRatio,
    },
    earlyStopping:
      options.earlyStopping === false || earlyStopping === false
        ? false
        : { ...earlyStopping, patience: options.patience ?? earlyStopping.patience },
    frozenDropout: options.frozenDropout ?? settings.frozenDropout,
    prefixPrecision: options.prefixPrecision ?? settings.prefixPrecision,
    precision: options.precision ?? settings.precision,
  };
}

/** Name of an option on the command line. */
function flag(option: string): string {
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function invalid(option: string, message: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', message, { option });
}
