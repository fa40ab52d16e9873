import { extname } from 'node:path/posix';
import { PermafrostError } from '../../errors/error.js';

export const SPLITS = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof SPLITS)[number];

/** The files of each split of one part of a dataset, all of one form. */
export interface DatasetFiles {
  form: 'parquet' | 'jsonl' | 'columns';
  /** `''` where the repository has no parts. */
  config: string;
  splits: Partial<Record<SplitName, string[]>>;
}

const FORMS: Readonly<Record<string, DatasetFiles['form']>> = {
  '.parquet': 'parquet',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'jsonl',
  '.conll': 'columns',
  '.conllu': 'columns',
  '.iob': 'columns',
  '.iob2': 'columns',
  '.bio': 'columns',
  '.tsv': 'columns',
  '.txt': 'columns',
};

const SPLIT_WORDS: Readonly<Record<string, SplitName>> = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  development: 'validation',
  test: 'test',
  testing: 'test',
  eval: 'test',
};

/** Folders that say nothing about which part of a dataset their files belong to. */
const PLAIN_FOLDERS: ReadonlySet<string> = new Set(['', '.', 'data', 'dataset', 'datasets']);

interface Candidate {
  path: string;
  form: DatasetFiles['form'];
  split: SplitName;
  config: string;
}

/**
 * Finds by their names the files of a dataset's splits: `data/train-00000-of-00001.parquet`, `en/validation/0000.parquet`,
 * `IOB2_train.txt`, `dev.jsonl`. Parquet goes before JSON lines, these before columns.
 *
 * @param config part of the dataset, where it has several.
 * @returns null where no name tells of a split.
 * @throws INVALID_OPTION where there are several parts and none, or another one, is named.
 */
export function findFiles(
  name: string,
  paths: readonly string[],
  config: string | null,
): DatasetFiles | null {
  const all = paths.flatMap(candidateOf);
  const form = (['parquet', 'jsonl', 'columns'] as const).find((kind) =>
    all.some((file) => file.form === kind),
  );
  if (form === undefined) return null;
  const files = all.filter((file) => file.form === form);
  const configs = [...new Set(files.map((file) => file.config))].sort();
  const chosen = chooseConfig(name, configs, config);
  const splits: DatasetFiles['splits'] = {};
  for (const { path, split } of files.filter((file) => file.config === chosen)) {
    splits[split] = [...(splits[split] ?? []), path].sort();
  }
  return { form, config: chosen, splits };
}

function chooseConfig(name: string, configs: readonly string[], config: string | null): string {
  if (config !== null && configs.includes(config)) return config;
  if (config === null && configs.length === 1) return configs[0]!;
  if (config === null && configs.includes('default')) return 'default';
  const shown = configs.length > 40 ? [...configs.slice(0, 40), '…'] : configs;
  const list = shown.map((item) => item || "''").join(', ');
  throw new PermafrostError(
    'INVALID_OPTION',
    config === null
      ? `dataset ${name} has several parts: ${list}. Name one with \`config\`.`
      : `\`config\`: ${name} has no part ${config}. It has ${list}.`,
    { option: 'datasetConfig', configs },
  );
}

function candidateOf(path: string): Candidate[] {
  const form = FORMS[extname(path).toLowerCase()];
  if (form === undefined) return [];
  const parts = path.split('/');
  const file = parts.pop()!;
  const folder = parts.findIndex((part) => Object.hasOwn(SPLIT_WORDS, part.toLowerCase()));
  const split = folder < 0 ? splitOfName(file) : SPLIT_WORDS[parts[folder]!.toLowerCase()]!;
  if (split === null) return [];
  const above = (folder < 0 ? parts : parts.slice(0, folder)).filter(
    (part) => !PLAIN_FOLDERS.has(part.toLowerCase()),
  );
  return [{ path, form, split, config: above.join('/') }];
}

/** The split that a file's name tells of, as one of its words. */
function splitOfName(file: string): SplitName | null {
  const words = file.toLowerCase().split(/[^a-z]+/);
  const found = words.find((word) => Object.hasOwn(SPLIT_WORDS, word));
  return found === undefined ? null : SPLIT_WORDS[found]!;
}
