import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { writeFileAtomic } from '../io/atomic-write.js';
import { describeDifferences, differences } from '../io/difference.js';
import type { ScenarioSettings } from './scenario.js';

/** What all runs of one directory must agree in, because they stand in one table. */
export interface GridIdentity {
  /** Any scenario of the grid; its strategy does not count. */
  scenario: ScenarioSettings;
  dataDigest: string;
  tokenizerDigest: string;
}

/** What is to be run in a directory, for those who look at it while it is under way. */
export interface GridPlan {
  /** Notations of the strategies. */
  strategies: readonly string[];
  seeds: readonly number[];
  trainSizes: readonly (number | 'all')[];
}

/** What `grid.json` says: what the processes of one directory work on together. */
export interface GridFile {
  /** Another one wherever the grid is begun anew, so that whoever still works on the earlier one sees that it is gone. */
  id: string;
  kind: 'grid' | 'search';
  identity: GridIdentity;
  /** Of the last start; null for a search, whose results decide what it runs. */
  planned: GridPlan | null;
  /** What repeats the last start; null where it was not said. */
  command: string | null;
}

const gridFileSchema = z.object({
  id: z.string(),
  kind: z.enum(['grid', 'search']),
  identity: z.object({
    scenario: z.record(z.string(), z.unknown()),
    dataDigest: z.string(),
    tokenizerDigest: z.string(),
  }),
  planned: z
    .object({
      strategies: z.array(z.string()),
      seeds: z.array(z.number()),
      trainSizes: z.array(z.union([z.number(), z.literal('all')])),
    })
    .nullable(),
  command: z.string().nullable(),
});

/** Where a grid says what it is. */
export function gridFilePath(directory: string): string {
  return join(directory, 'grid.json');
}

/** What a directory's grid is; null where none was begun there. @throws DATA_FORMAT for a file that is not whole */
export async function readGridFile(directory: string): Promise<GridFile | null> {
  const file = gridFilePath(directory);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cause;
  }
  try {
    return gridFileSchema.parse(JSON.parse(text)) as unknown as GridFile;
  } catch (cause) {
    throw new PermafrostError(
      'DATA_FORMAT',
      `${file}: expected what a grid was started with, and it is not whole. Delete it: the next start writes it anew.`,
      { file },
      { cause },
    );
  }
}

/** @throws WRITE_FAILED */
export async function writeGridFile(
  directory: string,
  grid: Omit<GridFile, 'id'> & { id: string | null },
): Promise<GridFile> {
  const written = { ...grid, id: grid.id ?? randomUUID() };
  await writeFileAtomic(gridFilePath(directory), `${JSON.stringify(written, null, 2)}\n`);
  return written;
}

/** @throws RUN_MISMATCH naming what differs between the runs of a directory and what is to be run there */
export function checkIdentity(directory: string, was: GridIdentity, is: GridIdentity): void {
  const found = differences(comparable(was), comparable(is));
  if (found.length === 0) return;
  throw new PermafrostError(
    'RUN_MISMATCH',
    `\`directory\` ${directory}: its runs were made with other settings or data: ${describeDifferences(found)}. New runs cannot ` +
      'stand in one table with them. Give another `directory`, or `restart: true` to delete them.',
    { option: 'directory', directory, differences: found },
  );
}

function comparable({ scenario, dataDigest, tokenizerDigest }: GridIdentity): object {
  const { dataset, model, training } = scenario;
  return { dataset, model, training, data: dataDigest, tokenizer: tokenizerDigest };
}
