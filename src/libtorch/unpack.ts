import { createWriteStream } from 'node:fs';
import { chmod, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, normalize, sep } from 'node:path';
import { Transform } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { PermafrostError } from '../errors/error.js';
import { attemptWrite } from '../io/atomic-write.js';
import { makeDirectory } from '../io/make-directory.js';

export interface UnpackOptions {
  archive: string;
  /** What the archive's one top directory becomes. Must not exist. */
  directory: string;
  /** Called after each file. */
  onProgress?(progress: { bytes: number; totalBytes: number }): void;
  /** Rejects with its reason; nothing is left behind. */
  signal?: AbortSignal;
}

// The file type within a Unix mode, as zip archives keep it.
const TYPE_MASK = 0o170000;
const SYMBOLIC_LINK = 0o120000;

/** What no libtorch comes near: unpacked bytes, entries, and bytes of a link's target. */
const LIMITS = { bytes: 2 ** 35, entries: 200_000, target: 4096 } as const;

interface Link {
  path: string;
  target: string;
}

/**
 * Unpacks a zip archive with permissions and symbolic links, checking each file's CRC-32: into a directory beside the
 * wanted one, which gets its name when all is there.
 *
 * @throws DATA_FORMAT for an archive that is damaged or would write outside of the directory; WRITE_FAILED;
 *   `signal.reason`.
 */
export async function unpack({ archive, directory, onProgress, signal }: UnpackOptions): Promise<void> {
  const temporary = `${directory}.unpacking`;
  await attemptWrite(directory, () => rm(temporary, { recursive: true, force: true }));
  const zip = await open(archive);
  try {
    await attemptWrite(directory, () => makeDirectory(temporary));
    await unpackAll(zip, archive, temporary, onProgress, signal);
    const top = join(temporary, 'libtorch');
    await attemptWrite(directory, async () => rename((await hasDirectory(top)) ? top : temporary, directory));
  } finally {
    zip.close();
    await rm(temporary, { recursive: true, force: true });
  }
}

async function open(archive: string): Promise<ZipFile> {
  try {
    // Entries are read one after the other while the file stays open.
    return await yauzl.openPromise(archive, { autoClose: false });
  } catch (cause) {
    throw damaged(archive, 'not a zip archive', cause);
  }
}

async function unpackAll(
  zip: ZipFile,
  archive: string,
  root: string,
  onProgress: UnpackOptions['onProgress'],
  signal: AbortSignal | undefined,
): Promise<void> {
  const links: Link[] = [];
  let bytes = 0;
  let entries = 0;
  let unpackedBytes = 0;
  const totalBytes = (await stat(archive)).size;
  try {
    for await (const entry of zip.eachEntry()) {
      signal?.throwIfAborted();
      unpackedBytes += entry.uncompressedSize;
      if (unpackedBytes > LIMITS.bytes || entries >= LIMITS.entries) {
        throw damaged(archive, `it unpacks to more than ${LIMITS.bytes} bytes or ${LIMITS.entries} files`);
      }
      const link = await unpackEntry(zip, entry, archive, root, signal);
      if (link !== null) links.push(link);
      entries += 1;
      bytes += entry.compressedSize;
      onProgress?.({ bytes, totalBytes });
    }
  } catch (error) {
    if (error instanceof PermafrostError || signal?.aborted) throw error;
    throw damaged(archive, (error as Error).message, error);
  }
  if (entries === 0) throw damaged(archive, 'it is empty');
  // Last, so that no file is ever written through a link.
  for (const { path, target } of links) await attemptWrite(path, () => symlink(target, path));
}

async function unpackEntry(
  zip: ZipFile,
  entry: Entry,
  archive: string,
  root: string,
  signal: AbortSignal | undefined,
): Promise<Link | null> {
  // yauzl has refused absolute names and those with "..".
  const path = join(root, entry.fileName);
  if (entry.fileName.endsWith('/')) {
    await attemptWrite(path, () => makeDirectory(path));
    return null;
  }
  await attemptWrite(path, () => makeDirectory(dirname(path)));
  const mode = entry.externalFileAttributes >>> 16;
  const isLink = (mode & TYPE_MASK) === SYMBOLIC_LINK;
  if (isLink && entry.uncompressedSize > LIMITS.target) {
    throw damaged(archive, `${entry.fileName} links to a name of ${entry.uncompressedSize} bytes`);
  }
  const content = await zip.openReadStreamPromise(entry);
  const checked = checksum(entry, archive);
  if (isLink) {
    const target = await pipeline(content, checked, (source) => text(source));
    const inside = normalize(join(dirname(path), target));
    if (target.startsWith('/') || !inside.startsWith(root + sep)) {
      throw damaged(archive, `${entry.fileName} links to ${target}, outside of the archive`);
    }
    return { path, target };
  }
  try {
    await pipeline(content, checked, createWriteStream(path), { ...(signal && { signal }) });
  } catch (error) {
    const { syscall } = error as NodeJS.ErrnoException;
    if (syscall === 'open' || syscall === 'write') await attemptWrite(path, () => Promise.reject(error));
    throw error;
  }
  if ((mode & 0o111) !== 0) await attemptWrite(path, () => chmod(path, 0o755));
  return null;
}

/** Passes an entry's bytes on and fails at their end where they are not those that were packed. */
function checksum(entry: Entry, archive: string): Transform {
  let sum = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sum = crc32(chunk, sum);
      done(null, chunk);
    },
    flush(done) {
      done(sum === entry.crc32 ? null : damaged(archive, `the CRC-32 of ${entry.fileName} does not match`));
    },
  });
}

async function hasDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function damaged(archive: string, what: string, cause?: unknown): PermafrostError {
  return new PermafrostError(
    'DATA_FORMAT',
    `${archive}: ${what}. The archive is damaged or is no libtorch: delete it and download it again.`,
    { file: archive },
    { cause },
  );
}
