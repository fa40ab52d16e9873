import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

/** What the bytes of a file must hash to. `git-blob` is the object id that git gives a file: SHA-1 with its header. */
export interface ExpectedDigest {
  algorithm: 'sha256' | 'git-blob';
  /** Lower-case hexadecimal digits. */
  hex: string;
}

/** What is wrong with a file, by its size and digest where they are given, or null. */
export async function findFault(
  file: string,
  { size, digest }: { size?: number; digest?: ExpectedDigest },
): Promise<string | null> {
  const actual = await sizeOf(file);
  if (size !== undefined && actual !== size) return `expected ${size} bytes, got ${actual}`;
  if (digest === undefined) return null;
  const hex = await digestOfFile(file, digest.algorithm, actual);
  return hex === digest.hex ? null : `expected the ${digest.algorithm} digest ${digest.hex}, got ${hex}`;
}

/** The digest of a file's bytes, in hexadecimal digits. */
export async function digestOfFile(
  file: string,
  algorithm: ExpectedDigest['algorithm'],
  size: number,
): Promise<string> {
  const hash = createHash(algorithm === 'sha256' ? 'sha256' : 'sha1');
  if (algorithm === 'git-blob') hash.update(`blob ${size}\0`);
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Bytes of a file, 0 where there is none. */
export async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
