import { readFile } from 'node:fs/promises';
import { PermafrostError } from '../errors/error.js';
import { findSafetensorsRevision } from '../hub/listing.js';
import { parseRepo } from '../hub/repo.js';
import { type HubOptions, openSnapshot, type Snapshot } from '../hub/snapshot.js';
import { TOKENIZER_FILES } from '../hub/tokenizer-files.js';

/** A model of the Hub in the cache. */
export interface HubModel {
  /** Holds config.json, the weights and the tokenizer's files. */
  directory: string;
  /** `owner/name`. */
  name: string;
  commit: string;
}

const WEIGHTS = 'model.safetensors';
const WEIGHTS_INDEX = 'model.safetensors.index.json';

/**
 * Fetches what a model needs, and no more: its configuration, its weights as safetensors (by their index where they are
 * in shards) and the files of its tokenizer. What is in the cache is not fetched again.
 *
 * @param name `owner/name`, or `owner/name@revision`.
 * @throws INVALID_OPTION for what cannot be a name; UNSUPPORTED_MODEL for a repository without safetensors weights;
 * NETWORK_FAILED, ACCESS_DENIED, REMOTE_NOT_FOUND, HASH_MISMATCH, WRITE_FAILED, OFFLINE; `signal.reason`
 */
export async function downloadModel(name: string, options: HubOptions = {}): Promise<HubModel> {
  const snapshot = await openSnapshot(parseRepo(name, 'model'), options);
  await snapshot.get('config.json');
  for (const file of TOKENIZER_FILES) if (snapshot.paths.includes(file)) await snapshot.get(file);
  for (const file of await weightFiles(snapshot, options.signal)) await snapshot.get(file);
  return { directory: snapshot.directory, name: snapshot.repo.name, commit: snapshot.commit };
}

async function weightFiles(snapshot: Snapshot, signal?: AbortSignal): Promise<string[]> {
  const { paths } = snapshot;
  if (paths.includes(WEIGHTS)) return [WEIGHTS];
  if (!paths.includes(WEIGHTS_INDEX)) {
    // Without the network the weights may be there and only not in the cache, which get() says.
    if (snapshot.isFromCache) return [WEIGHTS];
    throw await noSafetensors(snapshot, signal);
  }
  const file = await snapshot.get(WEIGHTS_INDEX);
  const { weight_map: map } = parseIndex(await readFile(file, 'utf8'), file);
  return [...new Set(Object.values(map))];
}

function parseIndex(text: string, file: string): { weight_map: Record<string, string> } {
  try {
    const index = JSON.parse(text);
    if (Object.values(index.weight_map).every((shard) => typeof shard === 'string')) return index;
  } catch {
    // Told below.
  }
  throw new PermafrostError(
    'WEIGHTS_FORMAT',
    `${file}: expected a weight_map from each tensor to a file. The repository is damaged: take another revision.`,
    { file },
  );
}

async function noSafetensors(snapshot: Snapshot, signal?: AbortSignal): Promise<PermafrostError> {
  const { repo, settings, paths } = snapshot;
  const details = { repo: repo.name, revision: repo.revision };
  const old = paths.find((path) => /^pytorch_model.*\.bin(\.index\.json)?$/.test(path));
  if (old === undefined) {
    return new PermafrostError(
      'UNSUPPORTED_MODEL',
      `model ${repo.name} has no weights as ${WEIGHTS}. Name a repository that has them.`,
      details,
    );
  }
  const revision = await findSafetensorsRevision(repo, settings, signal);
  const remedy =
    revision === null
      ? "Have the Hub convert it (https://huggingface.co/spaces/safetensors/convert) and name the conversion's revision, " +
        `${repo.name}@refs/pr/N, or save it as safetensors with Transformers and give the directory`
      : `The Hub has a conversion: take ${repo.name}@${revision}`;
  return new PermafrostError(
    'UNSUPPORTED_MODEL',
    `model ${repo.name} has its weights only as ${old}, whose format can run code when it is read, so it is not. ${remedy}.`,
    { ...details, ...(revision !== null && { conversion: revision }) },
  );
}
