import { Presets, SingleBar } from 'cli-progress';
import type { Output } from './output.js';

/** Shows how far something of a known number of bytes has come. */
export interface ByteProgress {
  update(what: string, bytes: number, totalBytes: number | null): void;
  /** Removes the bar; call it also after a failure. */
  stop(): void;
}

const MEGABYTE = 1e6;
// A line of a log for each tenth, or for each so many bytes where the end is not known.
const BYTES_A_LINE = 100 * MEGABYTE;

/** A bar on a terminal, a line now and then in a log, nothing with `--json`. */
export function byteProgress(output: Output): ByteProgress {
  if (output.mode === 'json') return { update: () => {}, stop: () => {} };
  return output.mode === 'terminal' ? barOfBytes(output) : linesOfBytes(output);
}

function barOfBytes(output: Output): ByteProgress {
  let bar: SingleBar | null = null;
  let shown = '';
  const stop = (): void => {
    bar?.stop();
    bar = null;
  };
  return {
    update(what, bytes, totalBytes) {
      if (what !== shown) stop();
      shown = what;
      bar ??= startBar(output, what, totalBytes);
      bar.update(bytes / MEGABYTE, { size: sizeText(bytes, totalBytes) });
    },
    stop,
  };
}

function startBar(output: Output, what: string, totalBytes: number | null): SingleBar {
  const options = {
    stream: output.stderr as NodeJS.WriteStream,
    format: `${what} {bar} {percentage}% | {size} | {eta_formatted} left`,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
  };
  const bar = new SingleBar(options, Presets.shades_classic);
  bar.start((totalBytes ?? 0) / MEGABYTE, 0, { size: '' });
  return bar;
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
