import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** What ends the names of files that are being written, and of marks that a process leaves while it takes a lock. */
const LEFT_BEHIND = /\.(?:[0-9a-f]{12}\.tmp|takeover-[0-9a-f]{16})$/;

/** A name beside a file for what will replace it. */
export function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`;
}

/**
 * Removes what killed processes left half written in a folder. Whoever calls it must be the only writer there.
 */
export async function sweepTemporaryFiles(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) if (LEFT_BEHIND.test(name)) await rm(join(folder, name), { force: true });
}
