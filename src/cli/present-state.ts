import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readState } from '../training/state-file.js';

/** What lies in the directory of a run, before it is begun or gone on with. */
export type PresentState =
  | { kind: 'nothing' | 'finished' | 'another' }
  | { kind: 'begun'; epoch: number; step: number };

/**
 * Looks into a directory without a change there.
 *
 * @param isSame whether a record is of the run that is meant
 */
export async function presentState(
  directory: string,
  isSame: (record: Record<string, unknown>) => boolean,
): Promise<PresentState> {
  const record = join(directory, 'record.json');
  if (existsSync(record)) {
    const value = JSON.parse(await readFile(record, 'utf8')) as Record<string, unknown>;
    return { kind: isSame(value) ? 'finished' : 'another' };
  }
  const state = await readState(join(directory, 'last', 'state.safetensors'));
  if (state === null) return { kind: 'nothing' };
  return { kind: 'begun', epoch: state.progress.epoch, step: state.progress.losses.length };
}

/** The same for people: what the command will do there. */
export function presentStateText(directory: string, state: PresentState, restart: boolean): string {
  if (state.kind === 'nothing') return `${directory}: begins there`;
  if (restart) return `${directory}: --restart deletes what is there, and begins anew`;
  switch (state.kind) {
    case 'finished':
      return `${directory}: finished already; nothing is trained`;
    case 'another':
      return `${directory}: another training lies there (RUN_MISMATCH). Name another --out, or begin anew with --restart`;
    case 'begun':
      return `${directory}: goes on from epoch ${state.epoch}, step ${state.step}, if that was with the same settings`;
  }
}
