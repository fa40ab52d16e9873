import type { z } from 'zod';

/** Options by their names, as zod's objects take them. */
export type OptionShape = Readonly<Record<string, z.ZodType>>;

type WithoutDefault<Schema> =
  Schema extends z.ZodDefault<infer Inner>
    ? Inner
    : Schema extends z.ZodOptional<infer Inner>
      ? Inner
      : Schema;

/** The same options, each of which may be left out, for where somebody else has the defaults. */
export function optionalShape<Shape extends OptionShape>(
  shape: Shape,
): { [Name in keyof Shape]: z.ZodOptional<WithoutDefault<Shape[Name]> & z.ZodType> } {
  return mapShape(shape, (schema) => withoutDefault(schema).optional(), { keepsDefault: true }) as never;
}

/** The same options with nothing left to a default, for where settings are written down; what has none may be absent. */
export function settledShape<Shape extends OptionShape>(
  shape: Shape,
): { [Name in keyof Shape]: Shape[Name] extends z.ZodDefault<infer Inner> ? Inner : Shape[Name] } {
  return mapShape(shape, (schema) =>
    schema.def.type === 'default' ? withoutDefault(schema) : schema,
  ) as never;
}

/** What of the values belongs to a shape; values that are undefined are left out. */
export function pick<Shape extends OptionShape>(shape: Shape, values: object): Record<string, unknown> {
  const given = values as Record<string, unknown>;
  return Object.fromEntries(
    Object.keys(shape)
      .filter((name) => given[name] !== undefined)
      .map((name) => [name, given[name]]),
  );
}

/** @param keepsDefault tells of the default that an option had, for those who read about it */
function mapShape(
  shape: OptionShape,
  map: (schema: z.ZodType) => z.ZodType,
  { keepsDefault = false } = {},
): OptionShape {
  const entries = Object.entries(shape).map(([name, schema]) => {
    const meta = schema.meta();
    const mapped = map(schema);
    const { defaultValue } = schema.def as { defaultValue?: unknown };
    const told = keepsDefault && defaultValue !== undefined ? { usually: defaultValue } : {};
    return [name, meta === undefined ? mapped : mapped.meta({ ...meta, ...told })];
  });
  return Object.fromEntries(entries);
}

function withoutDefault(schema: z.ZodType): z.ZodType {
  const { type, innerType } = schema.def as { type: string; innerType?: z.ZodType };
  return innerType && (type === 'default' || type === 'optional') ? withoutDefault(innerType) : schema;
}
