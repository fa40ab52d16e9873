import { connectionError } from './http.js';

export interface IdleSignal {
  signal: AbortSignal;
  reset(): void;
  stop(): void;
  /** Turns the abort of the idle clock into a broken connection. */
  explain(error: unknown, url: string): unknown;
}

/** Aborts with the caller's signal, or when nothing has come for a while. */
export function idleSignal(timeoutMs: number, outer?: AbortSignal): IdleSignal {
  const controller = new AbortController();
  const silence = new Error(`nothing came for ${timeoutMs / 1000} s`);
  const timer = setTimeout(() => controller.abort(silence), timeoutMs);
  const forward = () => controller.abort(outer?.reason);
  outer?.addEventListener('abort', forward, { once: true });
  if (outer?.aborted) forward();
  return {
    signal: controller.signal,
    reset: () => timer.refresh(),
    stop: () => {
      clearTimeout(timer);
      controller.abort(new Error('the download is over'));
      outer?.removeEventListener('abort', forward);
    },
    explain: (error, url) => (error === silence ? connectionError(url, silence) : error),
  };
}
