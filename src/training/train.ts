import { RunDirectory } from './directory.js';
import type { ProgressEvent, TrainingResult } from './events.js';
import { withRanks } from './join.js';
import { RunLog } from './log/run-log.js';
import { Training } from './loop.js';
import type { Ranks } from './ranks.js';
import type { TrainingSettings } from './settings.js';
import type { Task } from './task.js';
import { Phases } from './timing.js';

/**
 * Trains a task in the directory that the settings name, where they name one; one that the caller has opened is left
 * open. Of several ranks the first alone opens it.
 *
 * @param makeTask reads and encodes the data.
 */
export async function* train<Scores>(
  settings: TrainingSettings,
  makeTask: () => Promise<Task<Scores>>,
): AsyncGenerator<ProgressEvent<Scores>, TrainingResult<Scores>> {
  const { model, signal } = settings;
  signal?.throwIfAborted();
  return yield* withRanks({ ...settings, device: model.device }, (ranks) =>
    trainAs(ranks, settings, makeTask),
  );
}

async function* trainAs<Scores>(
  ranks: Ranks,
  settings: TrainingSettings,
  makeTask: () => Promise<Task<Scores>>,
): AsyncGenerator<ProgressEvent<Scores>, TrainingResult<Scores>> {
  const { directory: given, restart } = settings;
  const phases = new Phases();
  await ranks.agree({ restart });
  const directory = await ranks.onFirst(async () =>
    typeof given === 'string' ? RunDirectory.open(given) : (given ?? null),
  );
  try {
    const task = await phases.measure('encode', makeTask);
    if (restart) await ranks.onFirst(async () => directory?.clear());
    const log = directory ? new RunLog(directory, settings) : null;
    const events = new Training(settings, task, { directory, log, ranks }, phases).run();
    return yield* log ? log.through(events) : events;
  } finally {
    if (typeof given === 'string') await directory?.close();
  }
}
