import { join } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { download } from '../io/download.js';
import { withFileLock } from '../io/process-lock.js';
import type { RetryOptions } from '../io/retry.js';
import { RepoCache, sizeOfFile } from './cache.js';
import { hubStatusError } from './hub-error.js';
import { authorization, listRepo, type RemoteFile, type RepoListing } from './listing.js';
import { type HubRepo, isCommit } from './repo.js';
import { type HubSettings, settingsOf } from './settings.js';

/** How far a file of the Hub is. */
export interface HubProgress {
  repo: string;
  path: string;
  receivedBytes: number;
  totalBytes: number;
}

/** How files of the Hub are fetched. */
export interface HubOptions {
  /** @default from the environment: HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_HUB_OFFLINE */
  settings?: Partial<HubSettings>;
  /** Called while files arrive, and not for those that are in the cache. */
  onProgress?(progress: HubProgress): void;
  /** Called when the Hub cannot be reached and the cache is used instead. */
  onFallback?(error: PermafrostError): void;
  signal?: AbortSignal;
  retry?: RetryOptions;
}

/** The files of a repository at one commit, each fetched when it is asked for. */
export interface Snapshot {
  repo: HubRepo;
  settings: HubSettings;
  commit: string;
  /** Where the files lie that were asked for. */
  directory: string;
  /** Paths that there are; without the network those in the cache. */
  paths: readonly string[];
  /** Whether the Hub was not asked, so that there may be more files than `paths`. */
  isFromCache: boolean;
  /**
   * Path on disk of a file, after fetching it where it is not in the cache.
   *
   * @throws NETWORK_FAILED, ACCESS_DENIED, REMOTE_NOT_FOUND, HASH_MISMATCH, WRITE_FAILED, OFFLINE
   */
  get(path: string): Promise<string>;
}

/**
 * Opens a repository of the Hub: by the network, else from the cache that Hugging Face's tools share.
 *
 * @throws OFFLINE where the network is not allowed and the revision is not in the cache; NETWORK_FAILED, ACCESS_DENIED,
 * REMOTE_NOT_FOUND; `signal.reason`
 */
export async function openSnapshot(repo: HubRepo, options: HubOptions = {}): Promise<Snapshot> {
  const settings = await settingsOf(options.settings);
  const cache = new RepoCache(settings.cacheDirectory, repo);
  if (settings.offline) return cachedSnapshot(repo, settings, cache, null);
  let listing: RepoListing;
  try {
    listing = await listRepo(repo, settings, options);
  } catch (error) {
    if (!(error instanceof PermafrostError) || error.code !== 'NETWORK_FAILED') throw error;
    const fallback = await cachedSnapshot(repo, settings, cache, error);
    options.onFallback?.(error);
    return fallback;
  }
  const { commit, files } = listing;
  await cache.remember(repo.revision, commit);
  return {
    repo,
    settings,
    commit,
    directory: cache.snapshot(commit),
    paths: [...files.keys()],
    isFromCache: false,
    get: async (path) => {
      const file = files.get(path);
      if (file === undefined) throw missingFile(repo, path);
      return fetchFile(file, commit, { repo, settings, cache, options });
    },
  };
}

interface Source {
  repo: HubRepo;
  settings: HubSettings;
  cache: RepoCache;
  options: HubOptions;
}

async function fetchFile(file: RemoteFile, commit: string, source: Source): Promise<string> {
  const { path, size, digest } = file;
  const { repo, settings, cache, options } = source;
  const pointer = join(cache.snapshot(commit), path);
  if ((await sizeOfFile(pointer)) === size) return pointer;
  const blob = cache.blob(digest.hex);
  const fetchBlob = async () => {
    // Whoever held the lock before may have brought it.
    if ((await sizeOfFile(blob)) === size) return;
    await download({
      url: urlOf(repo, commit, path, settings),
      file: blob,
      partial: cache.partFile(digest.hex),
      size,
      digest,
      headers: authorization(settings.token),
      statusError: hubStatusError(repo, settings.endpoint, settings.token !== null, path),
      onProgress: ({ receivedBytes }) =>
        options.onProgress?.({ repo: repo.name, path, receivedBytes, totalBytes: size }),
      ...(options.signal && { signal: options.signal }),
      ...(options.retry && { retry: options.retry }),
    });
  };
  await withFileLock(cache.lockFile(digest.hex), fetchBlob, options.signal);
  await cache.link(digest.hex, commit, path);
  return pointer;
}

function urlOf({ type, name }: HubRepo, commit: string, path: string, { endpoint }: HubSettings): string {
  const escaped = path.split('/').map(encodeURIComponent).join('/');
  return `${endpoint}/${type === 'dataset' ? 'datasets/' : ''}${name}/resolve/${commit}/${escaped}`;
}

async function cachedSnapshot(
  repo: HubRepo,
  settings: HubSettings,
  cache: RepoCache,
  cause: PermafrostError | null,
): Promise<Snapshot> {
  const commit = await cache.commitOf(repo.revision);
  const paths = commit === null ? [] : await cache.paths(commit);
  if (commit === null || paths.length === 0) throw cause ?? notInCache(repo, settings, null);
  const directory = cache.snapshot(commit);
  return {
    repo,
    settings,
    commit,
    directory,
    paths,
    isFromCache: true,
    get: async (path) => {
      if (paths.includes(path)) return join(directory, path);
      throw cause ?? notInCache(repo, settings, path);
    },
  };
}

function notInCache(repo: HubRepo, { cacheDirectory }: HubSettings, path: string | null): PermafrostError {
  const what = path === null ? `${repo.type} ${repo.name}` : `${path} of ${repo.type} ${repo.name}`;
  const at = isCommit(repo.revision) || repo.revision !== 'main' ? ` at ${repo.revision}` : '';
  return new PermafrostError(
    'OFFLINE',
    `${what}${at} is not in the cache ${cacheDirectory}, and HF_HUB_OFFLINE forbids to fetch it. Run once without ` +
      'HF_HUB_OFFLINE, or set HF_HOME to the cache that has it.',
    {
      repo: repo.name,
      type: repo.type,
      revision: repo.revision,
      cacheDirectory,
      ...(path !== null && { path }),
    },
  );
}

function missingFile({ type, name, revision }: HubRepo, path: string): PermafrostError {
  return new PermafrostError(
    'REMOTE_NOT_FOUND',
    `${type} ${name} has no file ${path} at ${revision}. Check the name of the file and the revision.`,
    { repo: name, type, revision, path },
  );
}
