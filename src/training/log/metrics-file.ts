import { createReadStream } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { attemptWrite } from '../../io/atomic-write.js';
import { type MetricsLine, parseMetricsLine } from './metrics-line.js';
import { afterLine, isBeyond, type LinesEnd, NO_LINES } from './metrics-lines.js';

const NEWLINE = 0x0a;

/** A whole line of the file, and the offset behind it. */
interface PlacedLine {
  line: MetricsLine | null;
  end: number;
}

/** Whole lines of a file from an offset on; what follows the last newline is torn, or not written yet. */
export async function* wholeLines(path: string, start = 0): AsyncGenerator<PlacedLine> {
  let rest: Buffer = Buffer.alloc(0);
  let end = start;
  try {
    for await (const chunk of createReadStream(path, { start }) as AsyncIterable<Buffer>) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let from = 0;
      for (let to = bytes.indexOf(NEWLINE); to >= 0; to = bytes.indexOf(NEWLINE, from)) {
        end += to + 1 - from;
        yield { line: parseMetricsLine(bytes.toString('utf8', from, to)), end };
        from = to + 1;
      }
      rest = bytes.subarray(from);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/**
 * Reads what a training tells in `metrics.jsonl`, also of one that is under way.
 *
 * @param path of the file; a missing one has no lines. Lines that are torn or of an unknown type are passed over.
 */
export async function* readMetrics(path: string): AsyncGenerator<MetricsLine> {
  for await (const { line } of wholeLines(path)) if (line !== null) yield line;
}

/** What of a file of lines was left. */
interface CutLines {
  /** How far the lines go. */
  end: LinesEnd;
  /** Lowest step that was cut off; infinity where nothing was. */
  cutFrom: number;
}

/**
 * Cuts off the lines that tell of more than the state that a training goes on from: a training that goes on writes them
 * again. A torn last line goes with them.
 *
 * @throws WRITE_FAILED
 */
export async function cutMetrics(path: string, state: LinesEnd): Promise<CutLines> {
  let [end, cutFrom, kept, isOver] = [NO_LINES, Number.POSITIVE_INFINITY, 0, false];
  for await (const { line, end: offset } of wholeLines(path)) {
    isOver ||= line === null || isBeyond(line, state);
    if (isOver) cutFrom = Math.min(cutFrom, line?.step ?? cutFrom);
    else [end, kept] = [afterLine(end, line!), offset];
  }
  await attemptWrite(path, () =>
    truncate(path, kept).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    }),
  );
  return { end, cutFrom };
}
