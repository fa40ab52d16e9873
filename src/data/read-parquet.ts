import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { PermafrostError } from '../errors/error.js';
import { formatError } from './format-error.js';
import { normalizeSentences, type RawSentence, TagForms } from './normalize.js';
import type { Sentence } from './sentence.js';

/** How to read a parquet file. */
export interface ParquetOptions {
  /** Column of the words. @default 'tokens', else 'words' */
  tokenColumn?: string;
  /** Column of the tags. @default 'ner_tags', else 'tags', 'labels', 'ner' */
  tagColumn?: string;
  /** Gives the names of a column's classes where the file does not tell. */
  tagNames?(column: string): readonly string[] | null;
}

/** Description of the columns that the `datasets` library leaves in a parquet file. */
export const DESCRIPTION_KEY = 'huggingface';

const TOKEN_COLUMNS = ['tokens', 'words', 'token', 'word'];
const TAG_COLUMNS = ['ner_tags', 'tags', 'labels', 'ner', 'ner_labels', 'label'];
/** Rows that are in memory at once. */
const ROWS = 10_000;

/** A parquet file whose metadata have been read. */
export interface ParquetFile {
  /** Names of the columns. */
  columns: string[];
  /** What the file says of its columns, or null. */
  description: string | null;
  sentences(options: ParquetOptions): AsyncIterable<Sentence>;
}

/**
 * Opens a parquet file with one sentence a row: a list of words and a list of tags, the tags as texts or as numbers of
 * classes. Tags without B and I are taken as types of which neighbours of one type are one entity. Gives IOB2.
 *
 * @throws DATA_FORMAT for a file that is not parquet; while iterating for columns that cannot be told (the message lists
 * them) and for rows that are no annotated sentence.
 */
export async function openParquet(file: string): Promise<ParquetFile> {
  const buffer = await asyncBufferFromFile(file);
  const metadata = await parquetMetadataAsync(buffer).catch((cause: Error) => {
    throw formatError(file, null, `expected a parquet file, got ${cause.message}. Fetch it again.`);
  });
  const columns = topColumns(metadata.schema);
  const rows = Number(metadata.num_rows);
  const description =
    metadata.key_value_metadata?.find(({ key }: { key: string }) => key === DESCRIPTION_KEY)?.value ?? null;
  const read = async function* (names: [string, string], tagNames: readonly string[] | null) {
    const forms = new TagForms(file);
    for (let start = 0; start < rows; start += ROWS) {
      const end = Math.min(rows, start + ROWS);
      const wanted = {
        file: buffer,
        metadata,
        compressors,
        columns: [...names],
        rowStart: start,
        rowEnd: end,
      };
      const records = await parquetReadObjects(wanted).catch((cause: Error) => {
        throw formatError(
          file,
          null,
          `the rows from ${start} cannot be read: ${cause.message}. Fetch it again.`,
        );
      });
      for (const [index, record] of records.entries()) {
        const sentence = sentenceOf(record, names, tagNames, forms, file, start + index);
        if (sentence.words.length > 0) yield sentence;
      }
    }
  };
  return {
    columns,
    description,
    sentences(options) {
      const tokens = chooseColumn(file, columns, options.tokenColumn, TOKEN_COLUMNS, 'token');
      const tags = chooseColumn(file, columns, options.tagColumn, TAG_COLUMNS, 'tag');
      const names = options.tagNames?.(tags) ?? null;
      const isPlain = names?.every((name) => name === 'O' || !/^[BIESLU]-/.test(name)) ?? false;
      const marked = isPlain ? names!.map((name) => (name === 'O' ? name : `I-${name}`)) : names;
      return normalizeSentences(file, () => read([tokens, tags], marked), isPlain ? 'iob1' : 'auto');
    },
  };
}

/** Columns at the top of a schema, which lists a tree depth first. */
function topColumns(schema: readonly { name: string; num_children?: number }[]): string[] {
  const columns: string[] = [];
  for (let i = 1; i < schema.length; ) {
    columns.push(schema[i]!.name);
    let pending = 1;
    while (pending > 0 && i < schema.length) pending += (schema[i++]!.num_children ?? 0) - 1;
  }
  return columns;
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
    `${file}: expected a column with the ${kind}s (${wanted}), got the columns ${columns.join(', ')}. Name it with ` +
      `--${kind}-column.`,
    { file, columns, option: `${kind}Column` },
  );
}

function sentenceOf(
  record: Record<string, unknown>,
  [tokenColumn, tagColumn]: [string, string],
  tagNames: readonly string[] | null,
  forms: TagForms,
  file: string,
  row: number,
): RawSentence {
  const at = `row ${row} (counted from 0)`;
  const words = listOf(record[tokenColumn]);
  const tags = listOf(record[tagColumn]);
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
      `${at}: expected a word at ${index} of ${tokenColumn}, got ${JSON.stringify(word)}.`,
    );
  });
  const named = tags.map((tag) => {
    const text = typeof tag === 'string' ? tag : tagNames?.[Number(tag)];
    if (text !== undefined) return forms.check(text, row + 1, 'Name another column with `tagColumn`.');
    const known =
      tagNames === null ? 'the dataset does not name its classes' : `there are ${tagNames.length} classes`;
    throw formatError(file, null, `${at}: expected the tag of number ${tag} in ${tagColumn}; ${known}.`);
  });
  return { words: texts, tags: named, lines: texts.map(() => row + 1) };
}

function listOf(value: unknown): unknown[] | null {
  if (Array.isArray(value)) return value;
  return ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value as Int32Array) : null;
}
