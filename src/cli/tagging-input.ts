import { open } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { lineBlocks } from '../data/read-lines.js';
import { sentenceBlocks } from '../data/read-sentences.js';
import type { ReadOptions } from '../data/reader-options.js';
import { ReadingNotes } from '../data/reading-notes.js';
import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import type { Output } from './output.js';

/**
 * The lines of a text, blank ones too.
 *
 * @throws DATA_FORMAT where the bytes are not UTF-8
 */
export async function* linesOf(source: Readable, name: string, signal: AbortSignal): AsyncGenerator<string> {
  try {
    for await (const { lines } of lineBlocks(addAbortSignal(signal, source), name, { allowNul: true })) {
      yield* lines;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** @throws FILE_NOT_FOUND */
export async function openText(file: string): Promise<Readable> {
  try {
    const handle = await open(file);
    if ((await handle.stat()).isFile()) return handle.createReadStream();
    await handle.close();
  } catch (cause) {
    const message = `--input: ${file} cannot be read (${(cause as NodeJS.ErrnoException).code}). Name a text file.`;
    throw new PermafrostError('FILE_NOT_FOUND', message, { file }, { cause });
  }
  throw new PermafrostError('FILE_NOT_FOUND', `--input: ${file} is not a file. Name a text file.`, { file });
}

/** The sentences of a file in any form, whose tags are not looked at; what was left out is told in the end. */
export async function* untaggedSentences(
  file: string,
  options: ReadOptions,
  output: Output,
): AsyncGenerator<Sentence> {
  const notes = new ReadingNotes();
  for await (const block of sentenceBlocks(file, options, { notes, tags: 'ignored' })) yield* block;
  for (const line of notes.lines()) output.note(line);
}

/** Items in groups, each of which is whole where `isWhole` says so, the last one in any case. */
export async function* groupsOf<Item>(
  items: AsyncIterable<Item>,
  isWhole: (group: readonly Item[]) => boolean,
): AsyncGenerator<Item[]> {
  let group: Item[] = [];
  for await (const item of items) {
    group.push(item);
    if (!isWhole(group)) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
