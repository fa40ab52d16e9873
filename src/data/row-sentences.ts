import { PermafrostError } from '../errors/error.js';
import { TAG_COLUMNS, TOKEN_COLUMNS } from './column-names.js';
import { formatError, listed, shown } from './format-error.js';
import { labelsOfInfo } from './hub/class-labels.js';
import { normalizeSentences, type RawSentence } from './normalize.js';
import { type CheckedReadOptions, keyOption } from './reader-options.js';
import type { Reading } from './reading.js';
import type { Sentence } from './sentence.js';
import { areTypes, TagForms } from './tag-forms.js';

/** Words and tags of a row; null where there is no list. */
export type Row = readonly [words: readonly unknown[] | null, tags: readonly unknown[] | null];

/** A table with one sentence a row: a list of words and a list of tags. */
export interface RowSource {
  file: string;
  /** Names of the columns. */
  columns: readonly string[];
  /** What the `datasets` library says of the columns, as JSON, or null. */
  description: string | null;
  /** The rows of two columns from the first on, some at once. */
  rows(columns: readonly [tokens: string, tags: string]): AsyncIterable<readonly Row[]>;
}

/** How to read a table. */
export interface RowOptions {
  /** Column of the words. @default 'tokens', else 'words' */
  tokenColumn?: string;
  /** Column of the tags. @default 'ner_tags', else 'tags', 'ner', 'labels' */
  tagColumn?: string;
  scheme?: CheckedReadOptions['scheme'];
  /** Gives the names of a column's classes where the file does not tell. */
  tagNames?(column: string): readonly string[] | null;
}

/** Options of a table from those of all files: names of classes are the user's, else the description's. */
export function rowOptions(
  file: string,
  options: CheckedReadOptions,
  description: string | null,
): RowOptions {
  const [tokenColumn] = keyOption(file, options, 'tokenColumn') ?? [];
  const [tagColumn] = keyOption(file, options, 'tagColumn') ?? [];
  const described = description === null ? null : labelsOfInfo(description, '');
  return {
    ...(tokenColumn !== undefined && { tokenColumn }),
    ...(tagColumn !== undefined && { tagColumn }),
    scheme: options.scheme,
    tagNames: (column) => options.tagNames ?? described?.(column) ?? null,
  };
}

/**
 * The sentences of a table. Tags without B and I are taken as types of which neighbours of one type are one entity.
 *
 * @throws DATA_FORMAT for columns that cannot be told (the message lists them), and rows that are no sentence.
 */
export function rowBlocks(
  source: RowSource,
  options: RowOptions,
  reading: Reading = {},
): AsyncGenerator<Sentence[]> {
  const { file, columns } = source;
  const wantsTags = reading.tags !== 'ignored';
  const tokens = chooseColumn(file, columns, options.tokenColumn, TOKEN_COLUMNS, 'token');
  const tags = wantsTags ? chooseColumn(file, columns, options.tagColumn, TAG_COLUMNS, 'tag') : tokens;
  const tagNames = wantsTags ? (options.tagNames?.(tags) ?? null) : null;
  const { scheme: given = 'auto' } = options;
  const scheme = given === 'auto' && tagNames !== null && areTypes(tagNames) ? 'io' : given;
  const read = async function* () {
    const forms = wantsTags ? new TagForms(file, { scheme }) : null;
    let start = 0;
    for await (const rows of source.rows([tokens, tags])) {
      const first = start;
      yield rows
        .map((row, index) => sentenceOf(row, [tokens, tags], tagNames, forms, file, first + index))
        .filter(({ words }) => words.length > 0);
      start += rows.length;
    }
  };
  return normalizeSentences(file, read, scheme, reading);
}

/** Number of a class, of which parquet has several kinds; none where it is no number. */
function numberOf(tag: unknown): number {
  return typeof tag === 'number' || typeof tag === 'bigint' ? Number(tag) : -1;
}

function chooseColumn(
  file: string,
  columns: readonly string[],
  given: string | undefined,
  usual: readonly string[],
  kind: 'token' | 'tag',
): string {
  const found = given === undefined ? usual.find((name) => columns.includes(name)) : given;
  if (found !== undefined && columns.includes(found)) return found;
  const wanted = given === undefined ? `one of ${usual.join(', ')}` : given;
  throw new PermafrostError(
    'DATA_FORMAT',
    `${file}: expected a column with the ${kind}s (${wanted}), got the columns ${listed(columns)}. Name it with ` +
      `--${kind}-column.`,
    { file, columns, option: `${kind}Column` },
  );
}

function sentenceOf(
  [words, tags]: Row,
  [tokenColumn, tagColumn]: [string, string],
  tagNames: readonly string[] | null,
  forms: TagForms | null,
  file: string,
  row: number,
): RawSentence {
  const at = `row ${row} (counted from 0)`;
  if (words === null || tags === null || words.length !== tags.length) {
    throw formatError(
      file,
      null,
      `${at}: expected as many tags in ${tagColumn} as words in ${tokenColumn}, got ${tags?.length ?? 'no list'} and ` +
        `${words?.length ?? 'no list'}. Name other columns with \`tokenColumn\` and \`tagColumn\`.`,
    );
  }
  const texts = words.map((word, index) => {
    if (typeof word === 'string' && word !== '') return word;
    throw formatError(
      file,
      null,
      `${at}: expected a word at ${index} of ${tokenColumn}, got ${shown(word)}.`,
    );
  });
  const lines = [row + 1];
  if (forms === null) return { words: texts, tags: texts.map(() => 'O'), lines };
  const named = tags.map((tag) => {
    const text = typeof tag === 'string' ? tag : tagNames?.[numberOf(tag)];
    if (text !== undefined) return forms.check(text, row + 1, () => 'Name another column with `tagColumn`.');
    const known =
      tagNames === null
        ? 'the file does not name its classes; name them with `tagNames`'
        : `there are ${tagNames.length} classes`;
    throw formatError(
      file,
      null,
      `${at}: expected the tag of number ${shown(tag)} in ${tagColumn}; ${known}.`,
    );
  });
  return { words: texts, tags: named, lines };
}
