import { readdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { isRepoName } from './repo.js';

/** Names that an error lists of a directory. */
const NEIGHBOURS = 5;

/** Whether a name can only be a path, or is one that is there. */
export async function isHere(path: string): Promise<boolean> {
  return !isRepoName(path) || (await stat(path).catch(() => null)) !== null;
}

/** Says in the Hub's errors that there is no such path here, which may be what was meant. */
export async function orNotHere<T>(name: string, fetch: () => Promise<T>): Promise<T> {
  try {
    return await fetch();
  } catch (cause) {
    if (!(cause instanceof PermafrostError)) throw cause;
    const message = `There is no ${resolve(name)}${await nearby(name)}; as a name of the Hub, ${cause.message}`;
    throw new PermafrostError(cause.code, message, cause.details, { cause });
  }
}

/** What lies where a path would, for whoever meant one and misspelt it. */
async function nearby(name: string): Promise<string> {
  const parent = dirname(resolve(name));
  // Of a name without a folder every directory is a neighbour.
  const names = name.includes('/') ? await readdir(parent).catch(() => null) : null;
  if (names === null) return '';
  const shown = names.sort().slice(0, NEIGHBOURS).join(', ');
  return names.length === 0
    ? ` (${parent} is empty)`
    : ` (${parent} holds ${shown}${names.length > NEIGHBOURS ? ', …' : ''})`;
}
