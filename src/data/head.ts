import { open, readdir, stat } from 'node:fs/promises';

/** What of a file tells its form. */
export interface Head {
  file: string;
  /** Names in it where it is a directory, else null. */
  names: readonly string[] | null;
  /** Its first bytes; none of what is no file. */
  bytes: Buffer;
  /** The same as text, without a byte order mark. */
  text: string;
  /** Lines of the text; the last one may be cut. */
  lines: readonly string[];
  /** Whether the file is longer than this. */
  isCut: boolean;
}

const HEAD_BYTES = 1 << 16;

/** Reads the head of a file or directory; what cannot be read has none, and its reader says why. */
export async function headOf(file: string): Promise<Head> {
  const found = await stat(file).catch(() => null);
  if (found?.isDirectory()) return { ...headOfBytes(file, Buffer.alloc(0)), names: await readdir(file) };
  if (!found?.isFile()) return headOfBytes(file, Buffer.alloc(0));
  const handle = await open(file).catch(() => null);
  if (handle === null) return headOfBytes(file, Buffer.alloc(0));
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return headOfBytes(file, buffer.subarray(0, bytesRead), found.size > bytesRead);
  } finally {
    await handle.close();
  }
}

/** The head of content that begins with these bytes. */
export function headOfBytes(file: string, bytes: Buffer, isCut = false): Head {
  const text = bytes.toString('utf8').replace(/^\ufeff/, '');
  return { file, names: null, bytes, text, lines: text.split(/\r\n|\n|\r/), isCut };
}
