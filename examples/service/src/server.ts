import { mkdir, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { Tagger } from 'permafrost';
import { AGGREGATION_STRATEGIES, type AggregationStrategy } from 'permafrost/tagging';
import { accessHook, type TrainingAccess } from './auth.js';
import { bodyBudget } from './body-budget.js';
import { ServiceError, sendError } from './errors.js';
import { sendEvents } from './event-stream.js';
import { JobQueue } from './job-queue.js';
import { type TrainRequest, trainJob } from './train-job.js';
import { countWords } from './word-count.js';

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
  /** Who may start, see and cancel jobs. @default 'off' */
  training?: TrainingAccess;
  /** UTF-16 units of one text. @default 100_000 */
  maxTextLength?: number;
  /** Words of one text or list, which decide how long it takes. @default 5000 */
  maxWords?: number;
  /** Bytes of a body of `POST /tag`. @default 1 MiB */
  maxTagBytes?: number;
  /** Bytes of a body of `POST /jobs`. @default 32 MiB */
  maxJobBytes?: number;
  /** Bytes of the bodies of all requests that are open, of each of the two kinds. @default 64 MiB */
  maxOpenBytes?: number;
  /** Time in which a request must have come whole, ms. @default 30_000 */
  requestTimeoutMs?: number;
  /** Connections at a time. @default 1000 */
  maxConnections?: number;
  /** Streams of events at a time. @default 100 */
  maxStreams?: number;
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
    freezing: { type: 'string', maxLength: 200 },
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
  const { training = 'off', maxWords = 5000, maxOpenBytes = 2 ** 26, maxStreams = 100 } = options;
  const { requestTimeoutMs = 30_000, maxConnections = 1000 } = options;
  const app = fastify({
    logger: options.logger ?? false,
    // Whoever sends or reads nothing is cut off; streams of events show every 15 s that they live.
    requestTimeout: requestTimeoutMs,
    connectionTimeout: 60_000,
    keepAliveTimeout: 5000,
    http: {
      headersTimeout: Math.min(10_000, requestTimeoutMs),
      connectionsCheckingInterval: Math.min(1000, requestTimeoutMs),
    },
    // A field that is misspelt or of another type is an error, not something to mend.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
  });
  app.server.maxConnections = maxConnections;
  const mayTrain = accessHook(training);
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
    { schema: { body: tagSchema }, bodyLimit: maxTagBytes, onRequest: bodyBudget(maxOpenBytes, maxTagBytes) },
    async ({ body: { text, words, aggregation } }, reply) => {
      const length = text?.length ?? words!.reduce((sum, word) => sum + word.length + 1, 0);
      if (length > maxTextLength) {
        const message = `text: expected at most ${maxTextLength} characters, got ${length}. Send it in parts.`;
        throw new ServiceError(413, 'TOO_LARGE', message);
      }
      const count = words === undefined ? countWords(text!, maxWords) : countAll(words, maxWords);
      if (count > maxWords) {
        throw new ServiceError(413, 'TOO_LARGE', `Expected at most ${maxWords} words. Send them in parts.`);
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
    {
      schema: { body: jobSchema },
      bodyLimit: maxJobBytes,
      onRequest: [mayTrain, bodyBudget(maxOpenBytes, maxJobBytes)],
    },
    async ({ body }, reply) => {
      await mkdir(outputDirectory, { recursive: true });
      const job = jobs.add((report, signal) => {
        const directory = join(outputDirectory, job.id);
        return trainJob(body, { baseModel, threads: trainingThreads }, directory)(report, signal);
      });
      return reply.status(202).header('location', `/jobs/${job.id}`).send(job.view());
    },
  );

  const guarded = { onRequest: mayTrain };
  app.get<{ Params: { id: string } }>('/jobs/:id', guarded, ({ params }) => jobs.get(params.id).view());

  app.delete<{ Params: { id: string } }>('/jobs/:id', guarded, ({ params }, reply) => {
    const job = jobs.get(params.id);
    if (job.isOver) throw new ServiceError(409, 'JOB_IS_OVER', `The job is ${job.state} already.`);
    job.cancel();
    return reply.status(202).send(job.view());
  });

  app.get<{ Params: { id: string } }>('/jobs/:id/events', guarded, async ({ params, headers }, reply) => {
    const job = jobs.get(params.id);
    if (streams.size >= maxStreams) throw new ServiceError(503, 'BUSY', 'Too many clients listen already.');
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

/** An empty word is one to the tagger, too. */
function countAll(words: readonly string[], most: number): number {
  return words.reduce((count, word) => count + Math.max(1, countWords(word, most)), 0);
}

/** Aborted when the client leaves before it is answered. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new Error('The client has gone.'));
  });
  return gone.signal;
}
