import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PermafrostError } from '../errors/error.js';

/** Identity of this process, since process ids are used again (often at once in containers). */
const PROCESS_TOKEN = randomUUID();

interface LockContent {
  pid: number;
  host: string;
  token: string;
  /** Start of the process in clock ticks since boot, where the system tells. */
  processStart: string | null;
  since: string;
}

/** A lock that is held; release it when the directory is no longer written. */
export interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * Makes this process the only writer of a directory; the lock of a process that no longer lives is taken over.
 *
 * @throws INVALID_OPTION where another grid writes there, WRITE_FAILED where the lock cannot be written.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const file = join(directory, 'grid.lock');
  await mkdir(directory, { recursive: true }).catch((cause) => failToWrite(directory, cause));
  const own = ownContent();
  const draft = `${file}.${randomUUID()}`;
  try {
    // Written aside and then given its name, so that nobody ever reads a lock that is only half there.
    await writeFile(draft, `${JSON.stringify(own)}\n`).catch((cause) => failToWrite(file, cause));
    for (;;) {
      if (await linkIfAbsent(draft, file)) break;
      const holder = await readLock(file);
      if (holder === null) continue;
      if (isAlive(holder)) refuse(directory, file, holder);
      if (await takeOver(file, draft, holder)) break;
    }
  } finally {
    await rm(draft, { force: true });
  }
  return { release: () => release(file, own) };
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
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    return failToWrite(file, cause);
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
    await rename(draft, file).catch((cause) => failToWrite(file, cause));
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

function refuse(directory: string, file: string, holder: LockContent): never {
  throw new PermafrostError(
    'INVALID_OPTION',
    `--out ${directory}: process ${holder.pid} on ${holder.host} has been writing there since ` +
      `${holder.since}. Wait for it, give another --out, or delete ${file} if that process is gone.`,
    { option: 'out', directory, lock: file, pid: holder.pid, host: holder.host },
  );
}

function failToWrite(path: string, cause: unknown): never {
  throw new PermafrostError(
    'WRITE_FAILED',
    `${path}: cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}). ` +
      'Free space or rights there, or give another --out.',
    { file: path },
    { cause },
  );
}
