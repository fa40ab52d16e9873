import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';

export interface TestServer {
  /** Such as `http://127.0.0.1:41234`. */
  url: string;
  /** Method, path and range of each request, in order. */
  requests: string[];
  /** Ends it before the test does. */
  stop(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A local HTTP server that ends after the test. */
export async function serve(handler: Handler): Promise<TestServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const range = request.headers.range;
    requests.push(`${request.method} ${request.url}${range === undefined ? '' : ` ${range}`}`);
    handler(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  };
  stops.push(stop);
  return { url, requests, stop };
}

/** Sends bytes as a server that knows ranges does; `cutAfter` breaks the connection off after so many bytes. */
export function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  { cutAfter, ranges = true }: { cutAfter?: number; ranges?: boolean } = {},
): void {
  const match = ranges ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') : null;
  const start = Number(match?.[1] ?? 0);
  if (start > 0 && start >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  const end = match?.[2] ? Math.min(Number(match[2]) + 1, bytes.length) : bytes.length;
  const part = bytes.subarray(start, end);
  response.writeHead(match === null ? 200 : 206, {
    'content-length': part.length,
    'accept-ranges': 'bytes',
    ...(match !== null && { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
  });
  if (cutAfter === undefined || cutAfter >= part.length) response.end(part);
  else response.write(part.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 10));
}
