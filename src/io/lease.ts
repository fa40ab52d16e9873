import { type FileHandle, open } from 'node:fs/promises';

/** A holder shows that it lives by touching its lock this often, ms. */
export const HEARTBEAT_MS = 5_000;

/** Whoever waits takes over a lock of another machine that was not touched for so long, ms. */
const LEASE_MS = 60_000;

/** Two looks further apart count as so many ms: whoever slept saw nothing. */
const LONGEST_LOOK_MS = 10_000;

/**
 * Sees whether the holders of locks live whose processes cannot be asked: a lock that does not change for a lease is its
 * holder's no longer.
 *
 * Silence is measured by this process's clock from what it sees change, since clocks of two machines may differ.
 */
export class LeaseWatch {
  readonly #seen = new Map<string, { mark: string; lookedAt: number; silentMs: number; beats: number }>();

  /** @param leaseMs silence after which a lock is given up */
  constructor(private readonly leaseMs = LEASE_MS) {}

  /** Looks at a lock: `over` after a lease of silence, `alive` where it was seen to change, `silent` until either. */
  async look(file: string): Promise<'alive' | 'silent' | 'over'> {
    const mark = await markOf(file);
    const now = performance.now();
    const seen = this.#seen.get(file);
    if (seen?.mark !== mark) {
      const beats = seen === undefined ? 0 : seen.beats + 1;
      this.#seen.set(file, { mark, lookedAt: now, silentMs: 0, beats });
      return beats > 0 ? 'alive' : 'silent';
    }
    seen.silentMs += Math.min(now - seen.lookedAt, LONGEST_LOOK_MS);
    seen.lookedAt = now;
    if (seen.silentMs > this.leaseMs) return 'over';
    return seen.beats > 0 ? 'alive' : 'silent';
  }

  /** Begins anew with a lock, such as one that has changed hands. */
  forget(file: string): void {
    this.#seen.delete(file);
  }
}

async function markOf(file: string): Promise<string> {
  let handle: FileHandle | null = null;
  try {
    // Opened, since NFS answers for a path from what it remembers, and asks the server for a file that is opened.
    handle = await open(file, 'r');
    const { ino, mtimeMs } = await handle.stat();
    return `${ino} ${mtimeMs}`;
  } catch {
    return '';
  } finally {
    await handle?.close();
  }
}
