import type { ReadingNotes } from '../data/reading-notes.js';
import { openWorkspace, type Workspace } from '../experiment/workspace.js';
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

/** What was changed or left out where files were read: to people as notes, to programs as one object. */
export function sayNotes(output: Output, notes: ReadingNotes): void {
  if (notes.isEmpty) return;
  for (const line of notes.lines()) output.note(line);
  output.json({ type: 'reading', counts: notes.counts, places: notes.places });
}
