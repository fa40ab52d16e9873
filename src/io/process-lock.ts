import { createHash } from 'node:crypto';
import { link, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PermafrostError } from '../errors/error.js';
import { attemptWrite } from './atomic-write.js';
import { HEARTBEAT_MS, LeaseWatch } from './lease.js';
import { type LockContent, livenessOf, ownContent, readLock } from './lock-holder.js';
import { makeDirectory } from './make-directory.js';
import { temporaryName } from './temporary-files.js';

/** Name of the lock of a directory. */
export const LOCK_NAME = 'run.lock';

/** Between two tries for a lock that another process holds for a moment, ms. */
const RETRY_MS = 100;

/** A lock that is held: it is touched for as long as the process lives and until it is released. */
export interface FileLock {
  /** Aborted with LOCKED where another machine took the lock over, since this process was silent for a lease. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/**
 * Makes this process the holder of a lock file, or tells who holds it.
 *
 * The lock of a process of this machine that no longer lives is taken over at once, that of another machine when its
 * lease is over. Only names of files are made and replaced, so that it holds over NFS, too.
 *
 * @param lease of whoever tries again and again; without one a lock of another machine is never taken over
 * @throws WRITE_FAILED where the lock cannot be written.
 */
export async function tryLock(file: string, lease?: LeaseWatch): Promise<FileLock | LockContent> {
  await attemptWrite(file, () => makeDirectory(dirname(file)));
  const own = ownContent();
  const draft = temporaryName(file);
  try {
    for (;;) {
      // Written aside and then given its name, so that nobody ever reads a lock that is only half there. Written again
      // each time: whoever holds the lock meanwhile may have swept it away.
      await attemptWrite(file, () => writeFile(draft, `${JSON.stringify(own)}\n`));
      if (await linkIfAbsent(draft, file)) break;
      const holder = await readLock(file);
      if (holder === null) continue;
      // A server that answers twice says that its own first answer is in the way.
      if (holder.token === own.token) break;
      if (!(await isGone(file, holder, lease))) return holder;
      if (await takeOver(file, draft, holder, lease)) break;
    }
  } finally {
    await rm(draft, { force: true });
  }
  lease?.forget(file);
  return new HeldLock(file, own);
}

/**
 * Makes this process the only writer of a directory; the lock of a process that no longer lives is taken over.
 *
 * Whether one of another machine lives is seen within seconds where it does, and after a lease where it does not.
 *
 * @throws LOCKED where another process writes there; WRITE_FAILED where the lock cannot be written.
 */
export async function lockDirectory(directory: string, lease = new LeaseWatch()): Promise<FileLock> {
  const file = join(directory, LOCK_NAME);
  for (;;) {
    const result = await tryLock(file, lease);
    if ('release' in result) return result;
    if (livenessOf(result) === 'alive' || (await lease.look(file)) === 'alive') {
      throw lockedBy(result, directory, file);
    }
    await sleep(RETRY_MS);
  }
}

/** Says who writes to a directory. */
export function lockedBy(
  { pid, host, since }: LockContent,
  directory: string,
  file: string,
): PermafrostError {
  return new PermafrostError(
    'LOCKED',
    `${directory}: process ${pid} on ${host} has been writing there since ${since}. Wait for it, choose another ` +
      `directory, or delete ${file} if that process is gone.`,
    { directory, lock: file, pid, host },
  );
}

/**
 * Who holds a lock, and whether that process lives as far as can be told; null where nobody does.
 *
 * @param lease of whoever asks again and again, to whom one of another machine lives no longer when its lease is over
 */
export async function lockHolder(
  file: string,
  lease?: LeaseWatch,
): Promise<(LockContent & { isAlive: boolean }) | null> {
  const holder = await readLock(file);
  return holder && { ...holder, isAlive: !(await isGone(file, holder, lease)) };
}

/**
 * Does something while no other process does it: waits for the lock, and gives it back.
 *
 * @throws WRITE_FAILED; `signal.reason` while it waits; what the action throws.
 */
export async function withFileLock<T>(
  file: string,
  action: () => Promise<T>,
  signal?: AbortSignal,
  lease = new LeaseWatch(),
): Promise<T> {
  for (;;) {
    signal?.throwIfAborted();
    const lock = await tryLock(file, lease);
    if ('release' in lock) {
      try {
        return await action();
      } finally {
        await lock.release();
      }
    }
    await sleep(RETRY_MS);
  }
}

class HeldLock implements FileLock {
  readonly #file: string;
  readonly #own: LockContent;
  readonly #lost = new AbortController();
  readonly #heartbeat: NodeJS.Timeout;

  constructor(file: string, own: LockContent) {
    this.#file = file;
    this.#own = own;
    this.#heartbeat = setInterval(() => void this.#beat().catch(() => undefined), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    clearInterval(this.#heartbeat);
    const current = await readLock(this.#file);
    if (current?.token === this.#own.token) await rm(this.#file, { force: true });
  }

  async #beat(): Promise<void> {
    const current = await readLock(this.#file);
    const now = new Date();
    if (current?.token === this.#own.token) await utimes(this.#file, now, now);
    else if (current !== null) {
      clearInterval(this.#heartbeat);
      this.#lost.abort(lockedBy(current, dirname(this.#file), this.#file));
    }
  }
}

async function isGone(file: string, holder: LockContent, lease?: LeaseWatch): Promise<boolean> {
  const liveness = livenessOf(holder);
  return liveness === 'unknown' ? (await lease?.look(file)) === 'over' : liveness === 'dead';
}

async function linkIfAbsent(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOENT') return false;
    return attemptWrite(file, () => Promise.reject(cause));
  }
}

/**
 * Puts the draft in the place of a dead process's lock.
 *
 * Several may find the same dead lock at once. Only the one that holds the marker of that very lock may replace it, and
 * it looks again first, so nobody replaces a lock that is alive.
 */
async function takeOver(
  file: string,
  draft: string,
  stale: LockContent,
  lease?: LeaseWatch,
): Promise<boolean> {
  const marker = `${file}.takeover-${createHash('sha256').update(stale.token).digest('hex').slice(0, 16)}`;
  if (!(await linkIfAbsent(draft, marker))) {
    const taker = await readLock(marker);
    if (taker !== null && (await isGone(marker, taker, lease))) await rm(marker, { force: true });
    await sleep(20);
    return false;
  }
  try {
    const current = await readLock(file);
    if (current?.token !== stale.token) return false;
    await attemptWrite(file, () => rename(draft, file));
    return true;
  } finally {
    await rm(marker, { force: true });
  }
}
