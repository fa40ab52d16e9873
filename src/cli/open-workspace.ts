import { join } from 'node:path';
import type { ReadingNotes } from '../data/reading-notes.js';
import { openWorkspace, type Workspace } from '../experiment/workspace.js';
import { probe } from '../training/directory.js';
import type { CommandContext } from './context.js';
import { withDownloads } from './download-progress.js';
import { workspaceOptionsOf } from './options.js';
import type { Output } from './output.js';
import type { Flags } from './schema-options.js';

/** Opens what the flags of a command name, and says what of the data was not taken word for word. */
export async function workspaceOf(flags: Flags, context: CommandContext): Promise<Workspace> {
  const workspace = await withDownloads(context, (hub) => openWorkspace(workspaceOptionsOf(flags), hub));
  sayNotes(context.output, workspace.notes);
  return workspace;
}

/** What runs are trained on, and the directory that holds them. */
export interface OpenRuns {
  workspace: Workspace;
  directory: string;
  /** Whether what an earlier start left there is deleted. */
  restart: boolean;
  /** Whether it is only told what would be trained, and nothing is written. */
  isDry: boolean;
}

/**
 * Opens what the flags name, to train runs in `out`, or else in the folder of the dataset's name below `out/`.
 *
 * @param prefix of that folder's name
 * @throws WRITE_FAILED before data are fetched and read, which can take long
 */
export async function openRuns(
  out: string | undefined,
  prefix: string,
  flags: Flags,
  context: CommandContext,
): Promise<OpenRuns> {
  const isDry = flags.dryRun === true;
  if (out !== undefined && !isDry) await probe(out);
  const workspace = await workspaceOf(flags, context);
  const directory = out ?? join('out', `${prefix}${workspace.settings.dataset.name}`);
  return { workspace, directory, restart: flags.restart === true, isDry };
}

/** What was changed or left out where files were read: to people as notes, to programs as one object. */
export function sayNotes(output: Output, notes: ReadingNotes): void {
  if (notes.isEmpty) return;
  for (const line of notes.lines()) output.note(line);
  output.json({ type: 'reading', counts: notes.counts, places: notes.places });
}
