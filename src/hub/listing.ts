import { PermafrostError } from '../errors/error.js';
import type { ExpectedDigest } from '../io/file-check.js';
import { request } from '../io/http.js';
import { type RetryOptions, withRetries } from '../io/retry.js';
import { hubStatusError } from './hub-error.js';
import { type HubRepo, isCommit } from './repo.js';
import type { HubSettings } from './settings.js';

/** A file of a repository as the Hub lists it. */
export interface RemoteFile {
  path: string;
  size: number;
  digest: ExpectedDigest;
}

export interface RepoListing {
  commit: string;
  files: Map<string, RemoteFile>;
}

const SHA256 = /^[0-9a-f]{64}$/;

/**
 * Asks the Hub which commit a revision stands at and which files it has.
 *
 * @throws NETWORK_FAILED, ACCESS_DENIED, REMOTE_NOT_FOUND; `signal.reason`
 */
export async function listRepo(
  repo: HubRepo,
  settings: HubSettings,
  { signal, retry }: { signal?: AbortSignal; retry?: RetryOptions } = {},
): Promise<RepoListing> {
  // Only whoever names something on the Hub waits for its client to load.
  const { datasetInfo, listFiles, modelInfo } = await import('@huggingface/hub');
  const { type, name, revision } = repo;
  const common = { hubUrl: settings.endpoint, fetch: hubFetch(repo, settings, signal, retry) };
  const info = { ...common, name, revision, additionalFields: ['sha'] as ['sha'] };
  const { sha } = type === 'model' ? await modelInfo(info) : await datasetInfo(info);
  const files = new Map<string, RemoteFile>();
  if (!isCommit(sha)) throw malformed(repo, settings, 'no commit');
  const listed = listFiles({ ...common, repo: { type, name }, recursive: true, revision: sha });
  for await (const { type: kind, path, size, oid, lfs } of listed) {
    if (kind !== 'file') continue;
    // A path of the listing becomes a path of the cache.
    if (path.split(/[/\\]/).some((part) => part === '..' || part === '') || path.includes(':')) {
      throw malformed(repo, settings, `a file with the path ${JSON.stringify(path)}`);
    }
    const digest: ExpectedDigest =
      lfs === undefined ? { algorithm: 'git-blob', hex: oid ?? '' } : { algorithm: 'sha256', hex: lfs.oid };
    if (!(digest.algorithm === 'sha256' ? SHA256.test(digest.hex) : isCommit(digest.hex))) {
      throw malformed(repo, settings, `no digest of ${path}`);
    }
    files.set(path, { path, size: lfs?.size ?? size, digest });
  }
  return { commit: sha, files };
}

/**
 * The revision of a pull request that adds safetensors files to a model, as the Hub's converter opens them; null where
 * there is none, or where the Hub cannot say.
 */
export async function findSafetensorsRevision(
  { name }: HubRepo,
  { endpoint, token }: HubSettings,
  signal?: AbortSignal,
): Promise<string | null> {
  const url = `${endpoint}/api/models/${name}/discussions?author=SFconvertbot`;
  try {
    const response = await request(url, { headers: authorization(token), ...(signal && { signal }) });
    const { discussions } = (await response.json()) as {
      discussions: { num: number; title: string; isPullRequest: boolean }[];
    };
    const found = discussions.find((item) => item.isPullRequest && /safetensors/i.test(item.title));
    return found === undefined ? null : `refs/pr/${found.num}`;
  } catch {
    signal?.throwIfAborted();
    return null;
  }
}

/** The header that says who asks. */
export function authorization(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/** A fetch for the Hub's client that repeats, and throws our errors for statuses. */
function hubFetch(
  repo: HubRepo,
  settings: HubSettings,
  signal?: AbortSignal,
  retry?: RetryOptions,
): typeof fetch {
  const { endpoint, token } = settings;
  const statusError = hubStatusError(repo, endpoint, token !== null);
  return (input, init) =>
    withRetries(
      () =>
        request(String(input), {
          headers: { ...(init?.headers as Record<string, string>), ...authorization(token) },
          statusError,
          ...(signal && { signal }),
        }),
      retry,
      signal,
    );
}

function malformed({ name }: HubRepo, { endpoint }: HubSettings, got: string): PermafrostError {
  return new PermafrostError(
    'NETWORK_FAILED',
    `${endpoint}: expected the Hub's listing of ${name}, got ${got}. Does HF_ENDPOINT name a Hub or a mirror of it?`,
    { repo: name, endpoint },
  );
}
