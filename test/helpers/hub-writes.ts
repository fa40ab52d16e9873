import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LocalRepo } from './local-hub.js';

/** What a Hub that may be written to keeps. */
export interface HubWrites {
  /** The token that may write. */
  token: string;
  /** Address of the storage of large files, which is another server. */
  storage: string;
  /** Size of the parts in which larger files come; null for files as a whole. */
  partBytes: number | null;
  /** Large files by their SHA-256, those that no commit names included. */
  stored: Map<string, Buffer>;
  /** First line of each commit, with the paths that it wrote. */
  commits: { summary: string; revision: string; paths: string[] }[];
  /** Paths that the repository's rules leave out. */
  ignored: RegExp;
  /** Names of the repositories that are private. */
  privates: string[];
}

/** Whether the Hub keeps a file among the large ones. */
export const LARGE = /\.(safetensors|parquet|bin|onnx|onnx_data)$/;

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Answers what changes repositories as far as the Hub's clients use it; false for other requests. */
export function answerWrite(
  repos: Record<string, LocalRepo>,
  writes: HubWrites,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const path = decodeURIComponent(new URL(request.url!, 'http://hub').pathname);
  const match =
    /^\/api\/models\/(.+?)\/(preupload|commit|branch)\/(.+)$/.exec(path) ??
    /^\/(.+?)\.git\/info\/lfs\/(objects\/batch|objects\/verify)()$/.exec(path) ??
    /^()\/api\/repos\/(create)()$/.exec(path);
  if (request.method !== 'POST' || match === null) return false;
  const [, name, action, revision] = match as unknown as [string, string, string, string];
  void bodyOf(request).then((body) => {
    const send = (status: number, value: unknown, headers = {}) =>
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(value));
    const refuse = (status: number, message: string) =>
      send(status, { error: message }, { 'x-error-message': message });
    if (request.headers.authorization !== `Bearer ${writes.token}`) return refuse(403, 'no right to write');
    if (action === 'create') {
      const { organization, name: own, private: isPrivate } = JSON.parse(body.toString());
      const whole = `${organization}/${own}`;
      if (repos[whole] !== undefined) return refuse(409, 'You already created this model repo');
      repos[whole] = { files: { '.gitattributes': '*.safetensors filter=lfs' } };
      if (isPrivate) writes.privates.push(whole);
      return send(200, { url: whole });
    }
    const repo = repos[name];
    if (repo === undefined) return refuse(404, 'Repository not found');
    if (action === 'branch') {
      repo.revisions ??= {};
      if (repo.revisions[revision] !== undefined) return refuse(409, 'Reference already exists');
      repo.revisions[revision] = { ...repo.files };
      return send(200, {});
    }
    if (action === 'preupload') {
      const { files } = JSON.parse(body.toString()) as { files: { path: string; sample: string }[] };
      const answers = files.map(({ path, sample }) => ({
        path,
        uploadMode: LARGE.test(path) && sample !== undefined ? 'lfs' : 'regular',
        shouldIgnore: writes.ignored.test(path),
      }));
      return send(200, { files: answers });
    }
    if (action === 'objects/batch') return send(200, batch(writes, request, name, body));
    if (action === 'objects/verify') {
      const { oid, size } = JSON.parse(body.toString());
      return writes.stored.get(oid)?.length === size ? send(200, {}) : refuse(404, 'not stored');
    }
    const target = revision === 'main' ? repo.files : repo.revisions?.[revision];
    if (target === undefined) return refuse(404, 'Revision not found');
    const commitOid = createHash('sha1').update(body).digest('hex');
    const fault = commit(writes, target, revision, body);
    return fault === null ? send(200, { success: true, commitOid }) : refuse(400, fault);
  });
  return true;
}

function batch(writes: HubWrites, request: IncomingMessage, name: string, body: Buffer): object {
  const { objects, hash_algo } = JSON.parse(body.toString());
  const isLfs = /git-lfs\+json/.test(`${request.headers.accept}`) && hash_algo === 'sha256';
  if (!isLfs) throw new Error('no request of Git LFS');
  const { partBytes, stored, storage } = writes;
  return {
    transfer: 'basic',
    objects: (objects as { oid: string; size: number }[]).map(({ oid, size }) => {
      if (stored.has(oid)) return { oid, size };
      const verify = { href: `http://${request.headers.host}/${name}.git/info/lfs/objects/verify` };
      if (partBytes === null || size <= partBytes) {
        const upload = { href: `${storage}/whole/${oid}`, header: { 'x-signed': 'by the hub' } };
        return { oid, size, actions: { upload, verify } };
      }
      const parts = Array.from({ length: Math.ceil(size / partBytes) }, (_, i) => [
        String(i + 1).padStart(5, '0'),
        `${storage}/part/${oid}/${i + 1}`,
      ]);
      const header = { chunk_size: String(partBytes), ...Object.fromEntries(parts) };
      return { oid, size, actions: { upload: { href: `${storage}/complete/${oid}`, header }, verify } };
    }),
  };
}

/** What is wrong with a commit, or null, after it was made. */
function commit(
  writes: HubWrites,
  target: LocalRepo['files'],
  revision: string,
  body: Buffer,
): string | null {
  const [header, ...files] = body
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { key: string; value: Record<string, string> });
  if (header?.key !== 'header' || !header.value.summary) return 'no header';
  const changes: LocalRepo['files'] = {};
  for (const { key, value } of files) {
    const content = key === 'file' ? Buffer.from(value.content!, 'base64') : writes.stored.get(value.oid!);
    if (content === undefined) return `${value.path}: no such object`;
    if (key === 'file' && LARGE.test(value.path!)) return `${value.path} belongs among the large files`;
    changes[value.path!] = content;
  }
  Object.assign(target, changes);
  writes.commits.push({ summary: header.value.summary, revision, paths: Object.keys(changes) });
  return null;
}

/** The storage of large files: whole ones, and parts with their list. */
export function answerStorage(writes: HubWrites, request: IncomingMessage, response: ServerResponse): void {
  const [, kind, oid, part] = request.url!.split('/') as [string, string, string, string?];
  void bodyOf(request).then((body) => {
    const end = (status: number, headers = {}) => response.writeHead(status, headers).end();
    if (kind === 'whole' && request.method === 'PUT') {
      if (request.headers['x-signed'] !== 'by the hub' || sha256(body) !== oid) return end(400);
      writes.stored.set(oid, body);
      return end(200);
    }
    if (kind === 'part' && request.method === 'PUT') {
      writes.stored.set(`${oid}/${part}`, body);
      return end(200, { etag: `"${sha256(body).slice(0, 8)}"` });
    }
    const { parts } = JSON.parse(body.toString()) as { parts: { partNumber: number; etag: string }[] };
    const pieces = parts.map(({ partNumber }) => writes.stored.get(`${oid}/${partNumber}`)!);
    const tags = pieces.map((piece) => `"${sha256(piece).slice(0, 8)}"`);
    const isWhole = sha256(Buffer.concat(pieces)) === oid && parts.every(({ etag }, i) => etag === tags[i]);
    if (!isWhole) return end(400);
    writes.stored.set(oid, Buffer.concat(pieces));
    return end(200);
  });
}
