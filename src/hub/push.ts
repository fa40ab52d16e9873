import { open, readFile, stat } from 'node:fs/promises';
import { PermafrostError } from '../errors/error.js';
import { digestOfFile } from '../io/file-check.js';
import { isLfsPointer, LFS_POINTER } from '../io/git-lfs.js';
import type { RetryOptions } from '../io/retry.js';
import { askForUploads, uploadLfs } from './lfs.js';
import { listRepo, type RemoteFile } from './listing.js';
import type { HubRepo } from './repo.js';
import { type HubSettings, settingsOf } from './settings.js';
import {
  type CommittedFile,
  createBranch,
  createCommit,
  createRepo,
  type LocalFile,
  uploadModes,
  type WriteContext,
} from './write-api.js';

/** How far a file of a push is. */
export interface PushProgress {
  repo: string;
  path: string;
  sentBytes: number;
  totalBytes: number;
}

/** How files are pushed. */
export interface PushOptions {
  /** @default from the environment: HF_ENDPOINT, HF_TOKEN or the token file, HF_HUB_OFFLINE */
  settings?: Partial<HubSettings>;
  /** Whether a repository that is made is private. @default false */
  private?: boolean;
  /** First line of the commit. */
  message: string;
  /** Only asks what there is, and sends nothing. @default false */
  dryRun?: boolean;
  /** Called while large files go out. */
  onProgress?(progress: PushProgress): void;
  signal?: AbortSignal;
  retry?: RetryOptions;
}

/**
 * What became of a file: `unchanged` where the revision has it already; `known` where the Hub has its bytes, so that only
 * its name goes there; `ignored` where the repository's own rules leave it out.
 */
export type PushedState = 'new' | 'changed' | 'unchanged' | 'known' | 'ignored';

/** A file of a push, and what became of it. */
export interface PushedFile {
  path: string;
  bytes: number;
  state: PushedState;
}

/** What was pushed, and where it is. */
export interface Push {
  /** `owner/name`. */
  repo: string;
  revision: string;
  /** Where it can be looked at. */
  url: string;
  /** The commit that was made; null where all files were there already, and for a dry run. */
  commit: string | null;
  files: PushedFile[];
}

/** Bytes of a file by which the Hub tells text from other content. */
const SAMPLE_BYTES = 512;

/**
 * Writes files to a repository of the Hub by one commit, which has all of them or is not made. What is there already is
 * not sent again, and files of the repository that are not among them stay.
 *
 * @param files path on disk of each, by its path in the repository
 * @throws OFFLINE, ACCESS_DENIED (also without a token), NETWORK_FAILED, REMOTE_NOT_FOUND, INVALID_OPTION;
 *   FILE_NOT_FOUND; `signal.reason`
 */
export async function pushFiles(
  repo: HubRepo,
  files: ReadonlyMap<string, string>,
  options: PushOptions,
): Promise<Push> {
  const { signal, retry, message, onProgress, dryRun = false } = options;
  const settings = await settingsOf(options.settings);
  if (settings.offline) throw forbidden(repo);
  if (settings.token === null && !dryRun) throw noToken(repo, settings);
  const context: WriteContext = { repo, settings, ...(retry && { retry }), ...(signal && { signal }) };
  const local: LocalFile[] = [];
  for (const [path, file] of files) local.push(await describe(path, file, signal));
  if (!dryRun) {
    await createRepo(context, options.private ?? false);
    await createBranch(context);
  }
  const states = await compare(context, local, dryRun);
  const result = { repo: repo.name, revision: repo.revision, url: `${settings.endpoint}/${repo.name}` };
  const changed = local.filter(({ path }) => states.get(path) !== 'unchanged');
  const report = () => local.map(({ path, bytes }) => ({ path, bytes, state: states.get(path)! }));
  if (dryRun || changed.length === 0) return { ...result, commit: null, files: report() };

  const modes = await uploadModes(context, changed, sampleOf);
  const large = changed.filter(({ path }) => modes.get(path) === 'lfs');
  const uploads = large.length === 0 ? new Map() : await askForUploads(context, large);
  const committed: CommittedFile[] = [];
  for (const file of changed) {
    signal?.throwIfAborted();
    const { path, bytes } = file;
    if (modes.get(path) === 'ignored') {
      states.set(path, 'ignored');
    } else if (modes.get(path) === 'regular') {
      committed.push({ path, content: await readFile(file.file) });
    } else {
      committed.push(file);
      const actions = uploads.get(path);
      if (actions === undefined) states.set(path, 'known');
      else {
        const onSent = (sentBytes: number) =>
          onProgress?.({ repo: repo.name, path, sentBytes, totalBytes: bytes });
        await uploadLfs(context, file, actions, onSent);
      }
    }
  }
  const commit = committed.length === 0 ? null : await createCommit(context, message, committed);
  return { ...result, commit, files: report() };
}

