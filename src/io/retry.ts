import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryOptions {
  /** Attempts in a row that may bring nothing. @default 5 */
  attempts?: number;
  /** Wait before the second attempt, ms; it doubles with each further one. @default 500 */
  firstDelayMs?: number;
  /** Longest wait that is accepted, ms, also where the server names one. @default 60000 */
  maxDelayMs?: number;
}

/** What may go well another time. Thrown by an attempt of {@link withRetries}. */
export class TransientError extends Error {
  constructor(
    /** The error to end with once there are no attempts left. */
    readonly final: Error,
    readonly hints: {
      /** The wait that the server asks for, ms. */
      retryAfterMs?: number;
      /** The attempt got somewhere, so that it does not count. */
      hasAdvanced?: boolean;
      /** Attempts that make sense for this kind of failure, where it is fewer. */
      attempts?: number;
    } = {},
  ) {
    super(final.message, { cause: final });
  }

  /** The same failure, of an attempt that got somewhere. */
  advanced(): TransientError {
    return new TransientError(this.final, { ...this.hints, hasAdvanced: true });
  }
}

/**
 * Repeats an attempt for as long as it throws {@link TransientError}, with growing waits and a random part in them, so
 * that many clients do not come back at once.
 *
 * @throws the attempt's other errors as they are; the final error of the last one; `signal.reason`.
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  { attempts = 5, firstDelayMs = 500, maxDelayMs = 60_000 }: RetryOptions = {},
  signal?: AbortSignal,
): Promise<T> {
  for (let failures = 0; ; ) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      const { hasAdvanced = false, retryAfterMs, attempts: sensible = attempts } = error.hints;
      failures = hasAdvanced ? 1 : failures + 1;
      if (!hasAdvanced && failures >= Math.min(attempts, sensible)) throw error.final;
      if (retryAfterMs !== undefined && retryAfterMs > maxDelayMs) throw error.final;
      const growing = Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);
      await pause(Math.max(growing, retryAfterMs ?? 0), signal);
    }
  }
}

async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal && { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
