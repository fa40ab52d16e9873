import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { JobEvent } from './job.js';

/** How often a silent stream shows that it lives, so that proxies keep it open. */
const HEARTBEAT_MS = 15_000;
/** How long a client may leave what was sent unread. */
const UNREAD_MS = 60_000;

/**
 * Sends events as server-sent events, no faster than the client reads, and ends with them, or when the client does not
 * read for a minute.
 *
 * @param events is told by the signal when the client has gone.
 */
export async function sendEvents(
  reply: FastifyReply,
  events: (signal: AbortSignal) => AsyncIterable<JobEvent>,
  shutdown: AbortSignal,
  unreadMs: number = UNREAD_MS,
): Promise<void> {
  const gone = new AbortController();
  const { raw } = reply;
  const { signal } = gone;
  const leave = () => gone.abort();
  raw.on('close', leave);
  raw.on('error', leave);
  shutdown.addEventListener('abort', leave, { once: true });
  reply.hijack();
  raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
    connection: 'close',
  });
  const heartbeat = setInterval(() => raw.writableNeedDrain || raw.write(': alive\n\n'), HEARTBEAT_MS);
  try {
    for await (const { id, type, data } of events(signal)) {
      const isFull = !raw.write(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
      if (isFull && !signal.aborted) await drained(raw, signal, unreadMs);
    }
  } finally {
    clearInterval(heartbeat);
    shutdown.removeEventListener('abort', leave);
    raw.end();
  }
}

/** Waits until the client has read; one that does not is cut off. */
async function drained(raw: ServerResponse, signal: AbortSignal, unreadMs: number): Promise<void> {
  const timer = setTimeout(() => raw.destroy(), unreadMs);
  await once(raw, 'drain', { signal }).catch(() => undefined);
  clearTimeout(timer);
}
