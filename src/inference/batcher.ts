import { PermafrostError } from '../errors/error.js';

export interface BatcherOptions {
  /** Most tokens of a batch; a longer sequence makes a batch by itself. */
  maxBatchTokens: number;
  /** Most milliseconds that a sequence waits for others while nothing runs. */
  maxWaitMs: number;
}

/** What a batcher did so far. */
export interface BatcherStats {
  batches: number;
  sequences: number;
  tokens: number;
}

/** Computes one result for each sequence of a batch. */
export type RunBatch<Result> = (sequences: Int32Array[]) => Promise<Result[]>;

interface Request<Result> {
  results: Result[];
  /** Sequences without a result yet. */
  open: number;
  settled: boolean;
  resolve(results: Result[]): void;
  reject(reason: unknown): void;
}

interface Waiting<Result> {
  sequence: Int32Array;
  request: Request<Result>;
  /** Position among the request's results. */
  index: number;
  since: number;
}

/**
 * Merges the sequences of many requests into batches, first come, first served.
 *
 * One batch runs at a time, and what arrives meanwhile makes the next one: under load, batches grow by themselves
 * and nobody waits for a timer.
 */
export class Batcher<Result> {
  readonly #run: RunBatch<Result>;
  readonly #options: BatcherOptions;
  #waiting: Waiting<Result>[] = [];
  #waitingTokens = 0;
  #running: Promise<void> | null = null;
  #timer: NodeJS.Timeout | NodeJS.Immediate | null = null;
  #stats: BatcherStats = { batches: 0, sequences: 0, tokens: 0 };

  constructor(run: RunBatch<Result>, options: BatcherOptions) {
    this.#run = run;
    this.#options = options;
  }

  get stats(): Readonly<BatcherStats> {
    return { ...this.#stats };
  }

  /**
   * Gives the results of one request's sequences, in their order.
   *
   * @param signal takes what still waits out of the queue; the request rejects with its reason.
   */
  async add(sequences: readonly Int32Array[], signal?: AbortSignal): Promise<Result[]> {
    signal?.throwIfAborted();
    if (sequences.length === 0) return [];
    let withdraw: (() => void) | undefined;
    try {
      return await new Promise<Result[]>((resolve, reject) => {
        const request = { results: new Array<Result>(sequences.length), open: sequences.length };
        const open: Request<Result> = { ...request, settled: false, resolve, reject };
        const since = performance.now();
        for (const [index, sequence] of sequences.entries()) {
          this.#waiting.push({ sequence, request: open, index, since });
          this.#waitingTokens += sequence.length;
        }
        withdraw = () => {
          this.#drop((waiting) => waiting.request === open);
          fail(open, signal!.reason);
        };
        signal?.addEventListener('abort', withdraw, { once: true });
        this.#next();
      });
    } finally {
      if (withdraw) signal?.removeEventListener('abort', withdraw);
    }
  }

  /** Rejects what waits and resolves when the running batch is done. */
  async close(reason: unknown): Promise<void> {
    for (const { request } of this.#waiting) fail(request, reason);
    this.#drop(() => true);
    await this.#running;
  }

  /** Starts a batch, or sees to it that one is started in time. */
  #next(): void {
    if (this.#running !== null || this.#waiting.length === 0) return;
    const { maxBatchTokens, maxWaitMs } = this.#options;
    const left = this.#waiting[0]!.since + maxWaitMs - performance.now();
    if (this.#waitingTokens >= maxBatchTokens || (left <= 0 && maxWaitMs > 0)) {
      this.#start();
      return;
    }
    // Without a wait, the requests of one turn of the event loop still go together.
    this.#timer ??= maxWaitMs > 0 ? setTimeout(() => this.#start(), left) : setImmediate(() => this.#start());
  }

  #start(): void {
    this.#clearTimer();
    if (this.#running !== null || this.#waiting.length === 0) return;
    const batch = this.#take();
    this.#running = this.#compute(batch).finally(() => {
      this.#running = null;
      // What came while the batch ran has waited long enough.
      if (this.#waiting.length > 0) this.#start();
    });
  }

  #take(): Waiting<Result>[] {
    let count = 0;
    let tokens = 0;
    for (const { sequence } of this.#waiting) {
      if (count > 0 && tokens + sequence.length > this.#options.maxBatchTokens) break;
      tokens += sequence.length;
      count++;
    }
    this.#waitingTokens -= tokens;
    this.#stats.batches++;
    this.#stats.sequences += count;
    this.#stats.tokens += tokens;
    return this.#waiting.splice(0, count);
  }

  async #compute(batch: readonly Waiting<Result>[]): Promise<void> {
    try {
      const results = await this.#run(batch.map(({ sequence }) => sequence));
      for (const [i, { request, index }] of batch.entries()) {
        request.results[index] = results[i]!;
        request.open--;
        if (request.open === 0) finish(request);
      }
    } catch (error) {
      const failed = new Set(batch.map(({ request }) => request));
      for (const request of failed) fail(request, error);
      this.#drop(({ request }) => failed.has(request));
    }
  }

  #drop(isDropped: (waiting: Waiting<Result>) => boolean): void {
    this.#waiting = this.#waiting.filter((waiting) => !isDropped(waiting));
    this.#waitingTokens = this.#waiting.reduce((sum, { sequence }) => sum + sequence.length, 0);
    if (this.#waiting.length === 0) this.#clearTimer();
  }

  #clearTimer(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer as NodeJS.Timeout);
    clearImmediate(this.#timer as NodeJS.Immediate);
    this.#timer = null;
  }
}

function finish<Result>(request: Request<Result>): void {
  if (request.settled) return;
  request.settled = true;
  request.resolve(request.results);
}

function fail<Result>(request: Request<Result>, reason: unknown): void {
  if (request.settled) return;
  request.settled = true;
  request.reject(reason);
}

/** Lets so many calls be open at once and refuses one more. */
export class Admission {
  #open = 0;

  constructor(readonly limit: number) {}

  get open(): number {
    return this.#open;
  }

  /** @throws QUEUE_FULL */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#open >= this.limit) {
      throw new PermafrostError(
        'QUEUE_FULL',
        `The tagger has ${this.#open} open calls, as many as \`maxQueue\` allows. Wait for some to finish and try again.`,
        { open: this.#open, maxQueue: this.limit },
      );
    }
    this.#open++;
    try {
      return await call();
    } finally {
      this.#open--;
    }
  }
}
