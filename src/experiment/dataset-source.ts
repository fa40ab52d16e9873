import { basename } from 'node:path';
import { downloadDataset } from '../data/hub/download-dataset.js';
import { knownDataset } from '../data/hub/known-datasets.js';
import { mapTypes, parseTypeMap } from '../data/map-types.js';
import { type NamedFile, parseNamedFiles } from '../data/named-files.js';
import { sentenceBlocks } from '../data/read-sentences.js';
import { readingShape } from '../data/reader-options.js';
import { ReadingNotes } from '../data/reading-notes.js';
import type { Sentence } from '../data/sentence.js';
import { parseSplit, splitSentences } from '../data/split.js';
import { generateCorpus } from '../data/synthetic/generate.js';
import { PermafrostError } from '../errors/error.js';
import { pick } from '../errors/option-shape.js';
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
  /** Test sets that have names, by name; where there are any, the first one is `test`. */
  tests: Record<string, Sentence[]>;
}

export interface LoadedDataset {
  description: DatasetDescription;
  splits: Splits;
  /** What was changed or left out where files were read. */
  notes?: ReadingNotes;
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
    if (given === undefined) return withTypesMapped(generate(preset.dataset), options.map);
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
  return withTypesMapped(
    requireSentences({ ...loaded, description: { ...loaded.description, name } }),
    options.map,
  );
}

/** Sizes and digests for the record; the digest of all three splits identifies the data. */
export function describeData({ train, validation, test, tests }: Splits): RunRecord['data'] {
  const parts = {
    train: factsOf(train),
    validation: factsOf(validation),
    test: test === null ? null : factsOf(test),
    tests: Object.fromEntries(Object.entries(tests).map(([name, set]) => [name, factsOf(set)])),
  };
  const named = Object.entries(parts.tests).map(([name, facts]) => [name, facts.digest]);
  const digests = [parts.train.digest, parts.validation.digest, parts.test?.digest ?? null];
  return { digest: digestOf(named.length === 0 ? digests : [...digests, named]), ...parts };
}

/** Size and digest of a split. */
export function factsOf(sentences: readonly Sentence[]): RunRecord['data']['train'] {
  return {
    sentences: sentences.length,
    words: sentences.reduce((sum, sentence) => sum + sentence.words.length, 0),
    digest: digestSentences(sentences),
  };
}

/** The data with entity types mapped as the options have it. */
function withTypesMapped(loaded: LoadedDataset, mappings: readonly string[] = []): LoadedDataset {
  if (mappings.length === 0) return loaded;
  const map = parseTypeMap(mappings);
  const { train, validation, test, tests } = loaded.splits;
  const names = Object.keys(tests);
  const [first, second, ...others] = mapTypes([train, validation, ...Object.values(tests), test ?? []], map);
  const named = Object.fromEntries(names.map((name, index) => [name, others[index]!]));
  return {
    ...loaded,
    description: { ...loaded.description, map },
    splits: {
      train: first!,
      validation: second!,
      // A named test set and the test split are one object, under which outputs of frozen layers are kept.
      test: test && (named[names[0] ?? ''] ?? others.at(-1)!),
      tests: named,
    },
  };
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
      tests: {},
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
  return {
    description: { source: 'hub', name, repo, config, commit },
    splits: { train, validation, test, tests: {} },
  };
}

async function readAndSplit(options: WorkspaceOptions): Promise<LoadedDataset> {
  const files = filesOf(options.data!, 'data');
  const split = parseSplit(options.split ?? '80-10-10');
  const seed = options.splitSeed ?? DEFAULT_SPLIT_SEED;
  const notes = new ReadingNotes();
  const sentences = await readFiles(files, options, notes);
  return {
    description: { source: 'split', name: files.map(stem).join('+'), file: namesOf(files), split, seed },
    splits: { ...splitSentences(sentences, split, seed), tests: {} },
    notes,
  };
}

async function readSplits(options: WorkspaceOptions): Promise<LoadedDataset> {
  const notes = new ReadingNotes();
  const read = (files: readonly string[]) => readFiles(files, options, notes);
  const [train, validation] = [filesOf(options.train!, 'train'), filesOf(options.validation!, 'validation')];
  const files = options.test === undefined ? [] : parseNamedFiles(options.test, 'test');
  const isNamed = files.length > 1 || files[0]?.name != null;
  const nameOf = ({ name }: NamedFile) => name ?? 'test';
  const splits: Splits = {
    train: await read(train),
    validation: await read(validation),
    test: null,
    tests: {},
  };
  for (const file of files) {
    const sentences = await read([file.file]);
    splits.test ??= sentences;
    if (isNamed) splits.tests[nameOf(file)] = sentences;
  }
  return {
    description: {
      source: 'files',
      name: train.map(stem).join('+'),
      train: namesOf(train),
      validation: namesOf(validation),
      test: files[0] ? basename(files[0].file) : null,
      ...(isNamed && { tests: Object.fromEntries(files.map((file) => [nameOf(file), basename(file.file)])) }),
    },
    splits,
    notes,
  };
}

/**
 * The sets of sentences that options name, as they are: one that stands alone is `all`, else `data` is `train`.
 *
 * @throws INVALID_OPTION; FILE_NOT_FOUND, DATA_FORMAT.
 */
export async function readSets(
  options: WorkspaceOptions,
): Promise<{ sets: Record<string, Sentence[]>; notes: ReadingNotes }> {
  const notes = new ReadingNotes();
  const given = (['data', 'train', 'validation'] as const).flatMap((name) =>
    options[name] === undefined ? [] : [{ name, files: filesOf(options[name], name) }],
  );
  const tests = options.test === undefined ? [] : parseNamedFiles(options.test, 'test');
  const isAlone = given.length + tests.length === 1;
  const sets: Record<string, Sentence[]> = {};
  for (const { name, files } of given) {
    const split = isAlone ? 'all' : name === 'data' ? 'train' : name;
    sets[split] = [...(sets[split] ?? []), ...(await readFiles(files, options, notes))];
  }
  for (const { name, file } of tests) {
    sets[isAlone ? 'all' : (name ?? 'test')] = await readFiles([file], options, notes);
  }
  const names = Object.keys(sets);
  const mapped = mapTypes(Object.values(sets), parseTypeMap(options.map ?? []));
  return { sets: Object.fromEntries(names.map((name, index) => [name, mapped[index]!])), notes };
}

/** The files of a split. @throws INVALID_OPTION where one is named twice */
export function filesOf(given: string | readonly string[], option: string): readonly string[] {
  const files = [given].flat();
  const twice = files.find((file, index) => files.indexOf(file) < index);
  if (twice === undefined) return files;
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`${option}\`: ${twice} is named twice. Name each file once.`,
    {
      option,
      got: twice,
    },
  );
}

/** The sentences of several files, one after another. */
export async function readFiles(
  files: readonly string[],
  options: WorkspaceOptions,
  notes: ReadingNotes,
): Promise<Sentence[]> {
  const all: Sentence[] = [];
  for (const file of files) {
    for await (const block of sentenceBlocks(file, pick(readingShape, options), { notes })) {
      for (const sentence of block) all.push(sentence);
    }
  }
  return all;
}

function namesOf(files: readonly string[]): string {
  return files.map((file) => basename(file)).join(' + ');
}

/** A split of a small file can come out empty, and nothing can be trained or measured on it. */
function requireSentences(loaded: LoadedDataset): LoadedDataset {
  const { tests, ...splits } = loaded.splits;
  for (const [name, sentences] of Object.entries({ ...splits, ...tests })) {
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
