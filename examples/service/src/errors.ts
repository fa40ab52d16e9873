import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, PermafrostError } from 'permafrost';

/** An error of the service itself, with the status that it answers with. */
export class ServiceError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** What the client can do something about; everything else is 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  INVALID_OPTION: 400,
  INVALID_PLAN: 400,
  INVALID_BATCH: 400,
  DATA_FORMAT: 400,
  LABEL_MISMATCH: 400,
  NON_FINITE: 422,
  QUEUE_FULL: 503,
  OUT_OF_MEMORY: 503,
  DISPOSED: 503,
};

const FASTIFY_CODES: Record<number, string> = {
  400: 'INVALID_REQUEST',
  413: 'TOO_LARGE',
  415: 'INVALID_REQUEST',
  503: 'SHUTTING_DOWN',
};

/** A message may quote what the client sent, which may be a megabyte. */
const LONGEST_MESSAGE = 500;

/** Code, message and status of any error. Messages of faults that are not the client's stay here. */
export function describeError(error: unknown): { status: number; code: string; message: string } {
  const { message, ...rest } = describe(error);
  const shown = message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, LONGEST_MESSAGE)}…`;
  return { ...rest, message: shown };
}

function describe(error: unknown): { status: number; code: string; message: string } {
  if (error instanceof ServiceError)
    return { status: error.status, code: error.code, message: error.message };
  if (error instanceof PermafrostError) {
    const status = STATUS[error.code] ?? 500;
    return { status, code: error.code, message: status === 500 ? 'The service failed.' : error.message };
  }
  const { statusCode = 500, message } = error as FastifyError;
  const isClients = statusCode < 500 || statusCode === 503;
  return {
    status: statusCode,
    code: FASTIFY_CODES[statusCode] ?? (isClients ? 'INVALID_REQUEST' : 'INTERNAL'),
    message: isClients ? message : 'The service failed.',
  };
}

/** Answers with `{ error: { code, message } }`. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { status, code, message } = describeError(error);
  if (status >= 500 && status !== 503) request.log.error(error);
  if (status === 503 || status === 429) reply.header('retry-after', '1');
  reply.status(status).send({ error: { code, message } });
}
