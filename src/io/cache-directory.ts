import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where this package keeps what can be made again: `PERMAFROST_CACHE`, else a directory in the user's cache.
 *
 * @returns null where no variable names one and the user has no home, such as a number without a name in a container
 */
export function cacheDirectory(name: string, environment: NodeJS.ProcessEnv = process.env): string | null {
  const { PERMAFROST_CACHE, XDG_CACHE_HOME } = environment;
  if (PERMAFROST_CACHE) return join(PERMAFROST_CACHE, name);
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, 'permafrost', name);
  const home = homeOf();
  return home === null ? null : join(home, '.cache', 'permafrost', name);
}

function homeOf(): string | null {
  try {
    return homedir() || null;
  } catch {
    return null;
  }
}
