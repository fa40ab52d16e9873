import { open, rename, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { attemptWrite, writeAll } from './atomic-write.js';
import { type ExpectedDigest, findFault, sizeOf } from './file-check.js';
import { connectionError, request, type StatusError } from './http.js';
import { type IdleSignal, idleSignal } from './idle-signal.js';
import { makeDirectory } from './make-directory.js';
import { type RetryOptions, TransientError, withRetries } from './retry.js';

export interface DownloadOptions {
  url: string;
  /** Where the file ends up. Its directory is made. */
  file: string;
  /** Where the part lies that is there already; kept after a failure, so that the next call goes on with it.
   * @default `file` with `.incomplete` behind it */
  partial?: string;
  digest?: ExpectedDigest;
  /** Bytes of the file, where known. */
  size?: number;
  /** Sent to the host of `url` alone, not to where it redirects. */
  headers?: Record<string, string>;
  /** Called after each piece. */
  onProgress?(progress: DownloadProgress): void;
  /** Rejects with its reason; what has arrived is kept. */
  signal?: AbortSignal;
  retry?: RetryOptions;
  /** Where the size is not known, bytes after which the file is given up. @default 64 GiB */
  maxBytes?: number;
  /** Silence after which a connection counts as broken, ms. @default 60000 */
  idleTimeoutMs?: number;
  statusError?: StatusError;
}

export interface DownloadProgress {
  /** Bytes that are there, those of earlier calls included. */
  receivedBytes: number;
  /** `null` where the server does not tell. */
  totalBytes: number | null;
}

/**
 * Downloads one file: goes on where an earlier attempt stopped, repeats what was cut, checks size and digest, and gives
 * the file its name only when all of it is right. One process at a time may write a file; see `withFileLock`.
 *
 * @throws NETWORK_FAILED, ACCESS_DENIED, REMOTE_NOT_FOUND, HASH_MISMATCH, WRITE_FAILED (also for a full disk, with
 * `details.code` ENOSPC); `signal.reason`.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const partial = options.partial ?? `${options.file}.incomplete`;
  await attemptWrite(options.file, () => makeDirectory(dirname(options.file)));
  // The part of an earlier call may be what is wrong: then a fresh start decides.
  const attempts = (await sizeOf(partial)) > 0 ? 2 : 1;
  for (let n = 1; ; n++) {
    await fetchAll(options, partial);
    const fault = await findFault(partial, options);
    if (fault === null) break;
    await rm(partial, { force: true });
    if (n === attempts) throw damaged(options, fault);
  }
  await attemptWrite(options.file, () => rename(partial, options.file));
}

async function fetchAll(options: DownloadOptions, partial: string): Promise<void> {
  // A connection that brings no more than the ones before it has not advanced, as where a server knows no ranges.
  let furthest = await sizeOf(partial);
  const connect = async () => {
    try {
      await fetchRest(options, partial);
    } catch (error) {
      const reached = await sizeOf(partial);
      const hasAdvanced = reached > furthest;
      furthest = Math.max(furthest, reached);
      throw error instanceof TransientError && hasAdvanced ? error.advanced() : error;
    }
  };
  await withRetries(connect, options.retry, options.signal);
}

/** One connection: what is missing behind the part that is there. */
async function fetchRest(options: DownloadOptions, partial: string): Promise<void> {
  let start = await sizeOf(partial);
  if (options.size !== undefined && start > options.size) {
    await rm(partial, { force: true });
    start = 0;
  }
  if (start > 0 && start === options.size) return;
  const idle = idleSignal(options.idleTimeoutMs ?? 60_000, options.signal);
  try {
    const response = await request(
      options.url,
      {
        headers: {
          ...options.headers,
          'accept-encoding': 'identity',
          ...(start > 0 && { range: `bytes=${start}-` }),
        },
        signal: idle.signal,
        ...(options.statusError && { statusError: options.statusError }),
      },
      [416],
    ).catch((error) => {
      throw options.signal?.aborted ? options.signal.reason : idle.explain(error, options.url);
    });
    const range = rangeOf(response, start, options);
    if (range === null) {
      await response.body?.cancel();
      await rm(partial, { force: true });
      throw new TransientError(damaged(options, 'the server cannot go on where the part that is there ends'));
    }
    await requireSpace(options.file, range.total === null ? null : range.total - range.start);
    await append(response, partial, range, options, idle);
  } finally {
    // Also ends the connection where the answer was not read to its end.
    idle.stop();
  }
}

interface ReceivedRange {
  /** Offset of the first byte that comes. */
  start: number;
  total: number | null;
}

/** Null where what comes does not fit behind the part that is there. */
function rangeOf(response: Response, start: number, { size }: DownloadOptions): ReceivedRange | null {
  if (response.status === 416) return null;
  if (response.status !== 206) {
    const length = response.headers.get('content-length');
    return { start: 0, total: size ?? (length === null ? null : Number(length)) };
  }
  const [, first, total] =
    /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  if (first === undefined || Number(first) !== start) return null;
  return { start, total: size ?? (total === '*' ? null : Number(total)) };
}

async function append(
  response: Response,
  partial: string,
  { start, total }: ReceivedRange,
  { url, file, signal, onProgress, maxBytes = 2 ** 36 }: DownloadOptions,
  idle: IdleSignal,
): Promise<void> {
  const handle = await attemptWrite(partial, () => open(partial, start === 0 ? 'w' : 'a'));
  let receivedBytes = start;
  try {
    onProgress?.({ receivedBytes, totalBytes: total });
    for await (const chunk of response.body ?? []) {
      idle.received(chunk.byteLength);
      await attemptWrite(partial, () => writeAll(handle, chunk));
      receivedBytes += chunk.byteLength;
      if (total !== null && receivedBytes > total) break;
      if (total === null && receivedBytes > maxBytes) {
        await rm(partial, { force: true });
        throw damaged({ url, file }, `more than ${maxBytes} bytes came, and no end`);
      }
      onProgress?.({ receivedBytes, totalBytes: total });
    }
    await attemptWrite(partial, () => handle.sync());
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof PermafrostError) throw error;
    throw connectionError(url, idle.signal.aborted ? idle.signal.reason : error);
  } finally {
    await handle.close();
  }
  if (total !== null && receivedBytes < total) {
    throw connectionError(url, new Error(`${receivedBytes} of ${total} bytes came`));
  }
}

function damaged({ url, file }: Pick<DownloadOptions, 'url' | 'file'>, fault: string): PermafrostError {
  return new PermafrostError(
    'HASH_MISMATCH',
    `${url}: what came is not the file that was promised: ${fault}. It was deleted; try again, and if it comes again, ` +
      'a proxy or mirror on the way changes it.',
    { url, file, fault },
  );
}

/** Refuses at once what would fill the disk in an hour. */
async function requireSpace(file: string, bytes: number | null): Promise<void> {
  if (bytes === null) return;
  const disk = await statfs(dirname(file)).catch(() => null);
  if (disk === null) return;
  const free = disk.bavail * disk.bsize;
  if (bytes <= free) return;
  throw new PermafrostError(
    'WRITE_FAILED',
    `Cannot write ${file}: it needs ${mebibytes(bytes)} MiB more and the disk has ${mebibytes(free)} MiB free. Free ` +
      'some space or choose another directory.',
    { path: file, code: 'ENOSPC', neededBytes: bytes, freeBytes: free },
  );
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