/** Of each file, whether the revision has it, or another one of its name. */
async function compare(
  context: WriteContext,
  local: readonly LocalFile[],
  mayBeMissing: boolean,
): Promise<Map<string, PushedState>> {
  const remote = await listRepo(context.repo, context.settings, context)
    .then(({ files }) => files)
    .catch((error) => {
      const isMissing = ['REMOTE_NOT_FOUND', 'ACCESS_DENIED'].includes((error as PermafrostError).code);
      // A repository that a dry run asks for, and one without a commit.
      if (isMissing && (mayBeMissing || (error as PermafrostError).code === 'REMOTE_NOT_FOUND')) {
        return new Map<string, RemoteFile>();
      }
      throw error;
    });
  const states = new Map<string, PushedState>();
  for (const file of local) {
    const known = remote.get(file.path);
    const isSame =
      known !== undefined &&
      known.size === file.bytes &&
      (await digestLike(file, known)) === known.digest.hex;
    states.set(file.path, known === undefined ? 'new' : isSame ? 'unchanged' : 'changed');
  }
  return states;
}

/** The digest of a local file of the kind that the Hub has of a remote one. */
async function digestLike({ file, bytes, sha256 }: LocalFile, { digest }: RemoteFile): Promise<string> {
  return digest.algorithm === 'sha256' ? sha256 : digestOfFile(file, digest.algorithm, bytes);
}

/** @throws FILE_NOT_FOUND; WEIGHTS_FORMAT for a note in place of a file */
async function describe(path: string, file: string, signal: AbortSignal | undefined): Promise<LocalFile> {
  signal?.throwIfAborted();
  try {
    const { size: bytes } = await stat(file);
    const found: LocalFile = { path, file, bytes, sha256: await digestOfFile(file, 'sha256', bytes) };
    if (!isLfsPointer(await sampleOf(found))) return found;
  } catch (cause) {
    throw new PermafrostError(
      'FILE_NOT_FOUND',
      `Cannot read ${file}: ${(cause as Error).message}. Check the path.`,
      { file },
      { cause },
    );
  }
  throw new PermafrostError('WEIGHTS_FORMAT', `${file} ${LFS_POINTER}.`, { file });
}

async function sampleOf({ file, bytes }: LocalFile): Promise<Uint8Array> {
  const handle = await open(file, 'r');
  try {
    const sample = Buffer.alloc(Math.min(SAMPLE_BYTES, bytes));
    const { bytesRead } = await handle.read(sample, 0, sample.length, 0);
    return sample.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function forbidden({ name }: HubRepo): PermafrostError {
  return new PermafrostError(
    'OFFLINE',
    `${name} cannot be written to: HF_HUB_OFFLINE forbids to ask the Hub. Run without HF_HUB_OFFLINE.`,
    { repo: name },
  );
}

function noToken({ name }: HubRepo, { endpoint }: HubSettings): PermafrostError {
  return new PermafrostError(
    'ACCESS_DENIED',
    `${name} cannot be written to without a token. Make one with write access at ${endpoint}/settings/tokens and set ` +
      'HF_TOKEN to it.',
    { repo: name },
  );
}
