import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where this package keeps what can be made again: `PERMAFROST_CACHE`, else a directory in the user's cache. */
export function cacheDirectory(name: string, environment: NodeJS.ProcessEnv = process.env): string {
  const { PERMAFROST_CACHE, XDG_CACHE_HOME } = environment;
  return join(PERMAFROST_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'permafrost'), name);
}
