import { stat } from 'node:fs/promises';
import { metricsFile } from '../directory.js';
import { wholeLines } from './metrics-file.js';
import type { MetricsLine } from './metrics-line.js';
import { afterLine, isBeyond, type LinesEnd, NO_LINES } from './metrics-lines.js';

/**
 * Follows what a run tells, by its directory alone: from another process, or from another machine that sees the same disk.
 */
export class RunFollower {
  readonly #file: string;
  /** Behind the last line that was read; the time of the first one tells a run from another that began anew. */
  #offset = 0;
  #begun: number | null = null;
  #end: LinesEnd = NO_LINES;

  constructor(directory: string) {
    this.#file = metricsFile(directory);
  }

  /** Whether the run told that it is over. */
  get isDone(): boolean {
    return this.#end.isDone;
  }

  /**
   * Lines that came since the last call. A run that went on from an earlier state tells again what was cut off: these
   * lines come once.
   */
  async poll(): Promise<MetricsLine[]> {
    const size = (await stat(this.#file).catch(() => null))?.size ?? 0;
    if (size < this.#offset) this.#offset = 0;
    const news: MetricsLine[] = [];
    for await (const { line, end } of wholeLines(this.#file, this.#offset)) {
      if (this.#offset === 0 && line !== null && line.time !== this.#begun) {
        this.#begun = line.time;
        this.#end = NO_LINES;
      }
      this.#offset = end;
      if (line === null || !isBeyond(line, this.#end)) continue;
      this.#end = afterLine(this.#end, line);
      news.push(line);
    }
    return news;
  }
}
