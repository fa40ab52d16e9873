import { extname } from 'node:path';
import { arrowBlocks, isArrowData } from './arrow/read-arrow.js';
import { looksLikeColumns } from './conll-layout.js';
import { type Head, headOf } from './head.js';
import { conllBlocks } from './read-conll.js';
import { csvBlocks, hasHeader } from './read-csv.js';
import { jsonBlocks, streamedBlocks } from './read-json.js';
import { parquetBlocks } from './read-parquet.js';
import { textBlocks } from './read-text.js';
import type { CheckedReadOptions } from './reader-options.js';
import type { Reading } from './reading.js';
import type { Sentence } from './sentence.js';
import { bratBlocks, isBrat } from './spans/brat.js';
import { docBinBlocks, isDocBin } from './spans/doc-bin.js';

/** A form of annotated sentences: how it is told, and how it is read. */
export interface Format {
  name: string;
  /** Whether a file has this form, by what it begins with. */
  recognises(head: Head, options: CheckedReadOptions, reading: Reading): boolean;
  blocks(file: string, options: CheckedReadOptions, reading: Reading): AsyncIterable<readonly Sentence[]>;
}

/** A JSON object, an array of them, or a text beside its annotations. */
const JSON_START = /^\s*(?:\{\s*["}]|\[\s*(?:\{\s*["}]|\[\s*"|"(?:[^"\\]|\\.)*"\s*,\s*\{))/;

/** Every form, the one that is told most surely first. */
const FORMATS: readonly Format[] = [
  {
    name: 'parquet',
    recognises: ({ bytes }) => bytes.subarray(0, 4).toString('latin1') === 'PAR1',
    blocks: parquetBlocks,
  },
  { name: 'Arrow', recognises: isArrowData, blocks: arrowBlocks },
  { name: 'DocBin', recognises: isDocBin, blocks: docBinBlocks },
  { name: 'brat', recognises: isBrat, blocks: bratBlocks },
  {
    name: 'JSON lines',
    recognises: (head) => JSON_START.test(head.text) && isOneALine(head),
    blocks: jsonBlocks,
  },
  { name: 'JSON', recognises: ({ text }) => JSON_START.test(text), blocks: streamedBlocks },
  {
    name: 'CSV',
    recognises: ({ lines }, options, { tags }) => hasHeader(lines, options, tags !== 'ignored'),
    blocks: csvBlocks,
  },
  { name: 'columns', recognises: ({ lines }) => looksLikeColumns(lines), blocks: conllBlocks },
  {
    name: 'text',
    recognises: ({ lines }, _, { tags }) => tags === 'ignored' && isText(lines),
    blocks: textBlocks,
  },
];

/** What a file is taken for whose content tells nothing, by its ending. */
const BY_ENDING: Readonly<Record<string, string>> = {
  '.jsonl': 'JSON lines',
  '.ndjson': 'JSON lines',
  '.json': 'JSON lines',
  '.csv': 'CSV',
  '.parquet': 'parquet',
};

/** The form that a file has by its content; columns where nothing tells. */
export async function formatOf(file: string, options: CheckedReadOptions, reading: Reading): Promise<Format> {
  const head = await headOf(file);
  const name = BY_ENDING[extname(file).toLowerCase()] ?? 'columns';
  return (
    FORMATS.find((format) => format.recognises(head, options, reading)) ??
    FORMATS.find((format) => format.name === name)!
  );
}

/** Whether each line is a value of its own, as far as the first one tells. */
function isOneALine({ text, lines, isCut }: Head): boolean {
  const first = lines.find((line) => line.trim() !== '')!;
  const isWhole = !isCut || lines.length > 1;
  // A line that is longer than the head: an array over the whole file, or a long object.
  if (!isWhole) return !/^\s*\[\s*[[{]/.test(text);
  try {
    const value: unknown = JSON.parse(first);
    return !Array.isArray(value) || typeof value[0] === 'string';
  } catch {
    // A damaged line among others; what goes on over several lines breaks off at one's end.
    return /^\s*\{.*\}\s*$/.test(first);
  }
}

/** Whether lines are sentences rather than words, one a line. */
function isText(lines: readonly string[]): boolean {
  const filled = lines.filter((line) => line.trim() !== '');
  // Columns without tags, as CoNLL-U has them, are no text.
  if (filled.filter((line) => line.includes('\t')).length * 2 > filled.length) return false;
  return filled.some((line) => /\S\s+\S/.test(line)) || filled.length === lines.length || filled.length < 2;
}
