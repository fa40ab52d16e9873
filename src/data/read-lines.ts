import { createReadStream } from 'node:fs';
import { PermafrostError } from '../errors/error.js';
import { formatError } from './format-error.js';

/** Successive lines of a file, without their ends. */
export interface LineBlock {
  lines: string[];
  /** 1-based number of the first of them. */
  first: number;
}

const NEWLINE = 0x0a;
const CHUNK_BYTES = 1 << 20;

/**
 * Reads a UTF-8 file in blocks of whole lines. Lines end in `\n` or `\r\n`, the last one with or without; a byte order
 * mark at the start of the file is left out.
 *
 * @param options.maxLineBytes longest line that is read. @default none
 * @throws FILE_NOT_FOUND where the file is missing or cannot be read; DATA_FORMAT with file and line where its bytes
 * are not UTF-8 text, or a line is too long.
 */
export async function* readLineBlocks(
  file: string,
  { maxLineBytes = Number.POSITIVE_INFINITY }: { maxLineBytes?: number } = {},
): AsyncGenerator<LineBlock> {
  let rest: Buffer = Buffer.alloc(0);
  let first = 1;
  for await (const chunk of chunksOf(file)) {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      rest = Buffer.concat([rest, chunk]);
      checkLength(rest.length, maxLineBytes, file, first);
      continue;
    }
    const bytes = Buffer.concat([rest, chunk.subarray(0, end - 1)]);
    checkLines(bytes, maxLineBytes, file, first);
    const lines = decodeLines(bytes, file, first);
    yield { lines, first };
    first += lines.length;
    rest = Buffer.from(chunk.subarray(end));
  }
  if (rest.length > 0) yield { lines: decodeLines(rest, file, first), first };
}

function checkLines(bytes: Buffer, maxLineBytes: number, file: string, first: number): void {
  if (bytes.length <= maxLineBytes) return;
  for (let start = 0, line = first; start <= bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    checkLength(end - start, maxLineBytes, file, line);
    start = end + 1;
  }
}

function checkLength(length: number, maxLineBytes: number, file: string, line: number): void {
  if (length <= maxLineBytes) return;
  throw formatError(
    file,
    line,
    `expected lines of at most ${maxLineBytes} bytes, got one of at least ${length}. Put a sentence or paragraph on ` +
      'a line of its own.',
    { maxLineBytes, got: length },
  );
}

async function* chunksOf(file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) yield chunk as Buffer;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    throw new PermafrostError('FILE_NOT_FOUND', unreadable(file, code), { file, code }, { cause });
  }
}

function unreadable(file: string, code: string): string {
  switch (code) {
    case 'ENOENT':
      return `${file}: there is no such file. Check the path; it is taken relative to ${process.cwd()}.`;
    case 'EISDIR':
      return `${file}: expected a file, got a directory. Name the file in it.`;
    default:
      return `${file}: the file cannot be read (${code}). Check that you may read it.`;
  }
}

function decodeLines(bytes: Buffer, file: string, first: number): string[] {
  const text = decode(bytes);
  if (text === null) throw undecodable(bytes, file, first);
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    if (lines[i]!.endsWith('\r')) lines[i] = lines[i]!.slice(0, -1);
  }
  if (first === 1 && lines[0]!.startsWith('\ufeff')) lines[0] = lines[0]!.slice(1);
  return lines;
}

/** Null where the bytes are not UTF-8, or hold a NUL, as UTF-16 and binary files do. */
function decode(bytes: Buffer): string | null {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function undecodable(bytes: Buffer, file: string, first: number): PermafrostError {
  let line = first;
  for (let start = 0; start <= bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    if (decode(bytes.subarray(start, end)) === null) break;
    start = end + 1;
  }
  return formatError(
    file,
    line,
    'expected text in UTF-8, got bytes that are none. Convert the file, for example with iconv -t UTF-8, or check ' +
      'that it is a text file.',
  );
}
