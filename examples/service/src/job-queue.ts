import { ServiceError } from './errors.js';
import { Job, type JobWork } from './job.js';

export interface JobQueueOptions {
  /** Jobs that may wait; one more is refused. */
  maxWaiting: number;
  /** Jobs that are over and still remembered. */
  maxKept: number;
  /** Called with the id of a job that is forgotten. */
  onForget?: (id: string) => void;
}

/** Runs jobs one after another. */
export class JobQueue {
  readonly #options: JobQueueOptions;
  readonly #jobs = new Map<string, Job>();
  #running: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: JobQueueOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return [...this.#jobs.values()].filter(({ state }) => state === 'queued').length;
  }

  /** @throws ServiceError where too many wait already, or the service is going down. */
  add(work: JobWork): Job {
    if (this.#isClosed) throw new ServiceError(503, 'SHUTTING_DOWN', 'The service is going down.');
    if (this.waiting >= this.#options.maxWaiting) {
      const message = `${this.waiting} jobs are waiting, and no more may. Try again when one has ended.`;
      throw new ServiceError(429, 'TOO_MANY_JOBS', message);
    }
    const job = new Job(work);
    this.#jobs.set(job.id, job);
    this.#running ??= this.#runAll().finally(() => {
      this.#running = null;
    });
    return job;
  }

  /** @throws ServiceError where there is no such job */
  get(id: string): Job {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new ServiceError(404, 'NOT_FOUND', `There is no job ${id}.`);
    return job;
  }

  /** Cancels every job and waits until the running one has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const job of this.#jobs.values()) if (!job.isOver) job.cancel();
    await this.#running;
  }

  async #runAll(): Promise<void> {
    // What asked for the job answers first.
    await new Promise(setImmediate);
    for (;;) {
      const job = [...this.#jobs.values()].find(({ state }) => state === 'queued');
      if (job === undefined) return;
      await job.run();
      this.#forgetOld();
    }
  }

  #forgetOld(): void {
    const over = [...this.#jobs.values()].filter(({ isOver }) => isOver);
    for (const { id } of over.slice(0, Math.max(0, over.length - this.#options.maxKept))) {
      this.#jobs.delete(id);
      this.#options.onForget?.(id);
    }
  }
}
