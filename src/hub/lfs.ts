import { z } from 'zod';
import { requestBytes } from '../io/http.js';
import { withRetries } from '../io/retry.js';
import { upload } from '../io/upload.js';
import { authorization } from './listing.js';
import { ask, type LocalFile, unexpected, type WriteContext } from './write-api.js';

// Large files by the protocol of Git LFS, with the Hub's own transfer in parts.

const LFS_TYPE = { accept: 'application/vnd.git-lfs+json', 'content-type': 'application/vnd.git-lfs+json' };
/** The Hub takes files of 50 GB, in parts of 16 MB or more. */
const MOST_PARTS = 10_000;
/** Headers that follow from the request itself, whatever a server says. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'transfer-encoding',
]);

const action = z.object({
  href: z.string().refine((href) => URL.canParse(href) && /^https?:$/.test(new URL(href).protocol)),
  header: z.record(z.string(), z.string()).optional(),
});
const batchSchema = z.object({
  objects: z.array(
    z.object({
      oid: z.string(),
      actions: z.object({ upload: action.optional(), verify: action.optional() }).nullish(),
      error: z.object({ code: z.number(), message: z.string() }).nullish(),
    }),
  ),
});

type Actions = { upload: z.output<typeof action>; verify?: z.output<typeof action> | undefined };

/** What is to be done for each file that the Hub does not have, by path. */
export type LfsUploads = Map<string, Actions>;

/** Asks which of the files the Hub lacks. @throws NETWORK_FAILED, ACCESS_DENIED, REMOTE_NOT_FOUND */
export async function askForUploads(context: WriteContext, files: readonly LocalFile[]): Promise<LfsUploads> {
  const { name, revision } = context.repo;
  const body = JSON.stringify({
    operation: 'upload',
    transfers: ['basic', 'multipart'],
    hash_algo: 'sha256',
    ref: { name: revision },
    objects: files.map(({ sha256, bytes }) => ({ oid: sha256, size: bytes })),
  });
  const path = `/${name}.git/info/lfs/objects/batch`;
  const { objects } = await ask(context, path, { headers: LFS_TYPE, body }, batchSchema);
  const uploads: LfsUploads = new Map();
  for (const file of files) {
    const object = objects.find(({ oid }) => oid === file.sha256);
    if (object === undefined) throw unexpected(context, `no answer for ${file.path}`);
    if (object.error) {
      const { code, message } = object.error;
      throw unexpected(context, `${file.path}: ${code} ${message.slice(0, 300)}`);
    }
    const { upload, verify } = object.actions ?? {};
    if (upload !== undefined) uploads.set(file.path, { upload, verify });
  }
  return uploads;
}

/**
 * Sends a file where the Hub said, as a whole or in parts. Those addresses get the headers that the Hub named for them
 * and nothing else; the token goes to the Hub alone.
 *
 * @throws NETWORK_FAILED, ACCESS_DENIED, REMOTE_NOT_FOUND; `signal.reason`
 */
export async function uploadLfs(
  context: WriteContext,
  file: LocalFile,
  { upload: target, verify }: Actions,
  onProgress: (sentBytes: number) => void,
): Promise<void> {
  const { chunk_size: chunkSize, ...header } = target.header ?? {};
  if (chunkSize === undefined) {
    await send(context, file, target.href, { headers: foreignHeaders(header), onProgress });
  } else {
    await sendParts(context, file, target.href, Number(chunkSize), header, onProgress);
  }
  if (verify !== undefined) await confirm(context, file, verify);
}

interface Part {
  begin?: number;
  end?: number;
  headers?: Record<string, string>;
  onProgress: (sentBytes: number) => void;
}

async function send(
  { retry, signal }: WriteContext,
  { file, bytes }: LocalFile,
  url: string,
  { begin = 0, end = bytes, headers, onProgress }: Part,
): Promise<Headers> {
  const options = {
    url,
    file,
    begin,
    end,
    onProgress,
    ...(headers && { headers }),
    ...(signal && { signal }),
  };
  return withRetries(() => upload(options), retry, signal);
}

/** One part after another, and then their list, by the tags that the storage gave each. */
async function sendParts(
  context: WriteContext,
  file: LocalFile,
  completion: string,
  chunkSize: number,
  header: Record<string, string>,
  onProgress: (sentBytes: number) => void,
): Promise<void> {
  const urls = Object.entries(header)
    .filter(([name, url]) => /^\d+$/.test(name) && URL.canParse(url))
    .sort(([a], [b]) => Number(a) - Number(b));
  const count = Math.ceil(file.bytes / chunkSize);
  if (!(Number.isSafeInteger(chunkSize) && chunkSize > 0 && count === urls.length && count <= MOST_PARTS)) {
    throw unexpected(context, `${urls.length} parts of ${chunkSize} bytes for ${file.path} of ${file.bytes}`);
  }
  const parts: { partNumber: number; etag: string }[] = [];
  for (const [index, [, url]] of urls.entries()) {
    const begin = index * chunkSize;
    const end = Math.min(begin + chunkSize, file.bytes);
    const part = { begin, end, onProgress: (sent: number) => onProgress(begin + sent) };
    const etag = (await send(context, file, url, part)).get('etag');
    if (!etag) throw unexpected(context, `no etag of part ${index + 1} of ${file.path}`);
    parts.push({ partNumber: index + 1, etag });
  }
  await postElsewhere(context, completion, {}, { oid: file.sha256, parts });
}

/** Where the Hub wants to be told that a file has come. */
async function confirm(
  context: WriteContext,
  { sha256, bytes }: LocalFile,
  { href, header }: { href: string; header?: Record<string, string> | undefined },
): Promise<void> {
  const { endpoint, token } = context.settings;
  const isHub = new URL(href).origin === new URL(endpoint).origin;
  const headers = { ...(isHub && authorization(token)), ...foreignHeaders(header ?? {}) };
  await postElsewhere(context, href, headers, { oid: sha256, size: bytes });
}

async function postElsewhere(
  { retry, signal }: WriteContext,
  url: string,
  headers: Record<string, string>,
  content: object,
): Promise<void> {
  const request = { method: 'POST', body: JSON.stringify(content), headers: { ...LFS_TYPE, ...headers } };
  await withRetries(() => requestBytes(url, { ...request, ...(signal && { signal }) }), retry, signal);
}

function foreignHeaders(header: Record<string, string>): Record<string, string> {
  const entries = Object.entries(header).filter(([name]) => !OWN_HEADERS.has(name.toLowerCase()));
  return Object.fromEntries(entries);
}
