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
