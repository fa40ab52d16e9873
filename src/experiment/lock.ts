import { join } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { type FileLock, type LockContent, tryLock } from '../io/process-lock.js';

/**
 * Makes this process the only writer of a directory; the lock of a process that no longer lives is taken over.
 *
 * @throws INVALID_OPTION where another grid writes there, WRITE_FAILED where the lock cannot be written.
 */
export async function lockDirectory(directory: string): Promise<FileLock> {
  const file = join(directory, 'grid.lock');
  const result = await tryLock(file);
  return 'release' in result ? result : refuse(directory, file, result);
}

function refuse(directory: string, file: string, holder: LockContent): never {
  throw new PermafrostError(
    'INVALID_OPTION',
    `--out ${directory}: process ${holder.pid} on ${holder.host} has been writing there since ` +
      `${holder.since}. Wait for it, give another --out, or delete ${file} if that process is gone.`,
    { option: 'out', directory, lock: file, pid: holder.pid, host: holder.host },
  );
}
