import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { writeFileAtomic } from '../io/atomic-write.js';
import { LeaseWatch } from '../io/lease.js';
import type { LockContent } from '../io/lock-holder.js';
import { type FileLock, LOCK_NAME, lockedBy, lockHolder, tryLock, withFileLock } from '../io/process-lock.js';
import { sweepTemporaryFiles } from '../io/temporary-files.js';
import { discardWeights } from '../training/directory.js';
import {
  checkIdentity,
  type GridFile,
  type GridIdentity,
  gridFilePath,
  readGridFile,
  writeGridFile,
} from './grid-file.js';
import { appendToIndex, indexFile, repairIndex } from './grid-index.js';
import { type RunRecord, readRunRecord } from './run-record.js';
import { runId, type Scenario } from './scenario.js';

export interface StoreOptions {
  /** The grid's directory (`--out` of the command line). */
  directory: string;
  /** Deletes the runs of an earlier grid there. @default false */
  restart?: boolean;
  /** What is begun there, for others. @default a grid of which nothing is said */
  start?: Omit<GridFile, 'id' | 'identity'>;
  /** Sees whether processes of other machines live. */
  lease?: LeaseWatch;
}

/** A run that is this process's alone until it gives it back. */
export interface ClaimedRun {
  lock: FileLock;
  /** Gives it back; a directory that nothing was written to is removed. */
  release(): Promise<void>;
}

/**
 * The directory of a grid: `<run>/record.json` for each finished run, the index `grid.jsonl`, and `grid.json`, which
 * says what is run there.
 *
 * Any number of processes work there, on one machine or on several: whoever trains a run holds its lock, and what lies
 * in the grid's own directory is written under a lock that is held for a moment. A run is finished when its record is
 * there and whole; the index is made anew from the records where it disagrees.
 */
export class GridStore {
  readonly #records = new Map<string, RunRecord>();
  readonly #damaged: string[] = [];
  /** Finished runs that may have left weights which are this process's to delete. */
  readonly #withWeights = new Set<string>();
  readonly #lease: LeaseWatch;
  #id = '';

  private constructor(
    readonly directory: string,
    lease = new LeaseWatch(),
  ) {
    this.#lease = lease;
  }

  /**
   * Reads what is finished there, and says what is begun.
   *
   * @throws LOCKED where a training of its own writes there, and where a grid is to begin anew on whose runs others work;
   * RUN_MISMATCH where the runs there are of other settings or data; DATA_FORMAT where a newer program wrote them;
   * WRITE_FAILED.
   */
  static async open(options: StoreOptions, identity: GridIdentity): Promise<GridStore> {
    const store = new GridStore(options.directory, options.lease);
    await store.#alone(() => store.#begin(options, identity));
    return store;
  }

  /** Finished runs as far as this process has seen them, in order of their names. */
  get records(): RunRecord[] {
    return [...this.#records.keys()].sort().map((run) => this.#records.get(run)!);
  }

  /** Files that should be records and are not whole; their runs count as not done. */
  get damaged(): readonly string[] {
    return this.#damaged;
  }

  /** The record of a finished run, or undefined. */
  finished(scenario: Scenario, seed: number): RunRecord | undefined {
    return this.#records.get(runId(scenario, seed));
  }

  /** The same, looked up on the disk, where another process may have put it since. */
  async lookUp(scenario: Scenario, seed: number): Promise<RunRecord | undefined> {
    const run = runId(scenario, seed);
    const record = await this.#read(run);
    if (record) this.#records.set(run, record);
    return record;
  }

  /**
   * Takes a run for this process, or tells who has it.
   *
   * @throws LOCKED where another process has begun the grid anew since
   */
  async claim(run: string): Promise<ClaimedRun | LockContent> {
    const directory = this.runDirectory(run);
    const file = join(directory, LOCK_NAME);
    // Asked first, so that many who wait do not stand in line for the grid's lock.
    const holder = await lockHolder(file, this.#lease);
    if (holder?.isAlive) return holder;
    const lock = await this.#alone(async () => {
      await this.#requireOwn();
      return tryLock(file, this.#lease);
    });
    if (!('release' in lock)) return lock;
    const release = async () => {
      await lock.release();
      await rmdir(directory).catch(() => undefined);
    };
    return { lock, release };
  }

  /** The directory of a run. */
  runDirectory(run: string): string {
    return join(this.directory, run);
  }

  recordFile(run: string): string {
    return join(this.runDirectory(run), 'record.json');
  }

  /** Deletes weights and states of finished runs, save those of the runs that are named. */
  async keepWeights(kept: ReadonlySet<string>): Promise<void> {
    for (const run of [...this.#withWeights].filter((run) => !kept.has(run))) {
      await discardWeights(this.runDirectory(run));
      this.#withWeights.delete(run);
    }
  }

  /**
   * Writes the record of a claimed run, then the line of the index.
   *
   * @throws WRITE_FAILED; what was there before is intact and the run counts as not done.
   */
  async save(record: RunRecord): Promise<void> {
    await writeFileAtomic(this.recordFile(record.run), `${JSON.stringify(record, null, 2)}\n`);
    const isNew = !this.#records.has(record.run);
    this.#records.set(record.run, record);
    this.#withWeights.add(record.run);
    if (isNew) await this.#alone(() => appendToIndex(this.directory, record));
  }

  /** Brings the index into agreement with the records of all processes. */
  async complete(): Promise<void> {
    await this.#alone(async () => {
      await this.#requireOwn();
      await this.#readRecords();
      await repairIndex(this.directory, this.records);
    });
  }

