import { parse } from 'yaml';
import type { z } from 'zod';
import { byteSize } from '../schema-options.js';

/**
 * The value that a setting stands for: as it is where its schema takes it, else a text as the flag would read it, a
 * number, a list between commas, or bytes with a unit.
 *
 * @returns what the schema takes; the value that it refuses where it takes none, for its message
 */
export function typedValue(schema: z.ZodType, given: unknown): unknown {
  if (schema.safeParse(given).success || typeof given !== 'string') return given;
  const readings = [() => parse(given) as unknown, () => listOf(given), () => bytesOf(schema, given)];
  let first: unknown;
  for (const reading of readings) {
    const value = attempt(reading);
    if (value !== undefined && schema.safeParse(value).success) return value;
    first ??= value;
  }
  return first ?? given;
}

function listOf(text: string): unknown[] {
  return text.split(',').map((item) => parse(item.trim()) as unknown);
}

function bytesOf(schema: z.ZodType, text: string): number | undefined {
  return schema.meta()?.value === 'size' ? byteSize(text) : undefined;
}

/** What cannot be read is no reading. */
function attempt(reading: () => unknown): unknown {
  try {
    return reading();
  } catch {
    return undefined;
  }
}
