import type { z } from 'zod';
import { PermafrostError } from './error.js';
import { didYouMean } from './message.js';

// Messages name options as the API does, in backticks: `maxLength`, `restart: true`. So the command line, which calls
// them by its flags, can tell them from other words.

/**
 * Checks options against their schema, with every fault in one error.
 *
 * @param where function or object that the options belong to
 * @throws INVALID_OPTION naming each wrong option, what was expected and what was given
 */
export function parseOptions<Schema extends z.ZodType>(
  schema: Schema,
  options: unknown,
  where: string,
): z.output<Schema> {
  const result = schema.safeParse(options, { reportInput: true });
  if (result.success) return result.data;
  const { issues } = result.error;
  const faults = issues.map((issue) => describe(issue, schema)).join('; ');
  throw new PermafrostError('INVALID_OPTION', `${where}: ${faults}.`, {
    where,
    options: issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' ? issue.keys : [issue.path.join('.')],
    ),
  });
}

function describe(issue: z.core.$ZodIssue, schema: z.ZodType): string {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = optionNames(schema, issue.path);
    return issue.keys
      .map((key) => {
        const meant = didYouMean(key, known);
        const remedy = meant ? `Did you mean \`${meant}\`?` : `The options are ${known.join(', ')}`;
        return `there is no option '${path ? `${path}.${key}` : key}'. ${remedy}`;
      })
      .join('; ');
  }
  const option = path ? `\`${path}\`` : 'options';
  return `${option}: ${faultOf(issue)}`;
}

/** What would have been right, and what was given. @param issue of a check with `reportInput` */
export function faultOf(issue: z.core.$ZodIssue): string {
  return `${expectationOf(issue)}, got ${quoteValue(issue.input)}`;
}

/** What would have been right, in the words that the command line has for it, too. */
function expectationOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${KINDS[issue.expected] ?? `a value of type ${issue.expected}`}`;
    case 'invalid_value':
      return issue.message.startsWith('Invalid') ? expectedOneOf(issue.values) : issue.message;
    case 'too_small':
      return `expected ${amountOf(issue.origin)} ${issue.inclusive === false ? 'above' : 'of at least'} ${issue.minimum}`;
    case 'too_big':
      return `expected ${amountOf(issue.origin)} ${issue.inclusive === false ? 'below' : 'of at most'} ${issue.maximum}`;
    case 'invalid_union': {
      const forms = issue.errors.flatMap(([first]) => (first ? [expectationOf(first)] : []));
      return forms.length === 0 ? 'expected another value' : [...new Set(forms)].join(', or ');
    }
    default:
      return issue.message === 'Invalid input' ? 'expected another value' : issue.message;
  }
}

const KINDS: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
};

function amountOf(origin: string): string {
  if (origin === 'string') return 'a text with a length';
  return origin === 'array' ? 'a list with a length' : 'a number';
}

/** `expected one of fp32, bf16`, or the only value that there is. */
export function expectedOneOf(values: readonly unknown[]): string {
  const [first, ...others] = values.map(String);
  return others.length === 0 ? `expected ${first}` : `expected one of ${[first, ...others].join(', ')}`;
}

/** A value as a message shows it; of objects only what they are. */
export function quoteValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  // Which JSON has no words for.
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value));
}

/** Names of the options at a path, looking through defaults and the like. */
function optionNames(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let shape = shapeOf(schema);
  for (const key of path) {
    const inner = shape[String(key)];
    shape = inner ? shapeOf(inner) : {};
  }
  return Object.keys(shape);
}

function shapeOf(schema: z.ZodType): Record<string, z.ZodType> {
  const { shape, innerType, out } = schema.def as {
    shape?: Record<string, z.ZodType>;
    innerType?: z.ZodType;
    out?: z.ZodType;
  };
  const inner = innerType ?? out;
  return shape ?? (inner ? shapeOf(inner) : {});
}
