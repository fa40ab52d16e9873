import { existsSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory and those above it, where they are missing.
 *
 * Not Node's own `recursive`: on a read-only disk that reports a missing directory, and under `/proc` it never ends.
 *
 * @throws the system's error
 */
export async function makeDirectory(path: string): Promise<void> {
  await make(path, true);
}

async function make(path: string, mayRetry: boolean): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    const above = dirname(path);
    if (code !== 'ENOENT' || above === path) throw error;
    if (existsSync(above)) {
      // Another process may have made it just now. Where none did, as under `/proc`, the same error comes again.
      if (!mayRetry) throw error;
      return make(path, false);
    }
    await make(above, true);
    await make(path, true);
  }
}
