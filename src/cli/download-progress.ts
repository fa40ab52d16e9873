import type { HubOptions, HubProgress } from '../hub/snapshot.js';
import { byteProgress } from './byte-progress.js';
import type { CommandContext } from './context.js';
import type { Output } from './output.js';

/** Between two lines about one file, ms. */
const EVENT_INTERVAL_MS = 1000;

/**
 * Does something that may fetch files of the Hub, and shows them arriving: a bar for each on a terminal, a line in a log,
 * events with `--json`.
 */
export async function withDownloads<T>(
  { output, signal }: CommandContext,
  action: (hub: HubOptions) => Promise<T>,
): Promise<T> {
  const shown = output.mode === 'terminal' ? downloadBars(output) : downloadLines(output);
  try {
    return await action({
      signal,
      onProgress: shown.on,
      onFallback: (error) => output.note(`${error.message}\nUsing what is in the cache.`),
    });
  } finally {
    shown.stop();
  }
}

interface Shown {
  on(progress: HubProgress): void;
  stop(): void;
}

function downloadBars(output: Output): Shown {
  const bar = byteProgress(output);
  return {
    on: ({ repo, path, receivedBytes, totalBytes }) =>
      bar.update(`${repo}/${path}`, receivedBytes, totalBytes),
    stop: bar.stop,
  };
}

function downloadLines(output: Output): Shown {
  let last = { path: '', at: 0 };
  return {
    on(progress) {
      const { repo, path, receivedBytes, totalBytes } = progress;
      const isNew = path !== last.path;
      const isDone = receivedBytes === totalBytes;
      if (isNew) output.note(`Fetching ${repo}/${path}, ${megabytes(totalBytes)}`);
      if (!isNew && !isDone && Date.now() - last.at < EVENT_INTERVAL_MS) return;
      last = { path, at: Date.now() };
      output.json({ type: 'download', repo, path, receivedBytes, totalBytes });
    },
    stop: () => {},
  };
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
