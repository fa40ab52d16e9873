import { PermafrostError } from '../errors/error.js';
import { TransientError } from './retry.js';

/** Makes the error for a status in the words of whoever knows what was asked for; null leaves it to {@link request}. */
export type StatusError = (response: Response) => PermafrostError | null | Promise<PermafrostError | null>;

export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | ReadableStream;
  /** For a body that comes in pieces. */
  duplex?: 'half';
  /** `manual` leaves an answer that leads elsewhere to fail by its status. @default 'follow' */
  redirect?: 'follow' | 'manual';
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

/** What a JSON answer may be at most. */
export interface AnswerLimits {
  /** After decompression. @default 32 MiB */
  maxBytes?: number;
  /** From the request to the last byte, ms. @default 60000 */
  timeoutMs?: number;
}

/** A JSON answer: what it holds, of any shape, and where the next page of it is said to be. */
export interface JsonAnswer {
  value: unknown;
  /** Content of the header `link`. */
  link: string | null;
}

/**
 * One request whose answer is JSON, read no further than its limits.
 *
 * @throws TransientError around NETWORK_FAILED for what may pass, an answer that takes too long included; NETWORK_FAILED
 * for an answer that is too long or no JSON; ACCESS_DENIED, REMOTE_NOT_FOUND; `signal.reason`.
 */
export async function requestJson(
  url: string,
  options: RequestOptions & AnswerLimits = {},
): Promise<JsonAnswer> {
  const { bytes, headers } = await requestBytes(url, options);
  try {
    return { value: JSON.parse(new TextDecoder().decode(bytes)), link: headers.get('link') };
  } catch {
    throw badAnswer(url, 'JSON, and got something else');
  }
}

/**
 * The same for an answer of any form.
 *
 * @param accept as of {@link request}
 */
export async function requestBytes(
  url: string,
  { maxBytes = 2 ** 25, timeoutMs = 60_000, signal, ...options }: RequestOptions & AnswerLimits = {},
  accept: readonly number[] = [],
): Promise<{ bytes: Uint8Array; headers: Headers }> {
  const clock = AbortSignal.timeout(timeoutMs);
  const either = signal === undefined ? clock : AbortSignal.any([signal, clock]);
  let bytes: Uint8Array | null;
  let response: Response;
  try {
    response = await request(url, { ...options, signal: either }, accept);
    bytes = await readAtMost(response, maxBytes);
  } catch (error) {
    signal?.throwIfAborted();
    if (clock.aborted) throw connectionError(url, new Error(`the answer took over ${timeoutMs / 1000} s`));
    if (error instanceof TransientError || error instanceof PermafrostError) throw error;
    throw connectionError(url, error);
  }
  if (bytes === null) {
    throw badAnswer(url, `an answer of at most ${maxBytes / 2 ** 20} MiB, and got more`);
  }
  return { bytes, headers: response.headers };
}

/** All bytes of an answer, decompressed; null where there are more. */
async function readAtMost(response: Response, maxBytes: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength;
    // Leaving the loop ends the connection.
    if (length > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function badAnswer(url: string, expected: string): PermafrostError {
  return new PermafrostError(
    'NETWORK_FAILED',
    `${url}: expected ${expected}. Is it the server that is meant?`,
    {
      url,
    },
  );
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
