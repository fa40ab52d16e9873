import { PermafrostError } from '../errors/error.js';
import { formatError, listed, shown } from './format-error.js';
import { eachOf, normalizeSentences, type RawSentence, TagForms } from './normalize.js';
import { ParquetDecoder } from './parquet-decoder.js';
import type { ParquetLayout, ParquetRow } from './parquet-worker.js';
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

const TOKEN_COLUMNS = ['tokens', 'words', 'token', 'word'];
const TAG_COLUMNS = ['ner_tags', 'tags', 'labels', 'ner', 'ner_labels', 'label'];
/** Rows that come from the decoder's thread at once. */
const ROWS = 500;

/** What decodes a file; see {@link ParquetDecoder}. */
export type Decoder = Pick<ParquetDecoder, 'open' | 'rows' | 'close'>;

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
export async function openParquet(
  file: string,
  decoder: Decoder = new ParquetDecoder(),
): Promise<ParquetFile> {
  const { rows, columns, description } = await openWith(decoder, file);
  const read = async function* (names: [string, string], tagNames: readonly string[] | null) {
    const forms = new TagForms(file);
    for (let start = 0; start < rows; start += ROWS) {
      const end = Math.min(rows, start + ROWS);
      const records = await decoder.rows(names, start, end).catch((cause: Error) => {
        throw unreadableRows(file, start, cause.message);
      });
      yield records
        .map((record, index) => sentenceOf(record, names, tagNames, forms, file, start + index))
        .filter(({ words }) => words.length > 0);
      if (records.length < end - start) {
        throw unreadableRows(file, start + records.length, `they end there, and there should be ${rows}`);
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
      return eachOf(normalizeSentences(file, () => read([tokens, tags], marked), isPlain ? 'iob1' : 'auto'));
    },
  };
}

async function openWith(decoder: Decoder, file: string): Promise<ParquetLayout> {
  const layout = await decoder.open(file).catch((cause: Error) => {
    throw formatError(file, null, `expected a parquet file, got ${cause.message}. Fetch it again.`);
  });
  if (Number.isSafeInteger(layout.rows) && layout.rows >= 0) return layout;
  throw formatError(file, null, `expected a parquet file, got one of ${layout.rows} rows. Fetch it again.`);
}

function unreadableRows(file: string, start: number, why: string): PermafrostError {
  return formatError(file, null, `the rows from ${start} cannot be read: ${why}. Fetch it again.`);
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
  [words, tags]: ParquetRow,
  [tokenColumn, tagColumn]: [string, string],
  tagNames: readonly string[] | null,
  forms: TagForms,
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
  const named = tags.map((tag) => {
    const text = typeof tag === 'string' ? tag : tagNames?.[numberOf(tag)];
    if (text !== undefined) return forms.check(text, row + 1, () => 'Name another column with `tagColumn`.');
    const known =
      tagNames === null ? 'the dataset does not name its classes' : `there are ${tagNames.length} classes`;
    throw formatError(
      file,
      null,
      `${at}: expected the tag of number ${shown(tag)} in ${tagColumn}; ${known}.`,
    );
  });
  return { words: texts, tags: named, lines: texts.map(() => row + 1) };
}
