import { PermafrostError } from '../errors/error.js';
import { addon, type NativeEngine, type Precision } from './addon.js';
import { nativeError } from './call.js';

const forgotten = new FinalizationRegistry<string>((what) => {
  process.emitWarning(`${what} was never disposed; call dispose() to free its memory at a known time.`);
});

/** Owns one native engine: typed errors, cancelling, disposal. */
export class Engine {
  readonly #native: NativeEngine;
  /** Where its model is, `cpu` or `cuda:<number>`; empty before it has one. */
  device = '';
  /** What its model computes in. */
  precision: Precision = 'fp32';
  #disposed: Promise<void> | null = null;

  /**
   * @param threads cores that a computation uses; 0 for all
   * @throws ADDON_MISSING, ADDON_MISMATCH
   */
  constructor(threads: number) {
    this.#native = new (addon().Engine)(threads);
    forgotten.register(this, 'A permafrost model', this);
  }

  /**
   * Queues one call and gives its result.
   *
   * A signal takes a waiting call out of the queue and lets a running one finish; the promise then
   * rejects with `signal.reason`.
   *
   * @throws DISPOSED after `dispose`
   */
  async call<T>(start: (native: NativeEngine) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const callSite = new Error('call');
    if (this.#disposed) {
      throw new PermafrostError('DISPOSED', 'The model has been disposed; load it again to use it.');
    }
    signal?.throwIfAborted();
    let stop: (() => void) | undefined;
    try {
      const promise = start(this.#native);
      if (signal) {
        const job = this.#native.lastJob();
        stop = () => this.#native.cancel(job);
        signal.addEventListener('abort', stop, { once: true });
      }
      const result = await promise;
      signal?.throwIfAborted();
      return result;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw nativeError(error, callSite);
    } finally {
      if (stop) signal?.removeEventListener('abort', stop);
    }
  }

  /**
   * Refuses what waits, lets the running call finish, frees the model. Idempotent.
   *
   * A call that waits for other ranks for a second is given up with DISPOSED, and they fail with RANK_FAILED.
   */
  dispose(): Promise<void> {
    if (!this.#disposed) {
      forgotten.unregister(this);
      this.#disposed = this.#native.dispose();
    }
    return this.#disposed;
  }
}
