import { readFile } from 'node:fs/promises';
import { PermafrostError } from '../../errors/error.js';
import { isRepoName, parseRepo } from '../../hub/repo.js';
import { type HubOptions, openSnapshot, type Snapshot } from '../../hub/snapshot.js';
import { sizeOf } from '../../io/file-check.js';
import { readConll } from '../read-conll.js';
import { readJsonlSentences } from '../read-json.js';
import { openParquet } from '../read-parquet.js';
import type { ReadOptions } from '../reader-options.js';
import type { Sentence } from '../sentence.js';
import { labelsOfCard, labelsOfInfo } from './class-labels.js';
import { type DatasetFiles, findFiles, SPLITS, type SplitName } from './find-files.js';
import { type KnownDataset, knownDataset, PARQUET_REVISION, similarDataset } from './known-datasets.js';

/** A description that is longer is none that a person or the `datasets` library wrote. */
const MAX_DESCRIPTION_BYTES = 2 ** 23;

/** Which part of a dataset is fetched, and how it is read. */
export interface DatasetOptions extends HubOptions {
  /** Part of the dataset, such as a language. @default the usual one of a known dataset, else the only one */
  config?: string;
  /** Column of the words and of the tags: its name in parquet and JSON lines, its number from 0 in columns. */
  tokenColumn?: string | number;
  tagColumn?: string | number;
}

/** A dataset of the Hub. */
export interface HubDataset {
  /** `owner/name`. */
  name: string;
  config: string;
  commit: string;
  /** `null` for a split that it does not have. */
  splits: Record<SplitName, Sentence[] | null>;
}

/**
 * Fetches an annotated dataset: by the short name of a known one (`conll2003`, `kaznerd`, …, see `KNOWN_DATASETS`), or
 * any `owner/name[@revision]` that has its splits as parquet, JSON lines or CoNLL columns, also where only the Hub's own
 * conversion to parquet has them.
 *
 * @throws INVALID_OPTION for an unknown name or part; DATA_FORMAT for a repository without such files, or with columns
 * that cannot be told (the message lists them); the errors of the Hub as `downloadModel` has them.
 */
export async function downloadDataset(name: string, options: DatasetOptions = {}): Promise<HubDataset> {
  const known = knownDataset(name);
  if (known === null && !name.includes('/')) throw unknownName(name);
  const wanted = known === null ? name : `${known.repo}${known.revision ? `@${known.revision}` : ''}`;
  const { snapshot, files } = await findSource(
    wanted,
    options.config ?? (known?.config || null),
    known,
    options,
  );
  const splits: HubDataset['splits'] = { train: null, validation: null, test: null };
  for (const split of SPLITS) {
    const paths = files.splits[split];
    if (paths !== undefined) splits[split] = await readSplit(paths, files, snapshot, known, options);
  }
  return { name: snapshot.repo.name, config: files.config, commit: snapshot.commit, splits };
}

/** Whether a text names a dataset of the Hub rather than a file. */
export function isDatasetName(text: string): boolean {
  return knownDataset(text) !== null || isRepoName(text);
}

interface Source {
  snapshot: Snapshot;
  files: DatasetFiles;
}

async function findSource(
  name: string,
  config: string | null,
  known: KnownDataset | null,
  options: DatasetOptions,
): Promise<Source> {
  const repo = parseRepo(name, 'dataset');
  const snapshot = await openSnapshot(repo, options);
  const usable =
    known?.columns === null ? snapshot.paths.filter((path) => !path.endsWith('.json')) : snapshot.paths;
  const files = findFiles(repo.name, usable, config);
  if (files !== null) return { snapshot, files };
  if (repo.revision !== PARQUET_REVISION) {
    const converted = await openSnapshot({ ...repo, revision: PARQUET_REVISION }, options).catch((error) => {
      if (error instanceof PermafrostError && ['REMOTE_NOT_FOUND', 'OFFLINE'].includes(error.code))
        return null;
      throw error;
    });
    const found = converted && findFiles(repo.name, converted.paths, config);
    if (found) return { snapshot: converted, files: found };
  }
  const shown = snapshot.paths.slice(0, 20).join(', ');
  throw new PermafrostError(
    'DATA_FORMAT',
    `dataset ${repo.name}: expected files of splits (train, validation, test in their names) as parquet, JSON lines or ` +
      `CoNLL columns, got ${shown || 'no files'}. Fetch its files yourself and give them as \`train\` and \`validation\`.`,
    { repo: repo.name, paths: snapshot.paths },
  );
}

