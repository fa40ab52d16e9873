import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PermafrostError } from '../errors/error.js';
import { LOCK_NAME, lockHolder } from '../io/process-lock.js';
import type { GridPlan } from './grid-file.js';
import { type RunRecord, readRunRecord } from './run-record.js';

/** A run that is finished, and its directory. */
export interface FoundRun {
  record: RunRecord;
  directory: string;
}

/**
 * Finds the finished runs of a directory: that of one run, or that of a grid.
 *
 * @throws FILE_NOT_FOUND where there is none; DATA_FORMAT for a record that is damaged or newer than this program
 */
export async function findRuns(directory: string): Promise<FoundRun[]> {
  if (existsSync(join(directory, 'record.json'))) return [await readRun(directory)];
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const runs = names
    .map((name) => join(directory, name))
    .filter((run) => existsSync(join(run, 'record.json')));
  if (runs.length > 0) return Promise.all(runs.sort(NATURAL.compare).map(readRun));
  throw new PermafrostError(
    'FILE_NOT_FOUND',
    `${directory}: expected the directory of a finished run (record.json) or of a grid of runs, found neither. Name the ` +
      '--out of train or paper.',
    { file: directory },
  );
}

/** A run that a process trains now. */
export interface RunUnderWay {
  run: string;
  host: string;
  pid: number;
}

/** The runs of a grid's directory that processes train now, as far as can be told, in order of their names. */
export async function findRunsUnderWay(directory: string): Promise<RunUnderWay[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const names = entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort(NATURAL.compare);
  const holders = await Promise.all(names.map((run) => lockHolder(join(directory, run, LOCK_NAME))));
  return holders.flatMap((holder, index) =>
    holder?.isAlive ? [{ run: names[index]!, host: holder.host, pid: holder.pid }] : [],
  );
}

/** Of the runs found in a grid's directory those that were planned. */
export function plannedOf(
  runs: readonly FoundRun[],
  { strategies, seeds, trainSizes }: GridPlan,
): FoundRun[] {
  return runs.filter(({ record: { scenario, seed } }) => {
    const isWhole = scenario.fold === undefined && scenario.maxSteps === undefined;
    const isPlanned = strategies.includes(scenario.strategy) && seeds.includes(seed);
    return isWhole && isPlanned && trainSizes.includes(scenario.trainSize ?? 'all');
  });
}

// Of bottom-up-3 and bottom-up-12, the smaller number first.
const NATURAL = new Intl.Collator('en', { numeric: true });

async function readRun(directory: string): Promise<FoundRun> {
  return { record: await readRunRecord(join(directory, 'record.json')), directory };
}
