import { once } from 'node:events';
import type { FastifyReply } from 'fastify';
import type { JobEvent } from './job.js';

/** How often a silent stream shows that it lives, so that proxies keep it open. */
const HEARTBEAT_MS = 15_000;

/**
 * Sends events as server-sent events, no faster than the client reads, and ends with them.
 *
 * @param events is told by the signal when the client has gone.
 */
export async function sendEvents(
  reply: FastifyReply,
  events: (signal: AbortSignal) => AsyncIterable<JobEvent>,
  shutdown: AbortSignal,
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
  const heartbeat = setInterval(() => raw.write(': alive\n\n'), HEARTBEAT_MS);
  try {
    for await (const { id, type, data } of events(signal)) {
      const isFull = !raw.write(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
      if (isFull && !signal.aborted) await once(raw, 'drain', { signal }).catch(() => undefined);
    }
  } finally {
    clearInterval(heartbeat);
    shutdown.removeEventListener('abort', leave);
    raw.end();
  }
}
