import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import type { TagScheme } from './tag-scheme.js';

/** How to read a file of columns. */
export interface ConllOptions {
  /** 0-based column of the word. @default found from the first lines */
  tokenColumn?: number;
  /** 0-based column of the tag. @default the last column that holds tags */
  tagColumn?: number;
  /** @default 'auto': tabs where the lines have them, else runs of spaces */
  separator?: 'auto' | 'tab' | 'space';
  /** How the file marks entities; a scheme that is named is checked to the letter. @default 'auto' */
  scheme?: TagScheme | 'auto';
}

/** How to read JSON lines. */
export interface JsonlOptions {
  /** Key of the words. @default 'words', else 'tokens' */
  wordsKey?: string;
  /** Key of the tags. @default 'tags', else 'ner_tags' */
  tagsKey?: string;
  /** Tag of each number, for files that hold tags as numbers. */
  tagNames?: readonly string[];
  /** How the file marks entities; a scheme that is named is checked to the letter. @default 'auto' */
  scheme?: TagScheme | 'auto';
}

const scheme = z.enum(['auto', 'iob1', 'iob2', 'iobes']).default('auto');

const conllSchema = z.strictObject({
  tokenColumn: z.int().nonnegative().optional(),
  tagColumn: z.int().nonnegative().optional(),
  separator: z.enum(['auto', 'tab', 'space']).default('auto'),
  scheme,
});

const jsonlSchema = z.strictObject({
  wordsKey: z.string().min(1).optional(),
  tagsKey: z.string().min(1).optional(),
  tagNames: z.array(z.string()).min(1).readonly().optional(),
  scheme,
});

export type CheckedConllOptions = z.output<typeof conllSchema>;
export type CheckedJsonlOptions = z.output<typeof jsonlSchema>;

/** @throws INVALID_OPTION naming the option. */
export function parseConllOptions(options: ConllOptions): CheckedConllOptions {
  const checked = parse(conllSchema, options, 'Reading columns');
  const { tokenColumn, tagColumn } = checked;
  if (tokenColumn !== undefined && tokenColumn === tagColumn) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `Reading columns: \`tokenColumn\` and \`tagColumn\` are both ${tokenColumn}. Columns count from 0; name two of them.`,
      { option: 'tagColumn', got: tagColumn },
    );
  }
  return checked;
}

/** @throws INVALID_OPTION naming the option. */
export function parseJsonlOptions(options: JsonlOptions): CheckedJsonlOptions {
  return parse(jsonlSchema, options, 'Reading JSON lines');
}

function parse<Schema extends z.ZodType>(schema: Schema, options: unknown, where: string): z.output<Schema> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const option = issue.path.join('.');
  throw new PermafrostError('INVALID_OPTION', `${where}: ${option ? `${option}: ` : ''}${issue.message}.`, {
    option,
    issues: result.error.issues,
  });
}
