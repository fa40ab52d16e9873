import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { request, type StatusError } from './http.js';
import { idleSignal } from './idle-signal.js';

/** A file, or a part of one, that is sent as the body of a PUT. */
export interface UploadOptions {
  url: string;
  file: string;
  /** Offset of the first byte, and behind the last one. */
  begin: number;
  end: number;
  /** All that is sent beside the bytes. */
  headers?: Record<string, string>;
  /** Called with the bytes that have gone out, of this attempt. */
  onProgress?(sentBytes: number): void;
  signal?: AbortSignal;
  /** Silence after which a connection counts as broken, ms. @default 120000 */
  idleTimeoutMs?: number;
  statusError?: StatusError;
}

/**
 * Sends bytes of a file by one PUT, which is for the caller to repeat. Where it redirects is not followed: the bytes are
 * on their way already.
 *
 * @returns the headers of the answer
 * @throws TransientError around NETWORK_FAILED for what may pass; what `statusError` makes, NETWORK_FAILED,
 *   ACCESS_DENIED, REMOTE_NOT_FOUND; the file system's error where the file cannot be read; `signal.reason`
 */
export async function upload(options: UploadOptions): Promise<Headers> {
  const { url, file, begin, end, headers, signal, onProgress, statusError } = options;
  const idle = idleSignal(options.idleTimeoutMs ?? 120_000, signal);
  let unreadable: unknown = null;
  async function* bytes(): AsyncGenerator<Uint8Array> {
    let sent = 0;
    try {
      for await (const chunk of createReadStream(file, { start: begin, end: end - 1 })) {
        yield chunk;
        sent += (chunk as Buffer).length;
        idle.received((chunk as Buffer).length);
        onProgress?.(sent);
      }
    } catch (error) {
      unreadable = error;
      throw error;
    }
  }
  try {
    const response = await request(url, {
      method: 'PUT',
      headers: { ...headers, 'content-length': String(end - begin) },
      ...(end > begin && { body: Readable.toWeb(Readable.from(bytes())), duplex: 'half' as const }),
      redirect: 'manual',
      signal: idle.signal,
      ...(statusError && { statusError }),
    });
    await response.body?.cancel().catch(() => undefined);
    return response.headers;
  } catch (error) {
    if (unreadable !== null && !idle.signal.aborted) throw unreadable;
    throw signal?.aborted ? signal.reason : idle.explain(error, url);
  } finally {
    idle.stop();
  }
}
