import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { makeDirectory } from './make-directory.js';
import { temporaryName } from './temporary-files.js';

/**
 * Replaces a file as a whole: temporary file beside it, fsync, rename. Makes missing directories.
 *
 * @throws WRITE_FAILED naming the path; the previous file is then untouched
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await writeStreamAtomic(path, [typeof data === 'string' ? Buffer.from(data, 'utf8') : data]);
}

/**
 * The same for content that comes in pieces, which are never all in memory. An error of the source
 * leaves the previous file untouched, too, and is passed on.
 *
 * @throws WRITE_FAILED
 */
export async function writeStreamAtomic(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  await writeFileWith(path, async (handle) => {
    for await (const chunk of chunks) await attemptWrite(path, () => writeAll(handle, chunk));
  });
}

/**
 * The same for content that `write` puts into the open file by itself, from its beginning on. An error of its own
 * leaves the previous file untouched, too, and is passed on.
 *
 * @throws WRITE_FAILED
 */
export async function writeFileWith(
  path: string,
  write: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await attemptWrite(path, () => makeDirectory(dirname(path)));
    const handle = await attemptWrite(path, () => open(temporary, 'wx'));
    try {
      await write(handle);
      await attemptWrite(path, () => handle.sync());
    } finally {
      await handle.close();
    }
    await attemptWrite(path, () => rename(temporary, path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Writes the whole chunk where the file stands. */
export async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let done = 0;
  while (done < chunk.byteLength) done += (await handle.write(chunk, done)).bytesWritten;
}

// Makes the rename itself durable. Not every file system can sync a directory, and the file is whole
// either way.
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r').catch(() => null);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/**
 * Does something to a file that is being written.
 *
 * @throws WRITE_FAILED naming the path, with the system's code in `details.code`
 */
export async function attemptWrite<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const remedy =
      code === 'ENOSPC'
        ? 'The disk is full: free some space or choose another directory.'
        : 'Check that the directory exists and may be written to.';
    throw new PermafrostError(
      'WRITE_FAILED',
      `Cannot write ${path}: ${message}. ${remedy}`,
      { path, code },
      { cause },
    );
  }
}
