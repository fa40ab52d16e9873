import { isDeepStrictEqual } from 'node:util';
import type { Command } from 'commander';
import { PermafrostError } from '../../errors/error.js';
import type { OptionShape } from '../../errors/option-shape.js';
import { PRETRAIN_RECORD_VERSION, type PretrainRecord } from '../../experiment/pretraining.js';
import { knowsItsSources, optionsOfRecord } from '../../experiment/record-options.js';
import { parseRunRecord, type RunRecord } from '../../experiment/run-record.js';
import type { Workspace } from '../../experiment/workspace.js';
import { factsOf } from '../command-facts.js';
import type { CommandContext } from '../context.js';
import type { Output } from '../output.js';
import { collect, type Flags, optionsOf, SETTINGS } from '../schema-options.js';
import { type GivenSetting, readSet, readSettingsFile, type SettingsFile } from './settings-file.js';
import { settle } from './settle.js';

/** The record that a command repeats. */
const REPEATED = Symbol('repeated');

/** Options about the settings as a whole. */
export function addConfigurationOptions(command: Command): Command {
  return command
    .option(
      '--config <file>',
      'settings in YAML or JSON, by the names of the options, or the record.json of a run, which is then repeated',
    )
    .option(
      '--set <name=value>',
      'one setting by its name in such a file, optimizer.betas=0.9,0.98; may be repeated. A flag goes before --set, ' +
        'this before --config, and this before the default',
      collect,
    );
}

/** The flags with the settings that `--config` and `--set` bring. @throws INVALID_OPTION, FILE_NOT_FOUND, DATA_FORMAT */
export async function configured(flags: Flags, command: Command, output: Output): Promise<Flags> {
  const { settings: shape } = factsOf(command);
  const { config, set } = flags as { config?: string; set?: string[] };
  if (shape === null || (config === undefined && set === undefined)) return flags;
  const file = config === undefined ? null : await readSettingsFile(config);
  const { given, record } = file === null ? { given: [], record: null } : settingsOf(file, shape, output);
  const layers = [given, (set ?? []).map(readSet)].map((layer) => settle(layer, shape, command.name()));
  const settings = layers.reduce(over);
  return {
    ...flags,
    // What a flag stands in place of; the flag itself goes before its setting wherever options are read.
    [SETTINGS]: over(settings, optionsOf(shape, flags)),
    ...(record && { [REPEATED]: record }),
  };
}

const DATA = ['data', 'split', 'dataset', 'datasetConfig', 'train', 'validation', 'test'];
const PREFIX = ['prefixDevice', 'prefixMemory', 'prefixFile', 'prefixDirectory', 'prefixPrecision'];
const without = (names: readonly string[], ...own: string[]) => names.filter((name) => !own.includes(name));

/** What an option stands in place of, beside itself, where it comes from nearer than the others. */
const REPLACES: Readonly<Record<string, readonly string[]>> = {
  data: without(DATA, 'data', 'split'),
  dataset: without(DATA, 'dataset', 'datasetConfig'),
  train: without(DATA, 'train', 'validation', 'test'),
  text: ['data'],
  model: ['shape', 'vocab', 'vocabSize'],
  shape: ['model', 'stack'],
  patience: ['earlyStopping'],
  metric: ['earlyStopping'],
  warmupRatio: ['warmupSteps'],
  energy: ['carbonIntensity'],
  carbonIntensity: ['energy'],
  prefixCache: PREFIX,
  ...Object.fromEntries(PREFIX.map((name) => [name, ['prefixCache']])),
};

function over(far: Record<string, unknown>, near: Record<string, unknown>): Record<string, unknown> {
  const replaced = new Set(Object.keys(near).flatMap((name) => REPLACES[name] ?? []));
  const kept = Object.entries(far).filter(([name]) => !replaced.has(name));
  return { ...Object.fromEntries(kept), ...near };
}

/** Says where a run that a record repeats has not the data or the model of that record. */
export function sayOtherSources(
  flags: Flags & { [REPEATED]?: RunRecord },
  { data, settings }: Workspace,
  { output }: CommandContext,
): void {
  const record = flags[REPEATED];
  if (record === undefined) return;
  const other = [
    ...(record.data.digest === data.digest ? [] : ['data']),
    ...(isDeepStrictEqual(record.scenario.model, settings.model) ? [] : ['model']),
  ];
  if (other.length === 0) return;
  output.note(`${flags.config}: the ${other.join(' and ')} of this run are not those of the record.`);
}

interface FileSettings {
  given: GivenSetting[];
  record: RunRecord | null;
}

function settingsOf(file: SettingsFile, shape: OptionShape, output: Output): FileSettings {
  const { value } = file;
  if (!Object.hasOwn(value, 'schemaVersion')) return { given: file.settings, record: null };
  if (value.kind === 'pretraining') {
    return { given: ofRecord(file, shape, pretrainingOptions(file)), record: null };
  }
  const record = parseRunRecord(value, file.file);
  const isTraining = Object.hasOwn(shape, 'preset');
  if (!isTraining) throw otherRecord(file.file, 'a fine-tuning', 'permafrost train');
  if (!knowsItsSources(record)) {
    output.note(
      `${file.file}: a record of an earlier permafrost, which does not say where data and model were. Name them by flags.`,
    );
  }
  return { given: ofRecord(file, shape, optionsOfRecord(record)), record };
}

function pretrainingOptions({ file, value }: SettingsFile): Record<string, unknown> {
  const { schemaVersion, options } = value as unknown as PretrainRecord;
  if (schemaVersion === PRETRAIN_RECORD_VERSION && typeof options === 'object') return options;
  throw new PermafrostError(
    'DATA_FORMAT',
    `${file}: record of a pretraining of version ${schemaVersion}, expected ${PRETRAIN_RECORD_VERSION}. ` +
      'Repeat it with the permafrost that wrote it, or write its settings into a file of their own.',
    { file, expected: PRETRAIN_RECORD_VERSION, got: schemaVersion },
  );
}

/** What of a record a command has options for: a grid takes a run's settings, but neither its plan nor its seed. */
function ofRecord(
  { file, value }: SettingsFile,
  shape: OptionShape,
  options: Record<string, unknown>,
): GivenSetting[] {
  if (value.kind === 'pretraining' && !Object.hasOwn(shape, 'text')) {
    throw otherRecord(file, 'a pretraining', 'permafrost pretrain');
  }
  const isOfOneRun = Object.hasOwn(shape, 'freeze');
  return Object.entries(options)
    .filter(([name]) => Object.hasOwn(shape, name) && (isOfOneRun || name !== 'seed'))
    .map(([name, value]) => ({ path: [name], value, place: file }));
}

function otherRecord(file: string, of: string, command: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', `${file}: the record of ${of}. Repeat it with "${command}".`, {
    option: 'config',
    file,
  });
}
