import { basename, resolve } from 'node:path';
import { isHere, orNotHere } from '../hub/locate.js';
import type { HubOptions } from '../hub/snapshot.js';
import { downloadModel } from './hub-model.js';

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
