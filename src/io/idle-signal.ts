import { connectionError } from './http.js';

export interface IdleSignal {
  signal: AbortSignal;
  /** Says that bytes have come. */
  received(bytes: number): void;
  stop(): void;
  /** Turns the abort of the idle clock into a broken connection. */
  explain(error: unknown, url: string): unknown;
}

/** Bytes without which a connection counts as silent, so that a drop now and then holds nobody up for ever. */
const LEAST_BYTES = 2 ** 14;

/** Aborts with the caller's signal, or when nothing, or next to nothing, has come for a while. */
export function idleSignal(timeoutMs: number, outer?: AbortSignal): IdleSignal {
  const controller = new AbortController();
  const silence = new Error(`next to nothing came for ${timeoutMs / 1000} s`);
  let since = 0;
  const timer = setTimeout(() => controller.abort(silence), timeoutMs);
  const forward = () => controller.abort(outer?.reason);
  outer?.addEventListener('abort', forward, { once: true });
  if (outer?.aborted) forward();
  return {
    signal: controller.signal,
    received: (bytes) => {
      since += bytes;
      if (since < LEAST_BYTES) return;
      since = 0;
      timer.refresh();
    },
    stop: () => {
      clearTimeout(timer);
      controller.abort(new Error('the download is over'));
      outer?.removeEventListener('abort', forward);
    },
    explain: (error, url) => (error === silence ? connectionError(url, silence) : error),
  };
}
