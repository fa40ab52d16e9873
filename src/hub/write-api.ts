import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { type RequestOptions, requestBytes, requestJson } from '../io/http.js';
import { type RetryOptions, withRetries } from '../io/retry.js';
import { hubWriteError } from './hub-error.js';
import { authorization } from './listing.js';
import type { HubRepo } from './repo.js';
import type { HubSettings } from './settings.js';

// The part of the Hub's protocol that changes repositories.

/** Who writes what, and where. */
export interface WriteContext {
  repo: HubRepo;
  settings: HubSettings;
  retry?: RetryOptions;
  signal?: AbortSignal;
}

/** A file to be written. */
export interface LocalFile {
  /** Path on disk. */
  file: string;
  /** Path in the repository. */
  path: string;
  bytes: number;
  sha256: string;
}

/** How the Hub wants a file: within the commit, or among the large ones; or not at all. */
export type UploadMode = 'regular' | 'lfs' | 'ignored';

const JSON_TYPE = { 'content-type': 'application/json' };
/** Files that one question names; the Hub's own clients do as many. */
const FILES_A_QUESTION = 256;

const preuploadSchema = z.object({
  files: z.array(
    z.object({
      path: z.string(),
      uploadMode: z.enum(['regular', 'lfs']),
      shouldIgnore: z.boolean().optional(),
    }),
  ),
});
const commitSchema = z.object({ commitOid: z.string().regex(/^[0-9a-f]{40}$/) });

/** Makes a repository; one that is there stays as it is. */
export async function createRepo(context: WriteContext, isPrivate: boolean): Promise<void> {
  const { repo } = context;
  const [organization, name] = repo.name.split('/');
  await make(context, '/api/repos/create', { type: repo.type, organization, name, private: isPrivate });
}

/** Makes the branch of the revision where it is not there. */
export async function createBranch(context: WriteContext): Promise<void> {
  const { name, revision } = context.repo;
  if (revision === 'main' || revision.startsWith('refs/')) return;
  await make(context, `/api/models/${name}/branch/${encodeURIComponent(revision)}`, {});
}

/**
 * Asks how each file is wanted.
 *
 * @param sample gives the first bytes of a file, by which the Hub tells text from other content
 */
export async function uploadModes(
  context: WriteContext,
  files: readonly LocalFile[],
  sample: (file: LocalFile) => Promise<Uint8Array>,
): Promise<Map<string, UploadMode>> {
  const { name, revision } = context.repo;
  const path = `/api/models/${name}/preupload/${encodeURIComponent(revision)}`;
  const modes = new Map<string, UploadMode>();
  for (let begin = 0; begin < files.length; begin += FILES_A_QUESTION) {
    const asked = await Promise.all(
      files.slice(begin, begin + FILES_A_QUESTION).map(async (file) => ({
        path: file.path,
        size: file.bytes,
        sample: Buffer.from(await sample(file)).toString('base64'),
      })),
    );
    const body = JSON.stringify({ files: asked });
    const { files: answers } = await ask(context, path, { headers: JSON_TYPE, body }, preuploadSchema);
    for (const { path: answered, uploadMode, shouldIgnore } of answers) {
      modes.set(answered, shouldIgnore ? 'ignored' : uploadMode);
    }
  }
  const silent = files.find((file) => !modes.has(file.path));
  if (silent !== undefined) throw unexpected(context, `no answer for ${silent.path}`);
  return modes;
}

/** A file of a commit: its content, or the digest by which the Hub knows a large one. */
export type CommittedFile = { path: string; content: Uint8Array } | (LocalFile & { content?: undefined });

/** Makes one commit of all files. @returns its id */
export async function createCommit(
  context: WriteContext,
  message: string,
  files: readonly CommittedFile[],
): Promise<string> {
  const { name, revision } = context.repo;
  const lines: unknown[] = [{ key: 'header', value: { summary: message, description: '' } }];
  for (const file of files) {
    if (file.content !== undefined) {
      const content = Buffer.from(file.content).toString('base64');
      lines.push({ key: 'file', value: { path: file.path, content, encoding: 'base64' } });
    } else {
      const { path, sha256, bytes } = file;
      lines.push({ key: 'lfsFile', value: { path, algo: 'sha256', oid: sha256, size: bytes } });
    }
  }
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const headers = { 'content-type': 'application/x-ndjson' };
  const path = `/api/models/${name}/commit/${encodeURIComponent(revision)}`;
  return (await ask(context, path, { headers, body }, commitSchema)).commitOid;
}

interface Question {
  headers: Record<string, string>;
  body: string;
}

/**
 * One question to the Hub itself, with the token; its answer is read within limits.
 *
 * @throws NETWORK_FAILED, ACCESS_DENIED, REMOTE_NOT_FOUND; `signal.reason`
 */
export async function ask<Schema extends z.ZodType>(
  context: WriteContext,
  path: string,
  question: Question,
  schema: Schema,
): Promise<z.output<Schema>> {
  const [url, options] = requestOf(context, path, question);
  const { value } = await withRetries(() => requestJson(url, options), context.retry, context.signal);
  const answer = schema.safeParse(value);
  if (answer.success) return answer.data;
  const [issue] = answer.error.issues;
  throw unexpected(context, `${issue?.path.join('.')}: ${issue?.message}`);
}

/** The same for what is there afterwards, whether it was before (409) or not. */
async function make(context: WriteContext, path: string, content: object): Promise<void> {
  const question = { headers: JSON_TYPE, body: JSON.stringify(content) };
  const [url, options] = requestOf(context, path, question);
  await withRetries(() => requestBytes(url, options, [409]), context.retry, context.signal);
}

function requestOf(
  { repo, settings: { endpoint, token }, signal }: WriteContext,
  path: string,
  { headers, body }: Question,
): [url: string, options: RequestOptions] {
  const statusError = hubWriteError(repo, endpoint);
  const method = 'POST';
  const sent = { ...headers, ...authorization(token) };
  return [`${endpoint}${path}`, { method, headers: sent, body, statusError, ...(signal && { signal }) }];
}

export function unexpected({ repo, settings }: WriteContext, got: string): PermafrostError {
  return new PermafrostError(
    'NETWORK_FAILED',
    `${settings.endpoint}: expected the answer of a Hub to what is written to ${repo.name}, got another (${got}). Does ` +
      'HF_ENDPOINT name a Hub?',
    { repo: repo.name, endpoint: settings.endpoint },
  );
}
