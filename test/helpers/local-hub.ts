import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendBytes, serve, type TestServer } from './http-server.js';
import { answerStorage, answerWrite, type HubWrites, LARGE } from './hub-writes.js';

export interface LocalRepo {
  type?: 'model' | 'dataset';
  /** Contents by path. Those that end as {@link LARGE} has it are kept as the Hub keeps large files. */
  files: Record<string, Buffer | string>;
  /** Other revisions than main. */
  revisions?: Record<string, Record<string, Buffer | string>>;
  /** Only this token may read it. */
  token?: string;
  gated?: boolean;
}

export interface LocalHub extends TestServer {
  repos: Record<string, LocalRepo>;
  /** Answers a request itself and says so by true; for what goes wrong. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | null;
  /** Bytes after which each download is cut off. */
  cutAfter: number | null;
  /** What may be written; null where nothing may. */
  writes: HubWrites | null;
}

/** Commit of a revision, made up from its name. */
export function commitOf(revision: string): string {
  return createHash('sha1').update(`commit ${revision}`).digest('hex');
}

export function gitBlobId(bytes: Buffer): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** A Hub that may be written to with a token, whose storage of large files is another server. */
export async function writableHub(
  repos: Record<string, LocalRepo>,
  token: string,
): Promise<
  LocalHub & { writes: HubWrites; storage: TestServer & { headers: IncomingMessage['headers'][] } }
> {
  const hub = await localHub(repos);
  const headers: IncomingMessage['headers'][] = [];
  const storage = await serve((request, response) => {
    headers.push(request.headers);
    if (!hub.intercept?.(request, response)) answerStorage(writes, request, response);
  });
  const writes: HubWrites = {
    ...{ token, storage: storage.url, partBytes: null, stored: new Map(), commits: [], privates: [] },
    ignored: /^$/,
  };
  hub.writes = writes;
  return Object.assign(hub, { writes, storage: Object.assign(storage, { headers }) });
}

/** A server that speaks as much of the Hub's protocol as its clients use; ends after the test. */
export async function localHub(repos: Record<string, LocalRepo>): Promise<LocalHub> {
  const hub: Omit<LocalHub, keyof TestServer> = { repos, intercept: null, cutAfter: null, writes: null };
  const server = await serve((request, response) => {
    if (hub.intercept?.(request, response)) return;
    if (hub.writes !== null && answerWrite(hub.repos, hub.writes, request, response)) return;
    answer(hub, request, response);
  });
  return Object.assign(hub, server);
}

function answer(hub: Omit<LocalHub, keyof TestServer>, request: IncomingMessage, response: ServerResponse) {
  const path = decodeURIComponent(new URL(request.url!, 'http://hub').pathname);
  if (path.startsWith('/cdn/')) {
    const bytes = contents(hub).find((content) => sha256(content) === path.slice(5));
    if (bytes === undefined) return fail(response, 404, 'EntryNotFound');
    return sendBytes(request, response, bytes, hub.cutAfter === null ? {} : { cutAfter: hub.cutAfter });
  }
  const match =
    /^\/api\/(model|dataset)s\/(.+?)\/(revision|tree)\/(.+)$/.exec(path) ??
    /^\/(?:(dataset)s\/)?(.+?)\/(resolve)\/([0-9a-f]{40}\/.+)$/.exec(path);
  if (match === null) return fail(response, 404, 'EntryNotFound');
  const [, type = 'model', name, action, rest] = match as unknown as string[];
  const repo = hub.repos[name!];
  if (repo === undefined || (repo.type ?? 'model') !== type) {
    return fail(response, request.headers.authorization ? 404 : 401, 'RepoNotFound');
  }
  const given = request.headers.authorization?.replace('Bearer ', '');
  if (repo.gated) return fail(response, given ? 403 : 401, 'GatedRepo');
  if (repo.token !== undefined && given !== repo.token) return fail(response, given ? 403 : 401);
  const revisions: Record<string, LocalRepo['files']> = { main: repo.files, ...repo.revisions };
  const wanted = rest!.split(/\/(?=[^/]*$)/);
  const revision = Object.keys(revisions).find((key) =>
    action === 'resolve' ? rest!.startsWith(`${commitOf(key)}/`) : [key, commitOf(key)].includes(rest!),
  );
  if (revision === undefined || wanted.length === 0) return fail(response, 404, 'RevisionNotFound');
  const files = revisions[revision]!;
  if (action === 'revision') return sendJson(response, { _id: '1', id: name, sha: commitOf(revision) });
  if (action === 'tree') return sendTree(response, request, files);
  return resolve(request, response, hub, files, rest!.slice(41), commitOf(revision));
}

function resolve(
  request: IncomingMessage,
  response: ServerResponse,
  hub: Pick<LocalHub, 'cutAfter'>,
  files: LocalRepo['files'],
  path: string,
  commit: string,
) {
  if (files[path] === undefined) return fail(response, 404, 'EntryNotFound');
  const bytes = Buffer.from(files[path]);
  response.setHeader('x-repo-commit', commit);
  if (LARGE.test(path)) {
    response.setHeader('x-linked-etag', `"${sha256(bytes)}"`);
    response.setHeader('x-linked-size', bytes.length);
    response.writeHead(302, { location: `/cdn/${sha256(bytes)}` }).end();
    return;
  }
  response.setHeader('etag', `"${gitBlobId(bytes)}"`);
  sendBytes(request, response, bytes, hub.cutAfter === null ? {} : { cutAfter: hub.cutAfter });
}

/** Two entries a page, the next one linked, as the Hub pages its listings. */
function sendTree(response: ServerResponse, request: IncomingMessage, files: LocalRepo['files']): void {
  const url = new URL(request.url!, `http://${request.headers.host}`);
  const start = Number(url.searchParams.get('cursor') ?? 0);
  const entries = Object.entries(files).map(([path, content]) => {
    const bytes = Buffer.from(content);
    const pointer = `oid sha256:${sha256(bytes)}`;
    return LARGE.test(path)
      ? {
          type: 'file',
          path,
          size: bytes.length,
          oid: gitBlobId(Buffer.from(pointer)),
          lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: pointer.length },
        }
      : { type: 'file', path, size: bytes.length, oid: gitBlobId(bytes) };
  });
  if (start + 2 < entries.length) {
    url.searchParams.set('cursor', String(start + 2));
    response.setHeader('link', `<${url.href}>; rel="next"`);
  }
  sendJson(response, entries.slice(start, start + 2));
}

function contents({ repos }: Pick<LocalHub, 'repos'>): Buffer[] {
  return Object.values(repos)
    .flatMap(({ files, revisions }) => [files, ...Object.values(revisions ?? {})])
    .flatMap((files) => Object.values(files).map((content) => Buffer.from(content)));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function fail(response: ServerResponse, status: number, code?: string): void {
  response.writeHead(status, code === undefined ? {} : { 'x-error-code': code }).end();
}
