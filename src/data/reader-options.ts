import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import { areTypes } from './tag-forms.js';

const column = (of: string, byDefault: string) =>
  z
    .union([z.int().nonnegative(), z.string().min(1)])
    .optional()
    .describe(`column of the ${of}: its number from 0, or its name (default: ${byDefault})`);

/** How annotated sentences are read, whatever the form of their file; API, command line and records share it. */
export const readingShape = {
  /** Column of the word: 0-based, or its name in CSV, JSON and parquet. @default by the file's form */
  tokenColumn: column('word', "by the file's form"),
  /** Column of the tag, or of the spans of annotated text. @default by the file's form, asked for where several may be meant */
  tagColumn: column('tag', "by the file's form"),
  /** What parts columns. @default 'auto': tabs where the lines have them, else runs of spaces; commas below a header */
  separator: z
    .enum(['auto', 'tab', 'space', 'comma', 'semicolon'])
    .optional()
    .describe('what parts columns (default: auto)'),
  /**
   * How tags mark entities; a scheme that is named is checked to the letter. `iobes` is BILOU and BMES, too; `io` has
   * types alone, of which neighbours are one entity. @default 'auto'
   */
  scheme: z
    .enum(['auto', 'iob1', 'iob2', 'iobes', 'io'])
    .optional()
    .describe('how tags mark entities; iobes is BILOU and BMES, too, io has types alone (default: auto)'),
  /** What the offsets of annotated text count. @default 'codepoints' */
  offsets: z
    .enum(['codepoints', 'utf16'])
    .optional()
    .describe('what offsets in annotated text count (default: codepoints)'),
  /** Tag of each number, for files that hold tags as numbers. */
  tagNames: z.array(z.string().min(1)).min(1).readonly().optional().meta({
    description: 'tags of the numbers 0, 1, …, between commas, where a file holds numbers',
    value: 'O,B-x,I-x',
    isRepeated: true,
  }),
  /**
   * Which of entities within entities are kept: `outermost`, `innermost`, or the layer of a number, 1 the outermost.
   * @default outermost in annotated text; asked for in columns, where the last may be something else
   */
  nested: z
    .union([z.enum(['outermost', 'innermost']), z.int().positive()])
    .optional()
    .meta({
      description: 'entities within entities: outermost, innermost, or the number of a layer',
      value: 'layer',
    }),
};

/** How to read annotated sentences. */
export type ReadOptions = z.input<z.ZodObject<typeof readingShape>>;

/** The same with what stands for what was not given. */
export type CheckedReadOptions = ReadOptions & {
  [Name in 'separator' | 'scheme' | 'offsets']: NonNullable<ReadOptions[Name]>;
};

const schema = z.strictObject(readingShape);

/** @throws INVALID_OPTION naming the option. */
export function parseReadOptions(options: ReadOptions, where = 'readSentences'): CheckedReadOptions {
  const checked = parseOptions(schema, options, where);
  const { tokenColumn, tagColumn, tagNames } = checked;
  if (tokenColumn !== undefined && tokenColumn === tagColumn) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `${where}: \`tokenColumn\` and \`tagColumn\` are both ${tokenColumn}. Columns count from 0; name two of them.`,
      { where, option: 'tagColumn', got: tagColumn },
    );
  }
  // The command line has them between commas, too.
  const names = tagNames?.flatMap((list) => list.split(','));
  const given = Object.fromEntries(Object.entries(checked).filter(([, value]) => value !== undefined));
  return {
    separator: 'auto',
    scheme: names && areTypes(names) ? 'io' : 'auto',
    offsets: 'codepoints',
    ...given,
    ...(names && { tagNames: names }),
  };
}

/** The name that a column of a form with names has, in a list. @throws INVALID_OPTION for a number */
export function keyOption(
  file: string,
  options: ReadOptions,
  option: 'tokenColumn' | 'tagColumn',
): string[] | undefined {
  const value = options[option];
  if (typeof value !== 'number') return value === undefined ? undefined : [value];
  throw wrongColumn(file, option, 'the name of a key, since the file holds JSON', value);
}

/** The number of a column without a name. @throws INVALID_OPTION for a name */
export function numberOption(
  file: string,
  options: ReadOptions,
  option: 'tokenColumn' | 'tagColumn',
): number | undefined {
  const value = options[option];
  if (typeof value !== 'string') return value;
  throw wrongColumn(file, option, 'a number from 0, since the columns have no names', value);
}

function wrongColumn(file: string, option: string, expected: string, got: string | number): PermafrostError {
  const message = `\`${option}\`: ${file}: expected ${expected}, got ${got}.`;
  return new PermafrostError('INVALID_OPTION', message, { option, got });
}
