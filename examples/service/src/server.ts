import { mkdir, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { Tagger } from 'permafrost';
import { AGGREGATION_STRATEGIES, type AggregationStrategy } from 'permafrost/tagging';
import { ServiceError, sendError } from './errors.js';
import { sendEvents } from './event-stream.js';
import { JobQueue } from './job-queue.js';
import { type TrainRequest, trainJob } from './train-job.js';

/** Time for streams of events to end when the service goes down. */
const STREAM_GRACE_MS = 1000;

export interface ServiceOptions {
  /** Tags for all requests; disposed of when the service closes. */
  tagger: Tagger;
  /** Model directory that jobs start from. */
  baseModel: string;
  /** Where jobs leave their models. */
  outputDirectory: string;
  /** CPU threads of a training; 0 for all. @default 1 */
  trainingThreads?: number;
  /** UTF-16 units of one text. @default 100_000 */
  maxTextLength?: number;
  /** Bytes of a body of `POST /tag`. @default 1 MiB */
  maxTagBytes?: number;
  /** Bytes of a body of `POST /jobs`. @default 32 MiB */
  maxJobBytes?: number;
  /** Jobs that may wait. @default 4 */
  maxWaitingJobs?: number;
  /** Jobs that are over and remembered, with their models. @default 16 */
  maxKeptJobs?: number;
  /** Whether requests are logged. @default false */
  logger?: boolean;
}

interface TagBody {
  text?: string;
  words?: string[];
  aggregation?: AggregationStrategy;
}

const tagSchema = {
  type: 'object',
  additionalProperties: false,
  oneOf: [{ required: ['text'] }, { required: ['words'] }],
  properties: {
    text: { type: 'string' },
    words: { type: 'array', items: { type: 'string' } },
    aggregation: { enum: [...AGGREGATION_STRATEGIES] },
  },
} as const;

const conll = { type: 'string', minLength: 1 } as const;
const jobSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['train', 'validation'],
  properties: {
    train: conll,
    validation: conll,
    test: conll,
    freezing: { type: 'string' },
    epochs: { type: 'integer', minimum: 1, maximum: 100 },
    batchSize: { type: 'integer', minimum: 1, maximum: 1024 },
    learningRate: { type: 'number', exclusiveMinimum: 0 },
    seed: { type: 'integer', minimum: 0 },
  },
} as const;

/** The service, ready to listen. Closing it answers what is under way, cancels the jobs and disposes of the tagger. */
export function buildService(options: ServiceOptions): FastifyInstance {
  const { tagger, baseModel, outputDirectory, trainingThreads = 1 } = options;
  const { maxTextLength = 100_000, maxTagBytes = 2 ** 20, maxJobBytes = 2 ** 25 } = options;
  const app = fastify({
    logger: options.logger ?? false,
    // A field that is misspelt or of another type is an error, not something to mend.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
  });
  const shutdown = new AbortController();
  const streams = new Set<Promise<void>>();
  let isClosing = false;
  const jobs = new JobQueue({
    maxWaiting: options.maxWaitingJobs ?? 4,
    maxKept: options.maxKeptJobs ?? 16,
    onForget: (id) => void rm(join(outputDirectory, id), { recursive: true, force: true }),
  });
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(({ method, url }) => {
    throw new ServiceError(404, 'NOT_FOUND', `There is no ${method} ${url}.`);
  });

  app.get('/health', () => ({
    status: 'ok',
    tagger: tagger.stats,
    waitingJobs: jobs.waiting,
    rssBytes: process.memoryUsage.rss(),
  }));

  app.post<{ Body: TagBody }>(
    '/tag',
    { schema: { body: tagSchema }, bodyLimit: maxTagBytes },
    async ({ body: { text, words, aggregation } }, reply) => {
      const length = text?.length ?? words!.reduce((sum, word) => sum + word.length + 1, 0);
      if (length > maxTextLength) {
        const message = `text: expected at most ${maxTextLength} characters, got ${length}. Send it in parts.`;
        throw new ServiceError(413, 'TOO_LARGE', message);
      }
      const entities = await tagger.tag(text ?? words!, {
        ...(aggregation && { aggregation }),
        signal: goneSignal(reply),
      });
      return { entities };
    },
  );

  app.post<{ Body: TrainRequest }>(
    '/jobs',
    { schema: { body: jobSchema }, bodyLimit: maxJobBytes },
    async ({ body }, reply) => {
      await mkdir(outputDirectory, { recursive: true });
      const job = jobs.add((report, signal) => {
        const directory = join(outputDirectory, job.id);
        return trainJob(body, { baseModel, threads: trainingThreads }, directory)(report, signal);
      });
      return reply.status(202).header('location', `/jobs/${job.id}`).send(job.view());
    },
  );

  app.get<{ Params: { id: string } }>('/jobs/:id', ({ params }) => jobs.get(params.id).view());

  app.delete<{ Params: { id: string } }>('/jobs/:id', ({ params }, reply) => {
    const job = jobs.get(params.id);
    if (job.isOver) throw new ServiceError(409, 'JOB_IS_OVER', `The job is ${job.state} already.`);
    job.cancel();
    return reply.status(202).send(job.view());
  });

  app.get<{ Params: { id: string } }>('/jobs/:id/events', async ({ params, headers }, reply) => {
    const job = jobs.get(params.id);
    const after = Number(headers['last-event-id'] ?? 0) || 0;
    const stream = sendEvents(reply, (signal) => job.events(after, signal), shutdown.signal);
    streams.add(stream);
    await stream.finally(() => streams.delete(stream));
  });

  // Clients open connections ahead; Node counts one without a request as busy.
  const unused = new Set<Socket>();
  app.server.on('connection', (socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  app.addHook('onRequest', async ({ raw }) => void unused.delete(raw.socket));
  // A connection that stays open after its answer would hold up the shutdown.
  app.addHook('onSend', async (_, reply) => {
    if (isClosing) reply.header('connection', 'close');
  });
  // Streams of events would keep the server open, and a running job the process.
  app.addHook('preClose', async () => {
    isClosing = true;
    await jobs.close();
    for (const socket of unused) socket.destroy();
    // Every job is over, so that streams end by themselves, but for those whose clients do not read.
    await Promise.race([Promise.allSettled(streams), sleep(STREAM_GRACE_MS, null, { ref: false })]);
    shutdown.abort();
  });
  app.addHook('onClose', () => tagger.dispose());
  return app;
}

/** Aborted when the client leaves before it is answered. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new Error('The client has gone.'));
  });
  return gone.signal;
}