  /** Does something in the grid's own directory while no other process does. */
  #alone<T>(action: () => Promise<T>): Promise<T> {
    return withFileLock(join(this.directory, 'grid.lock'), action, undefined, this.#lease);
  }

  async #begin({ directory, restart = false, start }: StoreOptions, identity: GridIdentity): Promise<void> {
    const file = join(directory, LOCK_NAME);
    const holder = await lockHolder(file);
    if (holder?.isAlive) throw lockedBy(holder, directory, file);
    await rm(file, { force: true });
    await this.#sweep();
    if (restart) await this.#clear();
    const found = await readGridFile(directory).catch(unlessTorn);
    // Where nobody works and nothing is finished, other settings are simply another beginning.
    if (found !== null && (await this.#isBusy())) checkIdentity(directory, found.identity, identity);
    await this.#readRecords();
    for (const record of this.#records.values()) checkIdentity(directory, identityOf(record), identity);
    for (const run of this.#records.keys()) this.#withWeights.add(run);
    await repairIndex(this.directory, this.records);
    const { kind, planned, command } = start ?? { kind: 'grid', planned: null, command: null };
    const grid = { id: found?.id ?? null, kind, identity, planned, command };
    this.#id = (await writeGridFile(directory, grid)).id;
  }

  /** Whether another process trains a run. */
  async #isBusy(): Promise<boolean> {
    for (const run of await runDirectories(this.directory)) {
      const holder = await lockHolder(join(this.runDirectory(run), LOCK_NAME));
      if (holder?.isAlive) return true;
    }
    return false;
  }

  /** Removes what killed processes left, where no other one may be writing. */
  async #sweep(): Promise<void> {
    const report = await tryLock(reportLock(this.directory), this.#lease);
    if ('release' in report) {
      for (const folder of ['', 'figures']) await sweepTemporaryFiles(join(this.directory, folder));
      await report.release();
    }
    for (const run of await runDirectories(this.directory)) {
      const holder = await lockHolder(join(this.runDirectory(run), LOCK_NAME));
      if (!holder?.isAlive) await sweepTemporaryFiles(this.runDirectory(run));
    }
  }

  /** @throws LOCKED where another process has begun anew what this one works on */
  async #requireOwn(): Promise<void> {
    const { directory } = this;
    const found = await readGridFile(directory).catch(unlessTorn);
    if (found?.id === this.#id) return;
    throw new PermafrostError(
      'LOCKED',
      `${directory}: another process has begun this grid anew since this one started. Start it again to take part, or ` +
        'choose another directory.',
      { directory, file: gridFilePath(directory) },
    );
  }

  async #read(run: string): Promise<RunRecord | undefined> {
    try {
      return await readRunRecord(this.recordFile(run));
    } catch (error) {
      if (!(error instanceof PermafrostError)) throw error;
      // A directory without a record is a run that is under way or was killed.
      if (error.code === 'FILE_NOT_FOUND') return undefined;
      if (error.details.newer === true) throw error;
      if (!this.#damaged.includes(error.message)) this.#damaged.push(error.message);
      return undefined;
    }
  }

  async #readRecords(): Promise<void> {
    for (const run of await runDirectories(this.directory)) {
      if (this.#records.has(run)) continue;
      const record = await this.#read(run);
      if (record) this.#records.set(run, record);
    }
  }

  /** Deletes the runs, once all of them are this process's. @throws LOCKED */
  async #clear(): Promise<void> {
    const locks: FileLock[] = [];
    try {
      for (const run of await runDirectories(this.directory)) {
        const directory = this.runDirectory(run);
        const lock = await tryLock(join(directory, LOCK_NAME), this.#lease);
        if (!('release' in lock)) throw lockedBy(lock, directory, join(directory, LOCK_NAME));
        locks.push(lock);
      }
      for (const file of [gridFilePath(this.directory), indexFile(this.directory)])
        await rm(file, { force: true });
      for (const run of await runDirectories(this.directory)) {
        await rm(this.runDirectory(run), { recursive: true, force: true });
      }
    } finally {
      for (const lock of locks) await lock.release();
    }
  }
}

/** What whoever writes the report of a grid's directory holds meanwhile. */
export function reportLock(directory: string): string {
  return join(directory, 'report.lock');
}

/** Directories that this program made for runs; nothing else in it is ever read or deleted. */
async function runDirectories(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && /-[0-9a-f]{8}-seed-\d+$/.test(entry.name))
    .map((entry) => entry.name)
    .sort();
}

function identityOf({ scenario, data, tokenizer }: RunRecord): GridIdentity {
  return { scenario, dataDigest: data.digest, tokenizerDigest: tokenizer.digest };
}

/** A file that is not whole is written anew: the records say what the grid's settings are. */
function unlessTorn(error: unknown): null {
  if (error instanceof PermafrostError && error.code === 'DATA_FORMAT') return null;
  throw error;
}
