import type { z } from 'zod';
import { PermafrostError } from './error.js';
import { didYouMean } from './message.js';

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
        const remedy = meant ? `Did you mean '${meant}'?` : `The options are ${known.join(', ')}`;
        return `there is no option '${path ? `${path}.${key}` : key}'. ${remedy}`;
      })
      .join('; ');
  }
  const text = `${path || 'options'}: ${issue.message}`;
  // Messages about a wrong type say what was received; those about a wrong value do not.
  const isPrimitive = ['string', 'number', 'boolean'].includes(typeof issue.input);
  return isPrimitive && issue.code !== 'invalid_type' ? `${text}, got ${JSON.stringify(issue.input)}` : text;
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
