import { createHash, timingSafeEqual } from 'node:crypto';
import type { onRequestHookHandler } from 'fastify';
import { ServiceError } from './errors.js';

/** Who may train: whoever shows the token, everyone, or nobody. */
export type TrainingAccess = { token: string } | 'open' | 'off';

/** Shorter ones can be guessed. */
const LEAST_TOKEN = 16;

/**
 * Reads who may train from the environment: nobody without a token, so that a service that was only meant to tag takes
 * no uploads.
 *
 * @param isOpen whether everyone may, which must be said.
 */
export function trainingAccess(token: string | undefined, isOpen: boolean): TrainingAccess {
  if (isOpen) return 'open';
  if (!token) return 'off';
  if (token.length >= LEAST_TOKEN) return { token };
  throw new Error(`PERMAFROST_SERVICE_TOKEN: expected at least ${LEAST_TOKEN} characters.`);
}

/** A hook that lets through who may; it runs before a byte of the body is read. */
export function accessHook(access: TrainingAccess): onRequestHookHandler {
  return async (request, reply) => {
    if (access === 'open') return;
    if (access === 'off') {
      const message = 'This service does not train: it was started without a token for it.';
      throw new ServiceError(403, 'TRAINING_OFF', message);
    }
    const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (timingSafeEqual(digest(given), digest(access.token))) return;
    reply.header('www-authenticate', 'Bearer');
    throw new ServiceError(401, 'UNAUTHORIZED', 'Expected the header "authorization: Bearer <token>".');
  };
}

/** Of one length, so that a comparison takes as long for every token. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
