import { PermafrostError } from '../errors/error.js';

/**
 * A DATA_FORMAT error at a place in a file.
 *
 * @param line 1-based, or null where the whole file is meant.
 */
export function formatError(
  file: string,
  line: number | null,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): PermafrostError {
  const where = line === null ? file : `${file}:${line}`;
  return new PermafrostError('DATA_FORMAT', `${where}: ${message}`, {
    file,
    ...(line !== null && { line }),
    ...details,
  });
}

/** Characters of a value that a message shows. */
const SHOWN = 60;

/** A value of a file for a message: short, and whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value);
  }
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

/** Names for a message, the first of them where they are many. */
export function listed(names: readonly string[]): string {
  const first = names.slice(0, 20).map((name) => (name.length > SHOWN ? `${name.slice(0, SHOWN)}…` : name));
  const more = names.length - first.length;
  return `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
