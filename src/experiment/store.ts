import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { writeFileAtomic } from '../io/atomic-write.js';
import { type Difference, describeDifferences, differences } from '../io/difference.js';
import { appendJsonl } from '../io/jsonl.js';
import { type FileLock, lockDirectory } from '../io/process-lock.js';
import { sweepTemporaryFiles } from '../io/temporary-files.js';
import { discardWeights } from '../training/directory.js';
import { type RunRecord, readRunRecord } from './run-record.js';
import { portionOf, runId, type Scenario, type ScenarioSettings } from './scenario.js';

export interface StoreOptions {
  /** The grid's directory (`--out` of the command line). */
  directory: string;
  /** Deletes the runs of an earlier grid there. @default false */
  restart?: boolean;
}

/** What all runs of one directory must agree in, because they stand in one table. */
export interface GridIdentity {
  /** Any scenario of the grid; its strategy does not count. */
  scenario: ScenarioSettings;
  dataDigest: string;
  tokenizerDigest: string;
}

/**
 * The directory of a grid: `<run>/record.json` for each finished run, and the index `grid.jsonl`.
 *
 * A run is finished when its record is there and whole; the index is made anew from the records where it disagrees.
 */
export class GridStore {
  readonly #records = new Map<string, RunRecord>();
  readonly #damaged: string[] = [];
  /** Finished runs that may have left weights. */
  readonly #withWeights = new Set<string>();

  readonly #lock: FileLock;

  private constructor(
    readonly directory: string,
    lock: FileLock,
  ) {
    this.#lock = lock;
  }

  /**
   * Locks the directory and reads what is finished there.
   *
   * @throws LOCKED where another process writes there; RUN_MISMATCH where the runs there were made with other settings or
   * data; DATA_FORMAT where a newer program wrote them; WRITE_FAILED.
   */
  static async open(
    { directory, restart = false }: StoreOptions,
    identity: GridIdentity,
  ): Promise<GridStore> {
    const store = new GridStore(directory, await lockDirectory(directory));
    try {
      for (const folder of ['', 'figures']) await sweepTemporaryFiles(join(directory, folder));
      for (const run of await runDirectories(directory)) await sweepTemporaryFiles(join(directory, run));
      if (restart) await store.#clear();
      await store.#readRecords();
      for (const record of store.#records.values()) checkIdentity(directory, record, identity);
      await store.#repairIndex();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Finished runs, in order of their names. */
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
   * Writes the record, then the line of the index.
   *
   * @throws WRITE_FAILED; what was there before is intact and the run counts as not done.
   */
  async save(record: RunRecord): Promise<void> {
    await writeFileAtomic(this.recordFile(record.run), `${JSON.stringify(record, null, 2)}\n`);
    const isNew = !this.#records.has(record.run);
    this.#records.set(record.run, record);
    this.#withWeights.add(record.run);
    if (isNew) await appendJsonl(this.#indexFile, indexLine(record));
  }

  /** Gives the directory free for others. */
  async close(): Promise<void> {
    await this.#lock.release();
  }

  get #indexFile(): string {
    return join(this.directory, 'grid.jsonl');
  }

  async #readRecords(): Promise<void> {
    for (const run of await runDirectories(this.directory)) {
      const file = this.recordFile(run);
      try {
        this.#records.set(run, await readRunRecord(file));
        this.#withWeights.add(run);
      } catch (error) {
        if (!(error instanceof PermafrostError)) throw error;
        // A directory without a record is a run that was killed: it is simply done again.
        if (error.code === 'FILE_NOT_FOUND') continue;
        if (error.details.newer === true) throw error;
        this.#damaged.push(error.message);
      }
    }
  }

  /** A kill between record and index, or in the middle of a line, leaves an index that the records correct. */
  async #repairIndex(): Promise<void> {
    const found = await readFile(this.#indexFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    const lines = new Map(this.records.map((record) => [record.run, JSON.stringify(indexLine(record))]));
    const kept = (found ?? '').split('\n').filter((line) => {
      const run = [...lines].find(([, expected]) => expected === line)?.[0];
      return run !== undefined && lines.delete(run);
    });
    const repaired = [...kept, ...lines.values()].map((line) => `${line}\n`).join('');
    if (repaired !== (found ?? '')) await writeFileAtomic(this.#indexFile, repaired);
  }

  async #clear(): Promise<void> {
    for (const run of await runDirectories(this.directory)) {
      await rm(join(this.directory, run), { recursive: true, force: true });
    }
    await rm(this.#indexFile, { force: true });
  }
}

/** Directories that this program made for runs; nothing else in it is ever read or deleted. */
async function runDirectories(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && /-[0-9a-f]{8}-seed-\d+$/.test(entry.name))
    .map((entry) => entry.name)
    .sort();
}

/** One line of `grid.jsonl`: what one wants to see of a run without opening its record. */
function indexLine(record: RunRecord): Record<string, unknown> {
  return {
    run: record.run,
    strategy: record.scenario.strategy,
    ...portionOf(record.scenario),
    seed: record.seed,
    scenarioDigest: record.scenarioDigest,
    dataDigest: record.data.digest,
    epochs: record.epochs.length,
    bestEpoch: record.bestEpoch,
    bestScore: record.bestScore,
    secondsPerEpoch: record.secondsPerEpoch,
    secondsToStop: record.secondsToStop,
    lossesDigest: record.losses.digest,
    finishedAt: record.finishedAt,
  };
}

function checkIdentity(directory: string, record: RunRecord, identity: GridIdentity): void {
  const found = difference(record, identity);
  if (found.length === 0) return;
  throw new PermafrostError(
    'RUN_MISMATCH',
    `\`directory\` ${directory}: its runs were made with other settings or data: ${describeDifferences(found)}. New runs cannot ` +
      'stand in one table with them. Give another `directory`, or `restart: true` to delete them.',
    { option: 'directory', directory, run: record.run, differences: found },
  );
}

/** Settings, data and tokenizer in which a record differs from what is asked for. */
function difference({ scenario, data, tokenizer }: RunRecord, identity: GridIdentity): Difference[] {
  const { dataset, model, training } = identity.scenario;
  const is = { dataset, model, training, data: identity.dataDigest, tokenizer: identity.tokenizerDigest };
  const was = { dataset: scenario.dataset, model: scenario.model, training: scenario.training };
  return differences({ ...was, data: data.digest, tokenizer: tokenizer.digest }, is);
}
