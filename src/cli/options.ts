import { type Command, InvalidArgumentError, Option } from 'commander';
import { PermafrostError } from '../errors/error.js';
import { PRESETS } from '../experiment/presets/by-name.js';
import { SHAPES } from '../experiment/shape.js';
import { type WorkspaceOptions, workspaceOptionsSchema } from '../experiment/workspace-options.js';

/** Flags as commander hands them over, by their names in camel case. */
export type Flags = Record<string, unknown>;

export function addDataOptions(command: Command): Command {
  return command
    .option('--train <file>', 'training sentences (CoNLL columns or JSON lines)')
    .option('--validation <file>', 'validation sentences')
    .option('--test <file>', 'test sentences')
    .option('--data <file>', 'one file for all three splits')
    .option(
      '--dataset <name>',
      'dataset of the Hugging Face Hub: a short name (permafrost datasets) or owner/name',
    )
    .option('--dataset-config <name>', 'part of --dataset, such as a language')
    .option('--split <per cent>', 'how --data is divided (default: 80-10-10)')
    .option('--split-seed <n>', 'seed of the division (default: 42)', wholeNumber)
    .option('--token-column <column>', 'column of the word: its number from 0, or its name', columnOf)
    .option('--tag-column <column>', 'column of the tag: its number from 0, or its name', columnOf);
}

export function addModelOptions(command: Command): Command {
  return command
    .option('--model <dir>', 'Hugging Face model directory, or a model of the Hub: owner/name[@revision]')
    .option(
      '--shape <shape>',
      `fresh random model: ${Object.keys(SHAPES).join(', ')}, or layers=12,hidden=128,heads=4`,
    )
    .option('--vocab <file>', 'vocab.txt or tokenizer.json for --shape (default: trained on the train split)')
    .option('--vocab-size <n>', 'entries of a vocabulary that is trained (default: 8000)', wholeNumber)
    .option('--cased', 'keep capital letters (default: lower-case, unless the tokenizer says otherwise)');
}

export function addPresetOption(command: Command): Command {
  const names = PRESETS.map((preset) => preset.name);
  return command.option('--preset <name>', `${names.join(', ')} (default: demo where no data are given)`);
}

export function addTrainingOptions(command: Command): Command {
  return command
    .option('--epochs <n>', 'upper bound on passes over the training data', wholeNumber)
    .option('--batch-size <n>', 'sentences an optimizer step', wholeNumber)
    .option('--gradient-accumulation <n>', 'micro-batches an optimizer step', wholeNumber)
    .option('--learning-rate <x>', 'peak learning rate', realNumber)
    .option('--warmup-ratio <x>', 'share of the steps over which the learning rate rises', realNumber)
    .option('--max-length <n>', 'longest example in tokens', wholeNumber)
    .option('--patience <n>', 'epochs without improvement before stopping', wholeNumber)
    .option('--no-early-stopping', 'train all epochs')
    .option(
      '--carbon-intensity <g/kWh>',
      'grams of CO2 a kilowatt-hour, for emissions beside the measured energy',
      realNumber,
    )
    .addOption(
      new Option(
        '--frozen-dropout <when>',
        'dropout in the leading frozen layers: on (the paper), off, or auto: off where outputs can be kept',
      ).choices(['on', 'off', 'auto']),
    );
}

/** Options of the outputs of the frozen layers, which are kept where they never change. */
export function addPrefixOptions(command: Command): Command {
  return command
    .option(
      '--prefix-memory <size>',
      'memory for them, such as 4GB (default: a quarter of what is free)',
      byteSize,
    )
    .option('--prefix-file <size>', 'temporary files for the rest (default: 0)', byteSize)
    .option('--prefix-directory <dir>', "where those files are made (default: the system's)")
    .addOption(
      new Option('--prefix-precision <type>', 'fp32 changes no result (default: fp32)').choices([
        'fp32',
        'bf16',
        'fp16',
      ]),
    )
    .option('--no-prefix-cache', 'compute the frozen layers in every step');
}

export function addEngineOptions(command: Command): Command {
  return command
    .option('--threads <n>', 'CPU threads (default: all cores)', wholeNumber)
    .option('--device <device>', 'cpu, cuda, cuda:0 (default: cpu)')
    .addOption(
      new Option('--precision <precision>', 'fp32 or bf16 (default: fp32)').choices(['fp32', 'bf16']),
    );
}

/** Every option of a command that trains scenarios. */
export function addExperimentOptions(command: Command): Command {
  const groups = [
    addDataOptions,
    addModelOptions,
    addTrainingOptions,
    addPrefixOptions,
    addEngineOptions,
    addJsonOption,
  ];
  for (const add of groups) add(command);
  return command;
}

export function addJsonOption(command: Command): Command {
  return command.option('--json', 'one JSON object a line on standard output, for programs');
}

/** Picks from the flags what a workspace is opened with; the workspace checks the values. */
export function workspaceOptionsOf(flags: Flags): WorkspaceOptions {
  const known = Object.keys(workspaceOptionsSchema.shape).filter(
    (name) => name !== 'lowercase' && name !== 'earlyStopping' && name !== 'prefixCache',
  );
  const given = Object.fromEntries(
    known.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]),
  );
  return {
    ...given,
    ...(flags.cased === true && { lowercase: false }),
    ...(flags.earlyStopping === false && { earlyStopping: false as const }),
    ...(flags.prefixCache === false && { prefixCache: false as const }),
  };
}

/** What of the flags the engine is told. */
export function engineOptionsOf({ threads, device, precision }: Flags): {
  threads?: number;
  device?: string;
  precision?: 'fp32' | 'bf16';
} {
  return {
    ...(threads !== undefined && { threads: threads as number }),
    ...(device !== undefined && { device: device as string }),
    ...(precision !== undefined && { precision: precision as 'fp32' | 'bf16' }),
  };
}

/** Seeds 42, 43, … of `--seeds N`. */
export function seedsOf(flags: Flags, fallback: number): number[] {
  const count = (flags.seeds as number | undefined) ?? fallback;
  const first = (flags.seed as number | undefined) ?? 42;
  if (count < 1) {
    throw new PermafrostError('INVALID_OPTION', `--seeds: expected at least 1, got ${count}.`, {
      option: 'seeds',
    });
  }
  return Array.from({ length: count }, (_, index) => first + index);
}

/** Parser of a column, which is a number or a name. */
export function columnOf(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** Parser of a non-negative whole number, for commander. */
export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return Number(text);
}

/** Parser of a number of bytes such as `512MB`; a unit is a power of 1000, or of 1024 where it has an i. */
export function byteSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?$/i.exec(text.trim());
  if (match === null) throw new InvalidArgumentError('Expected a number of bytes such as 512MB or 4GiB.');
  const power = match[2] === undefined ? 0 : 'kmgt'.indexOf(match[2].toLowerCase()) + 1;
  return Math.round(Number(match[1]) * (match[3] ? 1024 : 1000) ** power);
}

/** Parser of a number, for commander. */
export function realNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Expected a number.');
  return value;
}
