import { PermafrostError } from '../errors/error.js';
import { parseRepo } from '../hub/repo.js';
import { type HubOptions, openSnapshot, type Snapshot } from '../hub/snapshot.js';
import { TOKENIZER_FILES } from '../hub/tokenizer-files.js';
import { indexOf, readWeightMap, WEIGHT_FILES } from './weights/list-checkpoint.js';

/** A model of the Hub in the cache. */
export interface HubModel {
  /** Holds config.json, the weights and the tokenizer's files. */
  directory: string;
  /** `owner/name`. */
  name: string;
  commit: string;
}

/**
 * Fetches what a model needs, and no more: its configuration, its weights in the first of the forms that are read (by their
 * index where they are in shards) and the files of its tokenizer. What is in the cache is not fetched again.
 *
 * @param name `owner/name`, or `owner/name@revision`.
 * @throws INVALID_OPTION for what cannot be a name; UNSUPPORTED_MODEL for a repository without weights that are read;
 * NETWORK_FAILED, ACCESS_DENIED, REMOTE_NOT_FOUND, HASH_MISMATCH, WRITE_FAILED, OFFLINE; `signal.reason`
 */
export async function downloadModel(name: string, options: HubOptions = {}): Promise<HubModel> {
  const snapshot = await openSnapshot(parseRepo(name, 'model'), options);
  await snapshot.get('config.json');
  for (const file of TOKENIZER_FILES) if (snapshot.paths.includes(file)) await snapshot.get(file);
  for (const file of await weightFiles(snapshot)) await snapshot.get(file);
  return { directory: snapshot.directory, name: snapshot.repo.name, commit: snapshot.commit };
}

async function weightFiles(snapshot: Snapshot): Promise<string[]> {
  const { paths, repo } = snapshot;
  for (const name of WEIGHT_FILES) {
    if (paths.includes(name)) return [name];
    const index = indexOf(name);
    if (paths.includes(index))
      return [...new Set(Object.values(await readWeightMap(await snapshot.get(index))))];
  }
  // Without the network the weights may be there and only not in the cache, which get() says.
  if (snapshot.isFromCache) return [WEIGHT_FILES[0]!];
  throw new PermafrostError(
    'UNSUPPORTED_MODEL',
    `model ${repo.name} has no weights in a form that is read (${WEIGHT_FILES.join(', ')}). Name a repository that has them.`,
    { repo: repo.name, revision: repo.revision },
  );
}
