import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { PermafrostError } from '../../errors/error.js';
import { formatError, shown } from '../format-error.js';
import type { Head } from '../head.js';
import { normalizeSentences, type RawSentence } from '../normalize.js';
import type { CheckedReadOptions } from '../reader-options.js';
import type { Reading } from '../reading.js';
import type { ReadingNotes } from '../reading-notes.js';
import type { Sentence } from '../sentence.js';
import { unitsOf } from '../units.js';
import { alignSpans, type TextRecord, type TextSpan } from './align.js';

/** The longest document that is taken for text of people. */
const MAX_DOCUMENT_BYTES = 1 << 26;

/** Whether a file or folder has annotations of brat. */
export function isBrat({ file, names, lines }: Head): boolean {
  if (names !== null) return names.some((name) => name.endsWith('.ann'));
  const [first = ''] = lines;
  return extname(file) === '.ann' || /^T\d+\t\S+ \d+ \d+(;\d+ \d+)*\t/.test(first);
}

/**
 * Reads documents that brat annotated: `.ann` files, each beside the `.txt` of its text, or a folder of them. A line of a
 * text is a sentence, unless an entity goes on over its end.
 */
export function bratBlocks(
  path: string,
  options: CheckedReadOptions,
  reading: Reading = {},
): AsyncIterable<Sentence[]> {
  return normalizeSentences(path, (notes) => rawSentences(path, options, reading, notes), null, reading);
}

async function* rawSentences(
  path: string,
  options: CheckedReadOptions,
  reading: Reading,
  notes: ReadingNotes,
): AsyncGenerator<RawSentence[]> {
  for (const file of await annotationFiles(path)) {
    const textFile = `${file.slice(0, -extname(file).length)}.txt`;
    const text = await readDocument(textFile, file);
    const annotations = reading.tags === 'ignored' ? '' : await readDocument(file, file);
    const spans = annotations.split(/\r?\n/).flatMap((line, index) => spansOf(line, file, index + 1));
    const document = basename(file, extname(file));
    const sentences: RawSentence[] = [];
    for (const record of partsOf(text, spans, options, document)) {
      const blank = record.text.trim() === '';
      const sentence = blank ? null : alignSpans(record, options, textFile, notes);
      if (sentence !== null) sentences.push({ ...sentence, file: textFile });
    }
    yield sentences;
  }
}

async function annotationFiles(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const names = await readdir(path, { recursive: true });
  return names
    .filter((name) => name.endsWith('.ann'))
    .sort()
    .map((name) => join(path, name));
}

/** The spans of a line of annotations; relations, events, attributes and notes have none. */
function spansOf(line: string, file: string, number: number): TextSpan[] {
  if (!line.startsWith('T')) {
    if (line.trim() === '' || /^[REAMN#*]/.test(line)) return [];
    throw formatError(
      file,
      number,
      `expected an annotation of brat such as T1<tab>PER 0 5<tab>Bo Ek, got ${shown(line)}. Correct the line.`,
    );
  }
  const match = /^T\d+\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?$/.exec(line.trimEnd());
  if (match === null) {
    throw formatError(
      file,
      number,
      `expected T1<tab>PER 0 5<tab>Bo Ek, an entity with its type and offsets, got ${shown(line)}. Correct the line.`,
    );
  }
  const offsets = match[2]!.split(/[ ;]/).map(Number);
  const isParted = offsets.length > 2;
  const [start, end] = [Math.min(...offsets), Math.max(...offsets)];
  return [{ start, end, type: match[1]!, text: match[3], at: { file, line: number }, isParted }];
}

/** A document in lines; lines that an entity joins are one part. */
function partsOf(
  text: string,
  spans: readonly TextSpan[],
  { offsets }: CheckedReadOptions,
  document: string,
): TextRecord[] {
  const units = offsets === 'codepoints' ? unitsOf(text) : null;
  const points = units === null ? null : pointsOf(text, units);
  const own = (unit: number) => points?.[unit] ?? unit;
  const sorted = [...spans].sort((a, b) => a.start - b.start);
  const parts: TextRecord[] = [];
  let next = 0;
  let line = 1;
  for (let start = 0; start < text.length; ) {
    let end = endOfLine(text, start);
    const inside: TextSpan[] = [];
    // Whatever begins before this part's end belongs to it, and may carry the end on.
    for (; next < sorted.length && sorted[next]!.start < own(end); next++) {
      const span = sorted[next]!;
      inside.push(span);
      while (end < text.length && own(end) < span.end) end = endOfLine(text, end + 1);
    }
    // The last part takes what lies beyond the text, and refuses it.
    if (end >= text.length) inside.push(...sorted.slice(next));
    parts.push({ text: text.slice(start, end), spans: inside, line, document, textStart: own(start) });
    line += text.slice(start, end + 1).split('\n').length - 1;
    start = end + 1;
  }
  return parts;
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

/** Code point of each unit, with the text's end. */
function pointsOf(text: string, units: Int32Array): Int32Array {
  const points = new Int32Array(text.length + 1);
  for (let point = 0; point + 1 < units.length; point++) points.fill(point, units[point], units[point + 1]);
  points[text.length] = units.length - 1;
  return points;
}

async function readDocument(file: string, annotations: string): Promise<string> {
  let bytes: Buffer;
  try {
    if ((await stat(file)).size > MAX_DOCUMENT_BYTES) {
      throw formatError(file, null, `expected a document of at most ${MAX_DOCUMENT_BYTES} bytes. Part it.`);
    }
    bytes = await readFile(file);
  } catch (cause) {
    if (cause instanceof PermafrostError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new PermafrostError(
      'FILE_NOT_FOUND',
      `${annotations}: expected the annotated text in ${file}, which cannot be read (${code}). Put it beside.`,
      { file, code },
      { cause },
    );
  }
  try {
    // A byte order mark is a character that brat counts.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw formatError(
      file,
      null,
      'expected text in UTF-8. Convert it, for example with iconv -f LATIN1 -t UTF-8.',
    );
  }
}
