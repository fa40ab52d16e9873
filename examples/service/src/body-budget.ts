import type { onRequestHookHandler } from 'fastify';
import { ServiceError } from './errors.js';

/**
 * A hook that bounds what the bodies of all open requests may take together. A body counts as long as it says it is,
 * from its first byte until its answer is sent: whoever sends one slowly holds up a part of the budget, not memory
 * without end.
 *
 * @param bodyLimit bytes of one body, which one of unknown length may become.
 */
export function bodyBudget(totalBytes: number, bodyLimit: number): onRequestHookHandler {
  let usedBytes = 0;
  return async ({ headers }, reply) => {
    const said = Number(headers['content-length'] ?? bodyLimit);
    // Longer ones are refused before they are read.
    const bytes = Math.min(Number.isFinite(said) ? said : bodyLimit, bodyLimit);
    if (usedBytes + bytes > totalBytes) {
      throw new ServiceError(503, 'BUSY', 'Too much is being sent at once. Try again in a moment.');
    }
    usedBytes += bytes;
    reply.raw.once('close', () => {
      usedBytes -= bytes;
    });
  };
}
