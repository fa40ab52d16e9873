import { createReadStream } from 'node:fs';
import { PermafrostError } from '../errors/error.js';
import { formatError } from './format-error.js';
import { invalidUtf8 } from './utf8.js';

/** Successive lines of a file, without their ends. */
export interface LineBlock {
  lines: string[];
  /** 1-based number of the first of them. */
  first: number;
}

export interface LineOptions {
  /** Longest line that is read. @default a mebibyte */
  maxLineBytes?: number;
  /** Whether NUL is a character like others; bytes that look like UTF-16 are refused all the same. @default false */
  allowNul?: boolean;
  /**
   * Whether a carriage return by itself ends a line, too, and a byte order mark is left out at the beginning of any line,
   * as files have it that were put together from others. @default false
   */
  universal?: boolean;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const MARK = '\ufeff';
/** What is read at once: its lines are taken apart in one go. */
const CHUNK_BYTES = 1 << 18;
/** The longest line that is taken for text of people. */
export const MAX_LINE_BYTES = 1 << 20;

/**
 * Reads a UTF-8 file in blocks of whole lines. Lines end in `\n` or `\r\n`, the last one with or without; a byte order
 * mark at the start of the file is left out.
 *
 * @throws FILE_NOT_FOUND where the file is missing or cannot be read; DATA_FORMAT with file and line where its bytes
 * are not UTF-8 text, or a line is too long.
 */
export function readLineBlocks(file: string, options: LineOptions = {}): AsyncGenerator<LineBlock> {
  return lineBlocks(readChunks(file), file, options);
}

/**
 * The same for bytes from anywhere, as they come.
 *
 * @param name of their source, for messages.
 */
export async function* lineBlocks(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  { maxLineBytes = MAX_LINE_BYTES, allowNul = false, universal = false }: LineOptions = {},
): AsyncGenerator<LineBlock> {
  const place: Place = { name, first: 1, offset: 0, allowNul, universal };
  /** The beginning of a line whose end has not come yet. */
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of universal ? withNewlines(chunks) : chunks) {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      const bytes = Buffer.concat([...rest, chunk.subarray(0, end - 1)]);
      checkLines(bytes, maxLineBytes, place);
      const lines = decodeLines(bytes, place);
      yield { lines, first: place.first };
      place.first += lines.length;
      place.offset += bytes.length + 1;
      rest = [];
      restBytes = 0;
    }
    rest.push(Buffer.from(chunk.subarray(end)));
    restBytes += chunk.length - end;
    checkLength(restBytes, maxLineBytes, name, place.first);
  }
  if (restBytes > 0) yield { lines: decodeLines(Buffer.concat(rest), place), first: place.first };
}

/** Where bytes stand in their source. */
interface Place {
  name: string;
  /** Number of the first line. */
  first: number;
  /** Bytes before it. */
  offset: number;
  allowNul: boolean;
  universal: boolean;
}

/** The same bytes, with a newline for each carriage return that stands by itself. */
async function* withNewlines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let endsInReturn = false;
  for await (const given of chunks) {
    // Whether a newline follows the last one stands in the next chunk.
    let chunk: Uint8Array = endsInReturn ? Buffer.concat([Buffer.of(RETURN), given]) : given;
    endsInReturn = chunk.at(-1) === RETURN;
    if (endsInReturn) chunk = chunk.subarray(0, -1);
    let copy: Uint8Array | null = null;
    for (let at = chunk.indexOf(RETURN); at >= 0; at = chunk.indexOf(RETURN, at + 1)) {
      if (chunk[at + 1] === NEWLINE) continue;
      copy ??= Uint8Array.from(chunk);
      copy[at] = NEWLINE;
    }
    if (chunk.length > 0) yield copy ?? chunk;
  }
  if (endsInReturn) yield Uint8Array.of(NEWLINE);
}

function checkLines(bytes: Buffer, maxLineBytes: number, { name, first }: Place): void {
  if (bytes.length <= maxLineBytes) return;
  for (const [index, [start, end]] of lineRanges(bytes).entries()) {
    checkLength(end - start, maxLineBytes, name, first + index);
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

/** The bytes of a file in pieces. @throws FILE_NOT_FOUND where it is missing or cannot be read */
export async function* readChunks(file: string): AsyncGenerator<Buffer> {
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

function decodeLines(bytes: Buffer, place: Place): string[] {
  const text = decode(bytes, place);
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    if (lines[i]!.endsWith('\r')) lines[i] = lines[i]!.slice(0, -1);
  }
  if (place.first === 1 && lines[0]!.startsWith(MARK)) lines[0] = lines[0]!.slice(1);
  if (place.universal && text.includes(MARK)) {
    return lines.map((line) => (line.startsWith(MARK) ? line.slice(1) : line));
  }
  return lines;
}

/** @throws DATA_FORMAT where the bytes are not UTF-8, or hold a NUL, as UTF-16 and binary files do. */
function decode(bytes: Buffer, place: Place): string {
  if (bytes.includes(0)) checkNuls(bytes, place);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw undecodable(bytes, invalidUtf8(bytes), place);
  }
}

function checkNuls(bytes: Buffer, place: Place): void {
  if (!place.allowNul) throw undecodable(bytes, bytes.indexOf(0), place);
  for (const [start, end] of lineRanges(bytes)) {
    if (looksLikeUtf16(bytes.subarray(start, end))) throw undecodable(bytes, bytes.indexOf(0, start), place);
  }
}

/** Whether every other byte of much of a line is NUL, as in letters of UTF-16. */
function looksLikeUtf16(line: Uint8Array): boolean {
  const nuls = [0, 0];
  for (const [i, byte] of line.entries()) if (byte === 0) nuls[i % 2]!++;
  const [fewer, more] = nuls.sort((a, b) => a - b);
  return fewer === 0 && more! > 3 && more! > line.length / 4;
}

function undecodable(bytes: Buffer, at: number, { name, first, offset }: Place): PermafrostError {
  const index = lineRanges(bytes).findIndex(([, end]) => at <= end);
  const [start] = lineRanges(bytes)[index]!;
  const byte = `0x${bytes[at]!.toString(16).padStart(2, '0')}`;
  return formatError(
    name,
    first + index,
    `expected text in UTF-8, got ${byte} as byte ${at - start + 1} of the line (byte ${offset + at} from the start), ` +
      'which is none. Convert the text, for example with iconv -f LATIN1 -t UTF-8, or check that it is text.',
    { offset: offset + at, byte: bytes[at] },
  );
}

/** Begin and end of each line, its newline excluded. */
function lineRanges(bytes: Buffer): [number, number][] {
  const ranges: [number, number][] = [];
  for (let start = 0; start <= bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    ranges.push([start, end]);
    start = end + 1;
  }
  return ranges;
}
