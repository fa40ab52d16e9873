import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PermafrostError } from '../errors/error.js';
import { attemptWrite } from './atomic-write.js';
import { makeDirectory } from './make-directory.js';
import { temporaryName } from './temporary-files.js';

/** Identity of this process, since process ids are used again (often at once in containers). */
const PROCESS_TOKEN = randomUUID();

/** A holder shows that it lives by touching its lock this often, ms. */
const HEARTBEAT_MS = 5_000;
/** Whoever waits takes over a lock of another machine that was not touched for so long, ms. */
const STALE_MS = 60_000;

/** Name of the lock of a directory. */
export const LOCK_NAME = 'run.lock';

/** Who holds a lock. */
export interface LockContent {
  pid: number;
  host: string;
  token: string;
  /** Start of the process in clock ticks since boot, where the system tells. */
  processStart: string | null;
  since: string;
}

/** A lock that is held. */
export interface FileLock {
  release(): Promise<void>;
}

/**
 * Makes this process the holder of a lock file, or tells who holds it; the lock of a process of this machine that no
 * longer lives is taken over.
 *
 * @param isGone also takes over a lock of which this holds.
 * @throws WRITE_FAILED where the lock cannot be written.
 */
export async function tryLock(
  file: string,
  isGone: (holder: LockContent) => boolean = () => false,
): Promise<FileLock | LockContent> {
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
      if (isAlive(holder) && !isGone(holder)) return holder;
      if (await takeOver(file, draft, holder)) break;
    }
  } finally {
    await rm(draft, { force: true });
  }
  return { release: () => release(file, own) };
}

/**
 * Makes this process the only writer of a directory; the lock of a process that no longer lives is taken over.
 *
 * @throws LOCKED where another process writes there; WRITE_FAILED where the lock cannot be written.
 */
export async function lockDirectory(directory: string): Promise<FileLock> {
  const file = join(directory, LOCK_NAME);
  const result = await tryLock(file);
  if ('release' in result) return result;
  const { pid, host, since } = result;
  throw new PermafrostError(
    'LOCKED',
    `${directory}: process ${pid} on ${host} has been writing there since ${since}. Wait for it, choose another ` +
      `directory, or delete ${file} if that process is gone.`,
    { directory, lock: file, pid, host },
  );
}

/** Who holds the lock of a directory, and whether that process lives as far as can be told; null where nobody does. */
export async function lockHolder(directory: string): Promise<(LockContent & { isAlive: boolean }) | null> {
  const holder = await readLock(join(directory, LOCK_NAME));
  return holder && { ...holder, isAlive: isAlive(holder) };
}

/**
 * Does something while no other process does it: waits for the lock, keeps it alive, and gives it back.
 *
 * @throws WRITE_FAILED; `signal.reason` while it waits; what the action throws.
 */
export async function withFileLock<T>(
  file: string,
  action: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const lock = await waitForLock(file, signal);
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await action();
  } finally {
    clearInterval(heartbeat);
    await lock.release();
  }
}

async function waitForLock(file: string, signal?: AbortSignal): Promise<FileLock> {
  // Ages are measured by this machine's clock from what changes, since clocks of two machines may differ.
  let seen = { mark: '', at: Date.now() };
  for (;;) {
    signal?.throwIfAborted();
    const mark = await touchedAt(file);
    if (mark !== seen.mark) seen = { mark, at: Date.now() };
    const isStale = Date.now() - seen.at > STALE_MS;
    const result = await tryLock(file, ({ host }) => isStale && host !== hostname());
    if ('release' in result) return result;
    await sleep(100);
  }
}

async function touchedAt(file: string): Promise<string> {
  const found = await stat(file).catch(() => null);
  return found === null ? '' : `${found.ino} ${found.mtimeMs}`;
}

function ownContent(): LockContent {
  return {
    pid: process.pid,
    host: hostname(),
    token: `${PROCESS_TOKEN}/${randomUUID()}`,
    processStart: processStart(process.pid),
    since: new Date().toISOString(),
  };
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
async function takeOver(file: string, draft: string, stale: LockContent): Promise<boolean> {
  const marker = `${file}.takeover-${createHash('sha256').update(stale.token).digest('hex').slice(0, 16)}`;
  if (!(await linkIfAbsent(draft, marker))) {
    const taker = await readLock(marker);
    if (taker !== null && !isAlive(taker)) await rm(marker, { force: true });
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

async function readLock(file: string): Promise<LockContent | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cause;
  }
  try {
    const value = JSON.parse(text) as LockContent;
    if (Number.isInteger(value.pid) && typeof value.host === 'string') return value;
  } catch {
    // Falls through: a lock that says nothing is treated as a stranger's, which a person must remove.
  }
  return { pid: -1, host: '?', token: '', processStart: null, since: '?' };
}

function isAlive(holder: LockContent): boolean {
  // A process of another machine cannot be asked; assume that it lives.
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM';
  }
  const start = processStart(holder.pid);
  if (start !== null && holder.processStart !== null) return start === holder.processStart;
  return holder.pid !== process.pid || holder.token.startsWith(PROCESS_TOKEN);
}

/** Start time of a process from Linux's `/proc/<pid>/stat` (field 22), null elsewhere. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may hold spaces.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

async function release(file: string, own: LockContent): Promise<void> {
  const current = await readLock(file);
  if (current?.token === own.token) await rm(file, { force: true });
}
