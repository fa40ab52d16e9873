import { PermafrostError } from '../errors/error.js';
import { TransientError } from './retry.js';

/** Makes the error for a status in the words of whoever knows what was asked for; null leaves it to {@link request}. */
export type StatusError = (response: Response) => PermafrostError | null | Promise<PermafrostError | null>;

export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
  statusError?: StatusError;
}

/** Statuses that a later attempt may not get. */
const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Failures of a connection that was never made: more than a second attempt is only waiting. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EADDRNOTAVAIL',
]);

/**
 * One HTTP request, its failures as typed errors. Statuses that the caller must see itself (such as 206 and 416) are
 * named in `accept`; every other status outside of 200 to 299 throws.
 *
 * Credentials in `headers` go to the host of the URL alone: fetch leaves them out when a redirect leads elsewhere.
 *
 * @throws TransientError around NETWORK_FAILED for what may pass; ACCESS_DENIED, REMOTE_NOT_FOUND, NETWORK_FAILED;
 * `signal.reason`.
 */
export async function request(
  url: string,
  { statusError, ...init }: RequestOptions = {},
  accept: readonly number[] = [],
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw connectionError(url, cause);
  }
  if (response.ok || accept.includes(response.status)) return response;
  const error = (await statusError?.(response)) ?? plainStatusError(response, url);
  await response.body?.cancel().catch(() => undefined);
  if (!TRANSIENT_STATUSES.has(response.status)) throw error;
  const retryAfterMs = retryAfter(response.headers);
  throw new TransientError(error, retryAfterMs === null ? {} : { retryAfterMs });
}

/** The error of a connection that could not be made, or broke. */
export function connectionError(url: string, cause: unknown): TransientError {
  const code = errorCode(cause);
  const { host } = new URL(url);
  const isUnreachable = code !== undefined && UNREACHABLE.has(code);
  const what = isUnreachable ? `${host} cannot be reached` : `the connection to ${host} broke off`;
  const error = new PermafrostError(
    'NETWORK_FAILED',
    `${url}: ${what} (${code ?? (cause as Error).message}). Check the network and, where there is one, the proxy ` +
      '(Node reads HTTPS_PROXY only with NODE_USE_ENV_PROXY=1); the same command goes on where it stopped.',
    { url, ...(code !== undefined && { cause: code }), isUnreachable },
    { cause },
  );
  return new TransientError(error, isUnreachable ? { attempts: 2 } : {});
}

function plainStatusError(response: Response, url: string): PermafrostError {
  const { status } = response;
  const details = { url, status };
  if (status === 401 || status === 403) {
    return new PermafrostError(
      'ACCESS_DENIED',
      `${url}: access denied (${status}). Check that you may read it.`,
      details,
    );
  }
  if (status === 404 || status === 410) {
    return new PermafrostError(
      'REMOTE_NOT_FOUND',
      `${url}: there is no such file (${status}). Check the address.`,
      details,
    );
  }
  const remedy = status === 429 ? 'The server wants fewer requests: try again later.' : 'Try again later.';
  return new PermafrostError('NETWORK_FAILED', `${url}: the server answered ${status}. ${remedy}`, details);
}

/** The wait that a server asks for, ms: `Retry-After` in seconds or as a date, or null. */
function retryAfter(headers: Headers): number | null {
  const value = headers.get('retry-after');
  if (value === null) return null;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now());
}

/** The system's code somewhere among the causes of an error of fetch, which wraps it once or twice. */
function errorCode(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
    if (cause instanceof AggregateError && cause.errors.length > 0) return errorCode(cause.errors[0]);
  }
  return undefined;
}
