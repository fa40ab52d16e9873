import type { Output } from './output.js';
import { barText, clockText, fitSegments } from './progress/live-line.js';

/** Shows how far something of a known number of bytes has come. */
export interface ByteProgress {
  update(what: string, bytes: number, totalBytes: number | null): void;
  /** Removes the bar; call it also after a failure. */
  stop(): void;
}

const MEGABYTE = 1e6;
const BAR_WIDTH = 20;
/** Columns from which on there is room for a bar. */
const WIDE = 80;
// A line of a log for each tenth, or for each so many bytes where the end is not known.
const BYTES_A_LINE = 100 * MEGABYTE;

/** A bar on a terminal, a line now and then in a log, nothing with `--json`. */
export function byteProgress(output: Output): ByteProgress {
  if (output.mode === 'json') return { update: () => {}, stop: () => {} };
  return output.mode === 'terminal' ? barOfBytes(output) : linesOfBytes(output);
}

function barOfBytes(output: Output): ByteProgress {
  let shown = '';
  let first = { bytes: 0, at: 0 };
  return {
    update(what, bytes, totalBytes) {
      if (what !== shown) first = { bytes, at: performance.now() };
      shown = what;
      const share = totalBytes === null || totalBytes === 0 ? 0 : bytes / totalBytes;
      const left = secondsLeft(first, bytes, totalBytes);
      output.status((columns) =>
        fitSegments(
          [
            { text: what, priority: 1 },
            { text: columns >= WIDE ? barText(share, BAR_WIDTH) : '', priority: 4 },
            { text: totalBytes === null ? '' : `${Math.floor(100 * share)}%`.padStart(4), priority: 2 },
            { text: sizeText(bytes, totalBytes), priority: 3 },
            { text: left === null ? '' : `ETA ${clockText(left)}`, priority: 0 },
          ],
          columns,
        ),
      );
    },
    stop: () => output.status(null),
  };
}

/** At the pace so far; null as long as there is nothing to go by. */
function secondsLeft(
  first: { bytes: number; at: number },
  bytes: number,
  totalBytes: number | null,
): number | null {
  const came = bytes - first.bytes;
  if (totalBytes === null || came <= 0) return null;
  return ((performance.now() - first.at) / 1000) * ((totalBytes - bytes) / came);
}

function linesOfBytes(output: Output): ByteProgress {
  let shown = '';
  let next = 0;
  return {
    update(what, bytes, totalBytes) {
      if (what !== shown) next = 0;
      shown = what;
      if (bytes < next && bytes !== totalBytes) return;
      const step = totalBytes === null ? BYTES_A_LINE : totalBytes / 10;
      next = bytes === totalBytes ? Number.POSITIVE_INFINITY : (Math.floor(bytes / step) + 1) * step;
      output.note(`${what}: ${sizeText(bytes, totalBytes)}`);
    },
    stop: () => {},
  };
}

function sizeText(bytes: number, totalBytes: number | null): string {
  const megabytes = (value: number) => (value / MEGABYTE).toFixed(1);
  return totalBytes === null
    ? `${megabytes(bytes)} MB`
    : `${megabytes(bytes)} of ${megabytes(totalBytes)} MB`;
}
