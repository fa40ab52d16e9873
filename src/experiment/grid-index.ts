import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic-write.js';
import { appendJsonl } from '../io/jsonl.js';
import type { RunRecord } from './run-record.js';
import { portionOf } from './scenario.js';

// Whoever writes the index holds the grid's lock.

/** The index of a grid's directory, a line a finished run. */
export function indexFile(directory: string): string {
  return join(directory, 'grid.jsonl');
}

/** @throws WRITE_FAILED */
export async function appendToIndex(directory: string, record: RunRecord): Promise<void> {
  await appendJsonl(indexFile(directory), indexLine(record));
}

/**
 * Makes the index agree with the records, which a kill between the two, or in the middle of a line, leaves apart.
 *
 * @throws WRITE_FAILED
 */
export async function repairIndex(directory: string, records: readonly RunRecord[]): Promise<void> {
  const file = indexFile(directory);
  const found = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  const lines = new Map(records.map((record) => [record.run, JSON.stringify(indexLine(record))]));
  const kept = (found ?? '').split('\n').filter((line) => {
    const run = [...lines].find(([, expected]) => expected === line)?.[0];
    return run !== undefined && lines.delete(run);
  });
  const repaired = [...kept, ...lines.values()].map((line) => `${line}\n`).join('');
  if (repaired !== (found ?? '')) await writeFileAtomic(file, repaired);
}

/** What one wants to see of a run without opening its record. */
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
