import { existsSync } from 'node:fs';
import { readdir, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { attemptWrite, writeFileAtomic } from '../io/atomic-write.js';
import { makeDirectory } from '../io/make-directory.js';
import { type FileLock, lockDirectory } from '../io/process-lock.js';
import { sweepTemporaryFiles } from '../io/temporary-files.js';

/** What is written beside weights: configuration, tokenizer, card, record. */
const SMALL_FILES_BYTES = 32 * 2 ** 20;

/**
 * The directory of a run, of which one process is the only writer: `best/`, `last/`, `predictions/`, `metrics.jsonl`,
 * `tensorboard/`, and what the caller puts beside.
 *
 * Whatever is written there replaces a whole file or leaves it as it was.
 */
export class RunDirectory {
  /** The best weights so far, a Hugging Face model directory. */
  readonly best: string;
  /** The state to go on from. */
  readonly state: string;
  readonly record: string;
  /** What the training tells of itself while it is under way, and the folder of the same for TensorBoard. */
  readonly metrics: string;
  readonly tensorboard: string;
  readonly #predictions: string;
  readonly #lock: FileLock;

  private constructor(
    readonly path: string,
    lock: FileLock,
    /** Whether the directory was there before. */
    private readonly existed: boolean,
  ) {
    this.best = join(path, 'best');
    this.state = join(path, 'last', 'state.safetensors');
    this.record = join(path, 'record.json');
    this.metrics = metricsFile(path);
    this.tensorboard = join(path, 'tensorboard');
    this.#predictions = join(path, 'predictions');
    this.#lock = lock;
  }

  /**
   * Makes the directory, locks it, removes what a killed process left half written, and tries out whether it can be
   * written to.
   *
   * @param held the directory's lock, where the caller has it already and gives it back by itself
   * @throws LOCKED where another process writes there; WRITE_FAILED
   */
  static async open(path: string, held?: FileLock): Promise<RunDirectory> {
    const existed = existsSync(path);
    const lock = held ? { lost: held.lost, release: async () => {} } : await lockDirectory(path);
    const directory = new RunDirectory(path, lock, existed);
    try {
      const folders = [path, directory.best, join(path, 'last')];
      for (const folder of [...folders, directory.#predictions]) await sweepTemporaryFiles(folder);
      for (const folder of folders) await probe(folder);
      return directory;
    } catch (error) {
      await directory.close();
      throw error;
    }
  }

  /** Aborted with LOCKED where the directory is another process's by now: this one was not seen to live for a while. */
  get lost(): AbortSignal {
    return this.#lock.lost;
  }

  /** What the best weights answer on a split, one sentence a line. */
  predictions(split: string): string {
    return predictionsFile(this.path, split);
  }

  /**
   * Makes sure that the weights and states of a training find room.
   *
   * @param bytes of the best weights, and of the state.
   * @throws WRITE_FAILED
   */
  async requireRoom({ best, state }: { best: number; state: number }): Promise<void> {
    const present = (await sizeOf(join(this.best, 'model.safetensors'))) + (await sizeOf(this.state));
    // Each is written beside the one that it replaces.
    const needed = best + state + Math.max(best, state) + SMALL_FILES_BYTES - present;
    const { bavail, bsize } = await attemptWrite(this.path, () => statfs(this.path));
    const free = bavail * bsize;
    if (free >= needed) return;
    const [want, have] = [needed, free].map((value) => `${(value / 1e9).toFixed(2)} GB`);
    throw new PermafrostError(
      'WRITE_FAILED',
      `${this.path}: best weights and state of this training need ${want}, and the disk has ${have} left. ` +
        'Free some space or choose another directory.',
      { path: this.path, code: 'ENOSPC', expected: needed, got: free },
    );
  }

  /**
   * Deletes what an earlier run left: weights, state, predictions and record, and nothing else; a training begins its
   * metrics anew by itself. Not before the model is loaded, which may be the earlier run's.
   */
  async clear(): Promise<void> {
    await rm(this.record, { force: true });
    await discardWeights(this.path);
    const kept = await readdir(this.#predictions).catch(() => []);
    const own = kept.filter((name) => /^(validation|test(-.+)?)\.jsonl$/.test(name));
    for (const name of own) await rm(join(this.#predictions, name), { force: true });
  }

  /** Gives the directory free for others; where nothing was written, nothing is left. */
  async close(): Promise<void> {
    await this.#lock.release();
    const own = [this.best, join(this.path, 'last'), this.#predictions, ...(this.existed ? [] : [this.path])];
    for (const folder of own) await rmdir(folder).catch(() => undefined);
  }
}

/** What the best weights of the run in a directory answer on a split, one sentence a line. */
export function predictionsFile(directory: string, split: string): string {
  return join(directory, 'predictions', `${split}.jsonl`);
}

/** What the training of the run in a directory tells of itself, one line a step, epoch and evaluation. */
export function metricsFile(directory: string): string {
  return join(directory, 'metrics.jsonl');
}

/** Deletes weights and state of a run, such as where its record alone is wanted. */
export async function discardWeights(directory: string): Promise<void> {
  for (const folder of ['last', 'best']) await rm(join(directory, folder), { recursive: true, force: true });
}

/**
 * Makes a folder where there is none, and tries out whether it can be written to.
 *
 * @throws WRITE_FAILED
 */
export async function probe(folder: string): Promise<void> {
  await attemptWrite(folder, () => makeDirectory(folder));
  const file = join(folder, 'probe');
  await writeFileAtomic(file, 'ok');
  await attemptWrite(file, () => rm(file));
  // A folder that may not be listed cannot be gone on from.
  await attemptWrite(folder, () => readdir(folder));
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0;
}
