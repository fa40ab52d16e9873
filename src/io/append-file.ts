import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { attemptWrite, writeAll } from './atomic-write.js';
import { makeDirectory } from './make-directory.js';

/** What waits in memory is written when it comes to so many bytes, or this long after the last write, ms. */
const MOST_WAITING_BYTES = 64 * 1024;
const LONGEST_WAIT_MS = 1000;

/**
 * A file that grows at its end by whole pieces. A piece costs its writer nothing but memory: pieces go out together,
 * behind its back, and in order. The file is made with the first of them.
 *
 * What a write throws is thrown at the next piece, or by `flush`: WRITE_FAILED
 */
export class AppendFile {
  #handle: FileHandle | null = null;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | null = null;
  #wroteAt = 0;
  #failure: unknown = null;

  constructor(readonly path: string) {}

  write(piece: Uint8Array): void {
    if (this.#failure !== null) throw this.#failure;
    this.#waiting.push(piece);
    this.#waitingBytes += piece.length;
    const isDue = performance.now() - this.#wroteAt >= LONGEST_WAIT_MS;
    if (isDue || this.#waitingBytes >= MOST_WAITING_BYTES) this.send();
  }

  /** Begins to write what waits. */
  send(): void {
    if (this.#failure !== null || this.#waitingBytes === 0) return;
    this.#writing ??= this.#drain()
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#writing = null;
      });
  }

  /** Returns when everything is on the disk. @throws WRITE_FAILED */
  async flush(): Promise<void> {
    await this.#settle();
    if (this.#failure !== null) throw this.#failure;
    const handle = this.#handle;
    if (handle !== null) await attemptWrite(this.path, () => handle.datasync());
  }

  /** Writes what waits where that is possible still; whoever must know of a failure flushes before. */
  async close(): Promise<void> {
    await this.#settle();
    await this.#handle?.close();
    this.#handle = null;
  }

  async #settle(): Promise<void> {
    // What came while a write went out waits still.
    for (this.send(); this.#writing !== null; this.send()) await this.#writing;
  }

  async #drain(): Promise<void> {
    await attemptWrite(this.path, async () => {
      if (this.#handle === null) {
        await makeDirectory(dirname(this.path));
        this.#handle = await open(this.path, 'a');
      }
      const chunk = Buffer.concat(this.#waiting);
      [this.#waiting, this.#waitingBytes, this.#wroteAt] = [[], 0, performance.now()];
      await writeAll(this.#handle, chunk);
    });
  }
}
