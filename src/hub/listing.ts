import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import type { ExpectedDigest } from '../io/file-check.js';
import { type AnswerLimits, type JsonAnswer, type RequestOptions, requestJson } from '../io/http.js';
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

/** What a listing may be at most; the Hub sends 1000 files a page. */
export interface ListingLimits extends AnswerLimits {
  /** @default 1000 */
  maxPages?: number;
  /** For all pages together, ms. @default 600000 */
  totalMs?: number;
}

const sizeSchema = z.int().nonnegative();

/** What the Hub says of a revision, as far as it is read. */
const infoSchema = z.object({ sha: z.string().refine(isCommit) });

const entrySchema = z.object({
  type: z.string(),
  path: z.string().max(4096),
  size: sizeSchema.optional(),
  oid: z.string().optional(),
  lfs: z.object({ oid: z.string(), size: sizeSchema }).optional(),
});

/** One page of a listing. */
const pageSchema = z.array(entrySchema);

/**
 * Asks the Hub which commit a revision stands at and which files it has.
 *
 * @throws NETWORK_FAILED, also for an answer that is no listing or has no end; ACCESS_DENIED, REMOTE_NOT_FOUND;
 *   `signal.reason`
 */
export async function listRepo(
  repo: HubRepo,
  settings: HubSettings,
  { signal, retry, limits = {} }: { signal?: AbortSignal; retry?: RetryOptions; limits?: ListingLimits } = {},
): Promise<RepoListing> {
  const { maxPages = 1000, totalMs = 600_000, ...answer } = limits;
  const ends = performance.now() + totalMs;
  const ask = (url: string) => {
    const timeoutMs = Math.min(answer.timeoutMs ?? 60_000, Math.max(1, Math.ceil(ends - performance.now())));
    return askHub(url, repo, settings, { ...answer, timeoutMs }, retry, signal);
  };
  const base = `${settings.endpoint}/api/${repo.type}s/${repo.name}`;
  const { value } = await ask(`${base}/revision/${encodeURIComponent(repo.revision)}?expand=sha`);
  const info = infoSchema.safeParse(value);
  if (!info.success) throw malformed(repo, settings, 'no commit');
  const commit = info.data.sha;
  const files = new Map<string, RemoteFile>();
  const asked = new Set<string>();
  for (let url: string | null = `${base}/tree/${commit}?recursive=true`; url !== null; ) {
    if (asked.has(url)) throw malformed(repo, settings, 'a page that names itself as the next one');
    if (asked.size >= maxPages) throw malformed(repo, settings, `more than ${maxPages} pages`);
    if (performance.now() > ends) throw malformed(repo, settings, `no end of it in ${totalMs / 1000} s`);
    asked.add(url);
    const page: JsonAnswer = await ask(url);
    for (const file of readPage(page.value, repo, settings)) files.set(file.path, file);
    url = nextPage(page.link, url, repo, settings);
  }
  return { commit, files };
}

/**
 * Files of one page of a listing.
 *
 * @throws NETWORK_FAILED for what is no page of the Hub's, or names a file that no repository can have
 */
export function readPage(value: unknown, repo: HubRepo, settings: HubSettings): RemoteFile[] {
  const page = pageSchema.safeParse(value);
  if (!page.success) {
    const [issue] = page.error.issues;
    throw malformed(repo, settings, `a page that is none (${issue?.path.join('.')}: ${issue?.message})`);
  }
  return page.data
    .filter(({ type }) => type === 'file')
    .map((entry) => {
      const { path, size, oid = '', lfs } = entry;
      if (!isInside(path)) throw malformed(repo, settings, `a file with the path ${JSON.stringify(path)}`);
      const digest: ExpectedDigest =
        lfs === undefined ? { algorithm: 'git-blob', hex: oid } : { algorithm: 'sha256', hex: lfs.oid };
      if (!(digest.algorithm === 'sha256' ? SHA256.test(digest.hex) : isCommit(digest.hex))) {
        throw malformed(repo, settings, `no digest of ${path}`);
      }
      const bytes = lfs?.size ?? size;
      if (bytes === undefined) throw malformed(repo, settings, `no size of ${path}`);
      return { path, size: bytes, digest };
    });
}

/** Whether a path of a listing, which becomes one of the cache, stays where the repository is. */
function isInside(path: string): boolean {
  const isOdd = [...path].some((character) => character < ' ' || character === ':' || character === '\\');
  return !isOdd && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/**
 * Address of the page that follows, from the header `link`; null behind the last one.
 *
 * @throws NETWORK_FAILED for an address that is none
 */
export function nextPage(
  link: string | null,
  url: string,
  repo: HubRepo,
  settings: HubSettings,
): string | null {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link ?? '')?.[1];
  if (target === undefined) return null;
  const next = URL.canParse(target, url) ? new URL(target, url) : null;
  const isPlain =
    next !== null && /^https?:$/.test(next.protocol) && `${next.username}${next.password}` === '';
  if (!isPlain) throw malformed(repo, settings, `a next page at ${JSON.stringify(target.slice(0, 200))}`);
  next.hash = '';
  return next.href;
}

/** The header that says who asks. */
export function authorization(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/** One question to the Hub. Its token goes to the Hub alone, wherever an answer says that another one is. */
function askHub(
  url: string,
  repo: HubRepo,
  { endpoint, token }: HubSettings,
  limits: AnswerLimits,
  retry: RetryOptions | undefined,
  signal: AbortSignal | undefined,
): Promise<JsonAnswer> {
  const isHub = new URL(url).origin === new URL(endpoint).origin;
  const options: RequestOptions & AnswerLimits = {
    ...limits,
    headers: isHub ? authorization(token) : {},
    statusError: hubStatusError(repo, endpoint, token !== null),
    ...(signal && { signal }),
  };
  return withRetries(() => requestJson(url, options), retry, signal);
}

function malformed({ name }: HubRepo, { endpoint }: HubSettings, got: string): PermafrostError {
  return new PermafrostError(
    'NETWORK_FAILED',
    `${endpoint}: expected the Hub's listing of ${name}, got ${got}. Does HF_ENDPOINT name a Hub or a mirror of it?`,
    { repo: name, endpoint },
  );
}
