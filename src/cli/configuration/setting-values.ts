import { parse } from 'yaml';
import type { z } from 'zod';
import { byteSize } from '../schema-options.js';

/**
 * The value that a setting stands for: as it is where its schema takes it, else a text as the flag would read it, a
 * number, a list between commas, or bytes with a unit.
 *
 * @param isText whether it was typed behind `--set`, where nothing but the schema tells a number from its digits
 * @returns what the schema takes; where it takes none, a value that it refuses, for its message
 */
export function typedValue(schema: z.ZodType, given: unknown, isText = false): unknown {
  if (typeof given !== 'string') return given;
  const asIs = () => given;
  const readings = [() => parse(given) as unknown, () => listOf(given), () => bytesOf(schema, given)];
  const values = [...(isText ? [...readings, asIs] : [asIs, ...readings])].map(attempt);
  const taken = values.find((value) => value !== undefined && schema.safeParse(value).success);
  if (taken !== undefined) return taken;
  const isList = given.includes(',');
  return values.find((value) => (isList ? Array.isArray(value) : value !== undefined)) ?? given;
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
