import { stat } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type {
  ParquetAnswer,
  ParquetLayout,
  ParquetRequest,
  ParquetRow,
  ParquetSource,
} from './parquet-worker.js';

/** What a file may take for one answer: more than twenty times what a sound one does. */
const LIMIT_MS = 5000;
const LIMIT_MS_PER_MEBIBYTE = 500;
/** Memory of the thread, the decoded rows included. */
const HEAP_MEBIBYTES = 1024;
const HEAP_PER_BYTE = 16;
const MEBIBYTE = 1 << 20;

/** The thread's program. Sources as tests run them have it in the build beside them. */
const PROGRAM = import.meta.url.endsWith('.ts')
  ? new URL('../../dist/data/parquet-worker.js', import.meta.url)
  : new URL('./parquet-worker.js', import.meta.url);

/** After what time without a request the thread is ended. */
const IDLE_MS = 2000;

interface Waiting {
  resolve(answer: ParquetAnswer): void;
  reject(error: Error): void;
}

/**
 * Decodes parquet in a thread of its own, off the event loop, and ends the thread where an answer takes longer or more
 * memory than any sound file of the size: there is damage on which decoding runs for ever.
 *
 * One request at a time. The thread keeps no process from ending, and ends by itself where nothing is asked.
 */
export class ParquetDecoder {
  readonly #limitMs: number;
  #source: ParquetSource = '';
  #bytes = 0;
  #worker: Worker | null = null;
  #isReady: Promise<unknown> | null = null;
  #waiting: Waiting | null = null;
  #idle: NodeJS.Timeout | undefined;

  /** @param limitMs what an answer may take, beside what a file's size allows. */
  constructor(limitMs = LIMIT_MS) {
    this.#limitMs = limitMs;
  }

  /** Opens a file, or content. @throws Error saying why it cannot be read */
  async open(source: ParquetSource): Promise<ParquetLayout> {
    this.#bytes = typeof source === 'string' ? (await stat(source)).size : source.byteLength;
    this.#source = source;
    const answer = await this.#ask({ kind: 'layout', source });
    if ('layout' in answer) return answer.layout;
    throw brokenOff();
  }

  /** Rows `start` to `end` of two columns of what was opened; fewer where the file ends before. */
  async rows(columns: readonly [string, string], start: number, end: number): Promise<ParquetRow[]> {
    // The thread has ended since, for want of requests.
    if (this.#worker === null) await this.open(this.#source);
    const answer = await this.#ask({ kind: 'rows', columns, start, end });
    if ('rows' in answer) return answer.rows;
    throw brokenOff();
  }

  /** Ends the thread; the next request starts one anew. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  async #ask(request: ParquetRequest): Promise<ParquetAnswer> {
    clearTimeout(this.#idle);
    let timer: NodeJS.Timeout | undefined;
    try {
      const limit = this.#limitMs + (this.#bytes / MEBIBYTE) * LIMIT_MS_PER_MEBIBYTE;
      this.#worker ??= this.#start();
      this.#worker.ref();
      await this.#isReady;
      const answer = await new Promise<ParquetAnswer>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        const late = () => reject(new Error(`its decoding did not end within ${Math.round(limit / 1000)} s`));
        timer = setTimeout(late, limit);
        this.#worker!.postMessage(request);
      });
      this.#worker?.unref();
      if ('error' in answer) throw new Error(answer.error);
      this.#idle = setTimeout(() => this.close(), IDLE_MS).unref();
      return answer;
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#waiting = null;
    }
  }

  #start(): Worker {
    const heap = HEAP_MEBIBYTES + Math.ceil((HEAP_PER_BYTE * this.#bytes) / MEBIBYTE);
    const worker = new Worker(PROGRAM, { resourceLimits: { maxOldGenerationSizeMb: heap }, stderr: true });
    const fail = (error: Error) => this.#worker === worker && this.#waiting?.reject(error);
    worker.on('message', (answer: ParquetAnswer) => this.#waiting?.resolve(answer));
    worker.on('error', fail);
    worker.on('exit', () => fail(brokenOff()));
    // What it takes to start depends on the machine, not on the file.
    this.#isReady = new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    return worker;
  }
}

function brokenOff(): Error {
  return new Error('its decoding broke off');
}