async function readSplit(
  paths: readonly string[],
  { form, config }: DatasetFiles,
  snapshot: Snapshot,
  known: KnownDataset | null,
  options: DatasetOptions,
): Promise<Sentence[]> {
  const sentences: Sentence[] = [];
  for (const path of paths) {
    const file = await snapshot.get(path);
    const read =
      form === 'parquet'
        ? await parquetSentences(file, config, snapshot, known, options)
        : form === 'jsonl'
          ? readJsonlSentences(file, await jsonlOptions(config, snapshot, options))
          : readConll(file, columnsOf(options));
    for await (const sentence of read) sentences.push(sentence);
  }
  return sentences;
}

async function parquetSentences(
  file: string,
  config: string,
  snapshot: Snapshot,
  known: KnownDataset | null,
  options: DatasetOptions,
): Promise<AsyncIterable<Sentence>> {
  const parquet = await openParquet(file);
  const described = [
    parquet.description === null ? () => null : labelsOfInfo(parquet.description, config),
    ...(await descriptions(config, snapshot)),
    (column: string) => (column === known?.columns?.tags ? labelsOfKnown(known) : null),
  ];
  const tokenColumn = nameOf(options.tokenColumn) ?? known?.columns?.tokens;
  const tagColumn = nameOf(options.tagColumn) ?? known?.columns?.tags;
  return parquet.sentences({
    ...(tokenColumn !== undefined && { tokenColumn }),
    ...(tagColumn !== undefined && { tagColumn }),
    tagNames: (column) =>
      described.map((describe) => describe(column)).find((names) => names !== null) ?? null,
  });
}

/** What the repository's own files say of the classes. */
async function descriptions(
  config: string,
  snapshot: Snapshot,
): Promise<((column: string) => string[] | null)[]> {
  const read = async (path: string) => {
    const file = snapshot.paths.includes(path) ? await snapshot.get(path) : null;
    return file === null || (await sizeOf(file)) > MAX_DESCRIPTION_BYTES ? null : readFile(file, 'utf8');
  };
  const [infos, card] = [await read('dataset_infos.json'), await read('README.md')];
  return [
    ...(infos === null ? [] : [labelsOfInfo(infos, config)]),
    ...(card === null ? [] : [labelsOfCard(card, config)]),
  ];
}

/** For known datasets whose files and card do not tell; types without B and I stand by themselves. */
function labelsOfKnown({ name, types }: KnownDataset): string[] {
  return ['O', ...(name === 'few-nerd' ? types : types.flatMap((type) => [`B-${type}`, `I-${type}`]))];
}

async function jsonlOptions(
  config: string,
  snapshot: Snapshot,
  { tokenColumn, tagColumn }: DatasetOptions,
): Promise<ReadOptions> {
  const described = await descriptions(config, snapshot);
  const columns = tagColumn === undefined ? ['tags', 'ner_tags'] : [String(tagColumn)];
  const tagNames = described.flatMap((describe) => columns.map(describe)).find((names) => names !== null);
  return { ...columnsOf({ tokenColumn, tagColumn }), ...(tagNames && { tagNames }) };
}

function columnsOf({ tokenColumn, tagColumn }: Pick<ReadOptions, 'tokenColumn' | 'tagColumn'>): ReadOptions {
  return { ...(tokenColumn !== undefined && { tokenColumn }), ...(tagColumn !== undefined && { tagColumn }) };
}

function nameOf(column: string | number | undefined): string | undefined {
  return column === undefined ? undefined : String(column);
}

function unknownName(name: string): PermafrostError {
  const meant = similarDataset(name);
  return new PermafrostError(
    'INVALID_OPTION',
    `\`dataset\` ${name}: there is no dataset of that short name. ${meant ? `Did you mean ${meant}? ` : ''}` +
      'permafrost datasets lists them; others are named owner/name.',
    { option: 'dataset', got: name },
  );
}
