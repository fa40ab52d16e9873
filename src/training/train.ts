import { RunDirectory } from './directory.js';
import type { ProgressEvent, TrainingResult } from './events.js';
import { RunLog } from './log/run-log.js';
import { Training } from './loop.js';
import type { TrainingSettings } from './settings.js';
import type { Task } from './task.js';
import { Phases } from './timing.js';

/**
 * Trains a task in the directory that the settings name, where they name one; one that the caller has opened is left
 * open.
 *
 * @param makeTask reads and encodes the data.
 */
export async function* train<Scores>(
  settings: TrainingSettings,
  makeTask: () => Promise<Task<Scores>>,
): AsyncGenerator<ProgressEvent<Scores>, TrainingResult<Scores>> {
  const { directory: given, restart, signal } = settings;
  signal?.throwIfAborted();
  const phases = new Phases();
  const directory = typeof given === 'string' ? await RunDirectory.open(given) : given;
  try {
    const task = await phases.measure('encode', makeTask);
    if (restart) await directory?.clear();
    const log = directory ? new RunLog(directory, settings) : null;
    const events = new Training(settings, task, { directory: directory ?? null, log }, phases).run();
    return yield* log ? log.through(events) : events;
  } finally {
    if (typeof given === 'string') await directory?.close();
  }
}
