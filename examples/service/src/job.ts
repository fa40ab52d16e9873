import { randomUUID } from 'node:crypto';
import { describeError } from './errors.js';

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

/** What a client hears about a job. */
export interface JobEvent {
  /** Ascending from 1, for `Last-Event-ID`. */
  id: number;
  type: string;
  data: unknown;
}

/** A job's work: reports progress and gives what is left in the end. */
export type JobWork = (
  report: (type: string, data: unknown) => void,
  signal: AbortSignal,
) => Promise<unknown>;

/** Events that are kept for clients that come late or come back. */
const MOST_EVENTS = 1000;

/** One piece of long work: its state, its events, and who waits for more of them. */
export class Job {
  readonly id = randomUUID();
  readonly createdAt = new Date();
  #work: JobWork | null;
  readonly #controller = new AbortController();
  #state: JobState = 'queued';
  #events: JobEvent[] = [];
  #lastId = 0;
  #outcome: unknown = null;
  #wake = () => {};
  #changed = this.#nextChange();

  constructor(work: JobWork) {
    this.#work = work;
    this.#publish('state', { state: this.#state });
  }

  get state(): JobState {
    return this.#state;
  }

  get isOver(): boolean {
    return this.#state !== 'queued' && this.#state !== 'running';
  }

  /** As the API shows it. */
  view() {
    const { id, state } = this;
    const progress = this.#events.findLast(({ type }) => type !== 'state')?.data ?? null;
    const outcome =
      state === 'done' ? { result: this.#outcome } : state === 'failed' ? { error: this.#outcome } : {};
    return { id, state, createdAt: this.createdAt.toISOString(), progress, ...outcome };
  }

  /** Runs to the end; never rejects. */
  async run(): Promise<void> {
    const work = this.#work;
    // It may hold a large upload.
    this.#work = null;
    if (work === null || this.isOver) return;
    this.#enter('running');
    try {
      this.#outcome = await work((type, data) => this.#publish(type, data), this.#controller.signal);
      this.#enter('done', { result: this.#outcome });
    } catch (error) {
      if (this.#controller.signal.aborted) {
        this.#enter('cancelled');
        return;
      }
      const { code, message } = describeError(error);
      this.#outcome = { code, message };
      this.#enter('failed', { error: this.#outcome });
    }
  }

  /** Ends a waiting job at once and a running one after its present step. */
  cancel(): void {
    this.#controller.abort(new Error('cancelled'));
    if (this.#state !== 'queued') return;
    this.#work = null;
    this.#enter('cancelled');
  }

  /** Events after the one of the given id, those to come included, until the job is over or the signal ends it. */
  async *events(after: number, signal: AbortSignal): AsyncGenerator<JobEvent> {
    let seen = after;
    const ended = aborted(signal);
    while (!signal.aborted) {
      const changed = this.#changed;
      for (const event of this.#events.filter(({ id }) => id > seen)) {
        yield event;
        seen = event.id;
      }
      if (seen < this.#lastId) continue;
      if (this.isOver) return;
      await Promise.race([changed, ended]);
    }
  }

  #enter(state: JobState, more: object = {}): void {
    this.#state = state;
    this.#publish('state', { state, ...more });
  }

  #publish(type: string, data: unknown): void {
    this.#lastId++;
    this.#events.push({ id: this.#lastId, type, data });
    if (this.#events.length > MOST_EVENTS) this.#events.splice(0, this.#events.length - MOST_EVENTS);
    const wake = this.#wake;
    this.#changed = this.#nextChange();
    wake();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
