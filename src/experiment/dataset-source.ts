import { basename } from 'node:path';
import { downloadDataset } from '../data/hub/download-dataset.js';
import { knownDataset } from '../data/hub/known-datasets.js';
import { columnOptions, readSentences } from '../data/read-sentences.js';
import type { Sentence } from '../data/sentence.js';
import { parseSplit, splitSentences } from '../data/split.js';
import { generateCorpus } from '../data/synthetic/generate.js';
import { PermafrostError } from '../errors/error.js';
import type { HubOptions } from '../hub/snapshot.js';
import { digestOf, digestSentences } from '../io/digest.js';
import type { GeneratedDataset, Preset } from './presets/preset.js';
import type { RunRecord } from './run-record.js';
import type { DatasetDescription } from './scenario.js';
import type { WorkspaceOptions } from './workspace-options.js';

export interface Splits {
  train: Sentence[];
  validation: Sentence[];
  /** `null` where none was given. */
  test: Sentence[] | null;
}

export interface LoadedDataset {
  description: DatasetDescription;
  splits: Splits;
}

const DEFAULT_SPLIT_SEED = 42;

/**
 * Generates or reads the sentences that the options name.
 *
 * @param preset the preset in use, or null where the options alone decide.
 * @throws INVALID_OPTION where files are missing from or do not go with the preset; FILE_NOT_FOUND, DATA_FORMAT.
 */
export async function loadDataset(
  options: WorkspaceOptions,
  preset: Preset | null,
  hub: HubOptions = {},
): Promise<LoadedDataset> {
  const given = (['data', 'train', 'dataset'] as const).find((name) => options[name] !== undefined);
  if (preset?.dataset.source === 'generated') {
    if (given === undefined) return generate(preset.dataset);
    throw new PermafrostError(
      'INVALID_OPTION',
      `\`preset\` ${preset.name} generates its own data. Leave out \`${given}\`, or the preset.`,
      { option: given },
    );
  }
  if (given === undefined) throw missingFiles(preset);
  const loaded =
    given === 'dataset'
      ? await fetchSplits(options, hub)
      : given === 'data'
        ? await readAndSplit(options)
        : await readSplits(options);
  const name = preset?.name ?? loaded.description.name;
  return requireSentences({ ...loaded, description: { ...loaded.description, name } });
}

/** Sizes and digests for the record; the digest of all three splits identifies the data. */
export function describeData({ train, validation, test }: Splits): RunRecord['data'] {
  const facts = (sentences: Sentence[]) => ({
    sentences: sentences.length,
    words: sentences.reduce((sum, sentence) => sum + sentence.words.length, 0),
    digest: digestSentences(sentences),
  });
  const parts = {
    train: facts(train),
    validation: facts(validation),
    test: test === null ? null : facts(test),
  };
  const digest = digestOf([parts.train.digest, parts.validation.digest, parts.test?.digest ?? null]);
  return { digest, ...parts };
}

function generate({ corpus, seed, sizes }: GeneratedDataset): LoadedDataset {
  const { train, validation, test } = generateCorpus(corpus, { seed, sizes });
  // What has no file still has a place that predictions and messages can name.
  const named = (split: string, sentences: Sentence[]): Sentence[] =>
    sentences.map((sentence, index) => ({ ...sentence, file: `${corpus}/${split}`, line: index + 1 }));
  return {
    description: { source: 'generated', name: corpus, seed, sizes },
    splits: {
      train: named('train', train),
      validation: named('validation', validation),
      test: named('test', test),
    },
  };
}

async function fetchSplits(options: WorkspaceOptions, hub: HubOptions): Promise<LoadedDataset> {
  const { dataset, datasetConfig, tokenColumn, tagColumn } = options;
  const {
    name: repo,
    config,
    commit,
    splits: { train, validation, test },
  } = await downloadDataset(dataset!, {
    ...hub,
    ...(datasetConfig !== undefined && { config: datasetConfig }),
    ...(tokenColumn !== undefined && { tokenColumn }),
    ...(tagColumn !== undefined && { tagColumn }),
  });
  if (train === null || validation === null) {
    throw new PermafrostError(
      'DATA_FORMAT',
      `dataset ${repo}${config && ` (${config})`} has no ${train === null ? 'train' : 'validation'} split. Name another ` +
        'part with `datasetConfig`, or give files with `train` and `validation`.',
      { repo, config },
    );
  }
  const short = knownDataset(dataset!)?.name ?? repo.split('/').at(-1)!;
  const name = datasetConfig === undefined ? short : `${short}-${datasetConfig.replaceAll('/', '-')}`;
  return { description: { source: 'hub', name, repo, config, commit }, splits: { train, validation, test } };
}

async function readAndSplit(options: WorkspaceOptions): Promise<LoadedDataset> {
  const file = options.data!;
  const split = parseSplit(options.split ?? '80-10-10');
  const seed = options.splitSeed ?? DEFAULT_SPLIT_SEED;
  const sentences = await readSentences(file, columnOptions(file, options));
  return {
    description: { source: 'split', name: stem(file), file: basename(file), split, seed },
    splits: splitSentences(sentences, split, seed),
  };
}

async function readSplits(options: WorkspaceOptions): Promise<LoadedDataset> {
  const read = (file: string) => readSentences(file, columnOptions(file, options));
  const [train, validation] = [options.train!, options.validation!];
  const splits: Splits = {
    train: await read(train),
    validation: await read(validation),
    test: options.test === undefined ? null : await read(options.test),
  };
  return {
    description: {
      source: 'files',
      name: stem(train),
      train: basename(train),
      validation: basename(validation),
      test: options.test === undefined ? null : basename(options.test),
    },
    splits,
  };
}

/** A split of a small file can come out empty, and nothing can be trained or measured on it. */
function requireSentences(loaded: LoadedDataset): LoadedDataset {
  for (const [name, sentences] of Object.entries(loaded.splits)) {
    if (sentences === null || sentences.length > 0) continue;
    throw new PermafrostError(
      'DATA_FORMAT',
      `The ${name} split holds no sentence. Give a file with more sentences, or another \`split\`.`,
      { split: name },
    );
  }
  return loaded;
}

function missingFiles(preset: Preset | null): PermafrostError {
  const what = preset?.dataset.source === 'given' ? preset.dataset : null;
  const remedy =
    'Give the files `train`, `validation` and `test`, one file `data` with `split` 80-10-10, or `dataset`, a name of the ' +
    'Hugging Face Hub; or take `preset` demo, which needs no files.';
  const message = what
    ? `\`preset\` ${preset!.name} needs the files of ${what.title}, published at ${what.home}. ${remedy}`
    : `No data given. ${remedy}`;
  return new PermafrostError('INVALID_OPTION', message, { option: 'train' });
}

function stem(file: string): string {
  return basename(file).replace(/\.[^.]+$/, '') || basename(file);
}
