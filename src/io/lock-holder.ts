import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';

/** Identity of this process, since process ids are used again (often at once in containers). */
const PROCESS_TOKEN = randomUUID();

/** Who holds a lock. */
export interface LockContent {
  pid: number;
  host: string;
  token: string;
  /** Start of the process in clock ticks since boot, where the system tells. */
  processStart: string | null;
  /** What its process id counts in: this boot of the machine and the container, where the system tells. */
  processes?: string | null;
  since: string;
}

/** A lock that says nothing of its holder, which a person must remove. */
const STRANGER: LockContent = { pid: -1, host: '?', token: '', processStart: null, since: '?' };

/** What this process writes into a lock of its own. */
export function ownContent(): LockContent {
  return {
    pid: process.pid,
    host: hostname(),
    token: `${PROCESS_TOKEN}/${randomUUID()}`,
    processStart: processStart(process.pid),
    processes: processesHere(),
    since: new Date().toISOString(),
  };
}

/** Who holds a lock; null where it is free. */
export async function readLock(file: string): Promise<LockContent | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    // Over NFS a file that was replaced while it was read is stale: whoever asks looks again.
    if (code === 'ENOENT' || code === 'ESTALE') return null;
    throw cause;
  }
  try {
    const value = JSON.parse(text) as LockContent;
    if (Number.isInteger(value.pid) && typeof value.host === 'string') return value;
  } catch {
    // Falls through to a holder that nobody knows.
  }
  return STRANGER;
}

/** Whether the holder of a lock lives; `unknown` where its process cannot be asked, since it is of another machine. */
export function livenessOf(holder: LockContent): 'alive' | 'dead' | 'unknown' {
  if (holder === STRANGER) return 'alive';
  const isHere = holder.processes === undefined || holder.processes === processesHere();
  if (holder.host !== hostname() || !isHere) return 'unknown';
  try {
    process.kill(holder.pid, 0);
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM' ? 'alive' : 'dead';
  }
  const start = processStart(holder.pid);
  const isSame =
    start !== null && holder.processStart !== null
      ? start === holder.processStart
      : holder.pid !== process.pid || holder.token.startsWith(PROCESS_TOKEN);
  return isSame ? 'alive' : 'dead';
}

/** Two containers, or a machine before and after a start, may have one name and are not the same. */
function processesHere(): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return null;
  }
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
