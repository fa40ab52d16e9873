import { formatError, shown } from './format-error.js';
import type { CheckedReadOptions } from './reader-options.js';

/** The ways in which files write a tag. */
export type TagForm = 'prefix' | 'prefix_' | 'suffix' | 'suffix_' | 'bare' | 'type';

/** Begin, inside (M in BMES), end (L in BILOU), single (U). */
const MARKS = 'BIESLUM';

/** Patterns of the forms in which a tag tells itself, the usual one first. */
const PATTERNS: readonly (readonly [form: TagForm, pattern: RegExp])[] = [
  ['prefix', new RegExp(`^[${MARKS}]-\\S+$`)],
  ['prefix_', new RegExp(`^[${MARKS}]_\\S+$`)],
  ['suffix', new RegExp(`^\\S+-[${MARKS}]$`)],
  ['suffix_', new RegExp(`^\\S+_[${MARKS}]$`)],
  ['bare', new RegExp(`^[${MARKS}]$`)],
];

/** The forms in which a column of tags is recognised, in this order. */
export const TOLD_FORMS = PATTERNS.map(([form]) => form);

/** Type of entities whose file names none. */
export const UNNAMED_TYPE = 'ENTITY';

/** The forms of a tag, for messages. */
const FORMS = 'O, B-type or I-type (also M-, E-, S-, L-, U-type; type-B, B_type and B alone)';

/** Whether a text is a tag of a form, `O` included. */
export function hasForm(text: string, form: TagForm): boolean {
  if (text === 'O') return true;
  const pattern = PATTERNS.find(([name]) => name === form)?.[1];
  return pattern?.test(text) ?? /^\S+$/.test(text);
}

/** Whether a text has the usual form of a tag: `O`, or a prefix, a hyphen and a type. */
export function isTag(text: string): boolean {
  return hasForm(text, 'prefix');
}

/**
 * Writes the tags of a file as `O` or prefix, hyphen and type. The first tag that is not `O` tells the form, which all
 * others must have. Each distinct one is looked at once, and equal ones are one string, so that they take no memory twice.
 */
export class TagForms {
  readonly #known = new Map<string, string>([['O', 'O']]);
  #form: TagForm | null;

  constructor(
    private readonly file: string,
    private readonly options: Pick<CheckedReadOptions, 'scheme' | 'tagNames'>,
  ) {
    this.#form = options.scheme === 'io' ? 'type' : null;
  }

  /**
   * @param text a tag, or its number, which `tagNames` names.
   * @param remedy asked for where it is wrong.
   * @throws DATA_FORMAT naming file and line where the text is no tag.
   */
  check(text: string, line: number, remedy: () => string): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const tag = NUMBER.test(text) ? this.#named(text, line) : text;
    const usual = tag === 'O' ? tag : this.#usual(tag, line, remedy);
    this.#known.set(text, usual);
    return usual;
  }

  #usual(tag: string, line: number, remedy: () => string): string {
    this.#form ??= PATTERNS.find(([, pattern]) => pattern.test(tag))?.[0] ?? null;
    if (this.#form !== null && hasForm(tag, this.#form)) return usualForm(tag, this.#form);
    throw formatError(
      this.file,
      line,
      `expected a tag of the form ${FORMS}${this.#form === null ? '' : ' as the tags before'}, got ${shown(tag)}. ` +
        `${remedy()} Types alone, without B and I, are read with \`scheme: io\`.`,
      { got: tag },
    );
  }

  #named(number: string, line: number): string {
    const { tagNames } = this.options;
    const name = tagNames?.[Number(number)];
    if (name !== undefined) return name;
    const remedy = tagNames
      ? `\`tagNames\` has the numbers 0 to ${tagNames.length - 1}.`
      : 'Name the tag of each number, from 0 on, with `tagNames`, such as O,B-PER,I-PER; the card of the dataset, or a ' +
        'model that was trained on it (id2label in its config.json), has them.';
    const message = `expected tags as strings, got the number ${number}. ${remedy}`;
    throw formatError(this.file, line, message, { got: Number(number) });
  }
}

/** Whether names of classes are types alone, without B and I. */
export function areTypes(names: readonly string[]): boolean {
  return names.every((name) => name === 'O' || !TOLD_FORMS.some((form) => hasForm(name, form)));
}

const NUMBER = /^\d+$/;

function usualForm(text: string, form: TagForm): string {
  const [mark, type] = partsOf(text, form);
  return `${mark === 'M' ? 'I' : mark}-${type}`;
}

function partsOf(text: string, form: TagForm): [mark: string, type: string] {
  switch (form) {
    case 'prefix':
    case 'prefix_':
      return [text.charAt(0), text.slice(2)];
    case 'suffix':
    case 'suffix_':
      return [text.at(-1)!, text.slice(0, -2)];
    case 'bare':
      return [text, UNNAMED_TYPE];
    case 'type':
      return ['I', text];
  }
}
