import { ERROR_CODES, type ErrorCode, PermafrostError } from '../errors/error.js';

const KNOWN_CODES: ReadonlySet<string> = new Set(ERROR_CODES);

/**
 * Turns what the addon threw into a {@link PermafrostError} whose stack leads to the caller.
 *
 * `callSite` is an error made before the call: a rejected promise has no stack of its own.
 */
export function nativeError(error: unknown, callSite: Error): unknown {
  if (!(error instanceof Error)) return error;
  const code = (error as { code?: unknown }).code;
  if (typeof code !== 'string' || !KNOWN_CODES.has(code)) return error;
  const result = new PermafrostError(code as ErrorCode, error.message);
  const frames = callSite.stack?.split('\n').slice(1).join('\n') ?? '';
  result.stack = `${result.name}: ${result.message}\n${frames}`;
  return result;
}
