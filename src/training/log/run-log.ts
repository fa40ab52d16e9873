import { AppendFile } from '../../io/append-file.js';
import type { RunDirectory } from '../directory.js';
import type { ProgressEvent, TrainingResult } from '../events.js';
import type { Progress } from '../progress.js';
import { cutMetrics, readMetrics } from './metrics-file.js';
import type { MetricsLine } from './metrics-line.js';
import {
  afterLine,
  endOf,
  isBeyond,
  type LinesEnd,
  MetricsLines,
  NO_LINES,
  stepsALine,
} from './metrics-lines.js';
import { headRecord, nextEventFile, removeEventFiles, restartRecord, scalarsRecord } from './tensorboard.js';

/**
 * What a training tells of itself in its directory: `metrics.jsonl`, and the same for TensorBoard.
 *
 * Lines are written behind the training's back; a state is written after the lines that lead to it, so that a training
 * which goes on from a state finds all of these, and cuts off what lies beyond.
 */
export class RunLog {
  readonly #directory: RunDirectory;
  readonly #settings: { logSteps?: number | undefined; tensorboard: boolean };
  readonly #lines: AppendFile;
  #events: AppendFile | null = null;
  #maker: MetricsLines | null = null;
  #end: LinesEnd = NO_LINES;

  constructor(
    directory: RunDirectory,
    settings: {
      /** Steps that a line stands for. @default see stepsALine */
      logSteps?: number | undefined;
      tensorboard: boolean;
    },
  ) {
    this.#directory = directory;
    this.#settings = settings;
    this.#lines = new AppendFile(directory.metrics);
  }

  /**
   * Takes up the files at the state that the training goes on from; without one it begins them anew.
   *
   * @throws WRITE_FAILED
   */
  async begin(progress: Progress<unknown> | null, totalSteps: number): Promise<void> {
    const { end, cutFrom } = await cutMetrics(this.#lines.path, progress ? endOf(progress) : NO_LINES);
    // A finished training of which nothing is told is left so.
    if (progress?.end && end === NO_LINES) return;
    this.#end = end;
    this.#maker = new MetricsLines(this.#settings.logSteps ?? stepsALine(totalSteps), progress ?? undefined);
    if (!this.#settings.tensorboard || progress?.end) return;
    if (progress === null) await removeEventFiles(this.#directory.tensorboard);
    this.#events = new AppendFile(await nextEventFile(this.#directory.tensorboard));
    const time = Date.now() / 1000;
    this.#events.write(headRecord(time));
    if (progress === null) return;
    const step = Math.min(progress.losses.length + 1, cutFrom);
    this.#events.write(restartRecord(time, step));
    for await (const line of readMetrics(this.#lines.path)) if (line.step >= step) this.#draw(line);
  }

  /** Passes the events of a training on, and writes what they tell. @throws WRITE_FAILED */
  async *through<Event extends ProgressEvent<unknown>, Result extends TrainingResult<unknown>>(
    events: AsyncGenerator<Event, Result>,
  ): AsyncGenerator<Event, Result> {
    try {
      for (;;) {
        const next = await events.next();
        if (!next.done) {
          this.#write(this.#maker?.of(next.value) ?? null);
          yield next.value;
          continue;
        }
        this.#write(this.#maker?.end(next.value) ?? null);
        await this.flush();
        return next.value;
      }
    } finally {
      await events.return(undefined as never);
      for (const file of [this.#lines, this.#events]) await file?.close();
    }
  }

  /** Returns when all that was told so far is on the disk. @throws WRITE_FAILED */
  async flush(): Promise<void> {
    for (const file of [this.#lines, this.#events]) await file?.flush();
  }

  /** What the files say already is not said again. */
  #write(line: MetricsLine | null): void {
    if (line === null || !isBeyond(line, this.#end)) return;
    this.#end = afterLine(this.#end, line);
    this.#lines.write(Buffer.from(`${JSON.stringify(line)}\n`));
    this.#draw(line);
    if (line.type === 'step') return;
    for (const file of [this.#lines, this.#events]) file?.send();
  }

  #draw(line: MetricsLine): void {
    if (this.#events === null) return;
    const record = scalarsRecord(line);
    if (record !== null) this.#events.write(record);
  }
}
