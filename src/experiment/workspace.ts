import { labelSet } from '../data/label-set.js';
import { ReadingNotes } from '../data/reading-notes.js';
import { pick } from '../errors/option-shape.js';
import { encodingShape } from '../evaluation/encoding.js';
import type { HubOptions } from '../hub/snapshot.js';
import { headShape } from '../model/options.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { PrefixCacheOptions } from '../training/prefix-cache.js';
import { savingShape } from '../training/settings.js';
import { describeData, type LoadedDataset, loadDataset, type Splits } from './dataset-source.js';
import { loadModelSource } from './model-source.js';
import { type DataPortion, DataPortions, requireNoContext } from './portion.js';
import { presetByName } from './presets/by-name.js';
import type { Preset } from './presets/preset.js';
import type { RunRecord } from './run-record.js';
import type { Portion, ScenarioSettings } from './scenario.js';
import { FRESH_TRAINING, PAPER_TRAINING, type TrainingSettings } from './training-settings.js';
import {
  applyOverrides,
  energyOptions,
  parseWorkspaceOptions,
  prefixCacheOptions,
  sourceShape,
  type WorkspaceOptions,
} from './workspace-options.js';

/** All that the scenarios of a grid share. */
export interface Workspace {
  settings: ScenarioSettings;
  /** All of the data; {@link Workspace.portion} has what a scenario takes of them. */
  splits: Splits;
  /** Label of each id of the head. */
  labels: string[];
  tokenizer: Tokenizer;
  numLayers: number;
  /** What was changed or left out where the files were read. */
  notes: ReadingNotes;
  /** Sizes and digests of the splits. */
  data: RunRecord['data'];
  /** Where models are, as it was asked for. */
  device: string;
  /** CPU threads that were asked for, null for all cores. */
  threads: number | null;
  /** What energy is measured with, and grams of CO2 equivalents a kilowatt-hour where they were given; false measures none. */
  energy: false | { carbonIntensity?: number };
  /** Where data and model were read from, as the options had it. */
  sources: NonNullable<RunRecord['sources']>;
  /** Budget of the frozen prefix's outputs, which all runs share; false where none are kept. */
  prefix: PrefixCacheOptions | false;
  /** When the states to go on from are written, and what is told of the training. */
  saving: { saveSteps?: number; saveMinutes?: number; logSteps?: number; tensorboard?: boolean };
  /**
   * The data of a scenario. Equal portions give the same object, so that runs share what is kept for its sentences.
   *
   * @throws INVALID_OPTION where there are fewer sentences than asked for.
   */
  portion(portion: Portion): DataPortion;
  /** A model at its starting weights, the same for the same seed. The caller disposes of it. */
  createModel(seed: number, signal?: AbortSignal): Promise<TokenClassifier>;
}

/**
 * Brings together data, vocabulary, label set and model of a preset or of the user's files.
 *
 * @param options see {@link WorkspaceOptions}; with none of preset and data, the preset `demo`.
 * @param hub how what the options name on the Hub is fetched.
 * @throws INVALID_OPTION for options that are wrong, missing or contradict each other; FILE_NOT_FOUND, DATA_FORMAT,
 * UNSUPPORTED_MODEL from what they name.
 */
export async function openWorkspace(options: WorkspaceOptions, hub: HubOptions = {}): Promise<Workspace> {
  const checked = parseWorkspaceOptions(options);
  const preset = choosePreset(checked);
  return assembleWorkspace(checked, preset, await loadDataset(checked, preset, hub), hub);
}

/** The same with data that are there. @param options checked */
export async function assembleWorkspace(
  checked: WorkspaceOptions,
  preset: Preset | null,
  { description, splits, notes = new ReadingNotes() }: LoadedDataset,
  hub: HubOptions,
): Promise<Workspace> {
  const model = await loadModelSource(checked, preset, splits.train, hub);
  // Every label of every split, so that no split holds one that the head lacks.
  const everySet = [splits.train, splits.validation, splits.test ?? [], ...Object.values(splits.tests)];
  const labels = labelSet(everySet.flat());
  const data = describeData(splits);
  const defaults = defaultTraining(checked, preset);
  const maxLength = Math.min(defaults.maxLength, model.positions);
  const training = applyOverrides({ ...defaults, maxLength, ...model.trainedWith }, checked);
  const encoding = { maxLength: training.maxLength, ...pick(encodingShape, training) };
  if (description.source === 'split') requireNoContext(encoding, 'data');
  const portions = new DataPortions(
    { splits, data },
    { labels, tokenizer: model.tokenizer, encoding, keep: description.source !== 'generated' },
  );
  return {
    settings: { dataset: description, model: model.description, training },
    splits,
    notes,
    labels,
    tokenizer: model.tokenizer,
    numLayers: model.numLayers,
    data,
    device: checked.device ?? 'auto',
    threads: checked.threads ?? null,
    energy: energyOptions(checked),
    sources: { ...pick(sourceShape, checked), ...(preset && { preset: preset.name }) },
    prefix: prefixCacheOptions(checked, training),
    saving: pick(savingShape, checked),
    portion: (portion) => portions.of(portion),
    createModel: (seed, signal) =>
      model.create({ seed, labels, ...pick(headShape, training), ...(signal && { signal }) }),
  };
}

function choosePreset(options: WorkspaceOptions): Preset | null {
  if (options.preset !== undefined) return presetByName(options.preset);
  const givesData = [options.data, options.train, options.dataset].some((value) => value !== undefined);
  return givesData ? null : presetByName('demo');
}

/** Random weights do not learn at the paper's learning rate, which is one for pretrained weights. */
function defaultTraining(options: WorkspaceOptions, preset: Preset | null): TrainingSettings {
  if (preset?.dataset.source === 'generated') {
    if (options.shape === undefined) return preset.training;
    return { ...preset.training, optimizer: FRESH_TRAINING.optimizer };
  }
  if (options.shape !== undefined) return FRESH_TRAINING;
  return preset?.training ?? PAPER_TRAINING;
}
