import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { makeDirectory } from './make-directory.js';

/**
 * Adds one JSON line to a file, durably, after mending a line that an earlier crash left torn.
 *
 * @throws WRITE_FAILED
 */
export async function appendJsonl(path: string, value: unknown): Promise<void> {
  await appendDurably(path, `${JSON.stringify(value)}\n`);
}

/**
 * Reads JSON lines. A last line without its newline is what a crash leaves: it is passed over. A missing
 * file has no lines.
 *
 * @throws DATA_FORMAT naming file and line where another line is not JSON
 */
export async function readJsonl(path: string): Promise<unknown[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const lines = text.split('\n');
  lines.pop();
  return lines.flatMap((line, index) => (line.trim() === '' ? [] : [parseLine(line, path, index + 1)]));
}

function parseLine(line: string, path: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new PermafrostError(
      'DATA_FORMAT',
      `${path}:${number} is not JSON: ${(cause as Error).message}. Delete the line or the file.`,
      { file: path, line: number },
      { cause },
    );
  }
}

// A torn last line is cut off first, so that the file never holds half a line in its middle.
async function appendDurably(path: string, lines: string): Promise<void> {
  try {
    await makeDirectory(dirname(path));
    const handle = await open(path, 'a+');
    try {
      const content = await handle.readFile();
      const end = content.lastIndexOf(0x0a) + 1;
      if (end < content.length) await handle.truncate(end);
      await handle.appendFile(lines, 'utf8');
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new PermafrostError(
      'WRITE_FAILED',
      `Cannot append to ${path}: ${(cause as Error).message}.`,
      { path },
      { cause },
    );
  }
}
