import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { isRepoName } from '../hub/repo.js';
import type { HubOptions } from '../hub/snapshot.js';
import { downloadModel, downloadTokenizer } from './hub-model.js';

/** Names that an error lists of a directory. */
const NEIGHBOURS = 5;

/** A model that a person named, on disk. */
export interface LocatedModel {
  directory: string;
  /** Last part of the path, or the name on the Hub. */
  name: string;
}

/**
 * Finds what a person calls a model: a directory that is there, else a model of the Hub, which is fetched.
 *
 * @returns the path itself where it can be no name of the Hub; whoever reads it says that it is not there.
 * @throws the errors of `downloadModel`
 */
export async function locateModel(model: string, hub: HubOptions = {}): Promise<LocatedModel> {
  if (await isHere(model)) return { directory: model, name: basename(resolve(model)) };
  return orNotHere(model, async () => {
    const { directory, name } = await downloadModel(model, hub);
    return { directory, name };
  });
}

/**
 * The same for a tokenizer: a file or a directory, else the tokenizer of a model of the Hub.
 *
 * @throws the errors of `downloadModel`
 */
export async function locateTokenizer(tokenizer: string, hub: HubOptions = {}): Promise<string> {
  if (await isHere(tokenizer)) return tokenizer;
  return orNotHere(tokenizer, () => downloadTokenizer(tokenizer, hub));
}

async function isHere(path: string): Promise<boolean> {
  return !isRepoName(path) || (await stat(path).catch(() => null)) !== null;
}

/** Says in the Hub's errors that there is no such path here, which may be what was meant. */
async function orNotHere<T>(name: string, fetch: () => Promise<T>): Promise<T> {
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
