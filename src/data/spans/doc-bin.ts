import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { formatError } from '../format-error.js';
import type { Head } from '../head.js';
import { decodeMessagePack } from '../message-pack.js';
import { normalizeSentences, type RawSentence } from '../normalize.js';
import type { CheckedReadOptions } from '../reader-options.js';
import type { Reading } from '../reading.js';
import type { ReadingNotes } from '../reading-notes.js';
import type { Sentence } from '../sentence.js';
import { alignSpans, type TextSpan } from './align.js';

/** The largest collection, before and after it is inflated. */
const MAX_BYTES = 2 ** 28;
const MAX_INFLATED_BYTES = 2 ** 30;

/** Numbers of a token's attributes (spaCy's `attrs`). */
const ORTH = 65;
const ENT_IOB = 77;
const ENT_TYPE = 78;
/** Values of ENT_IOB. */
const BEGINS = 3n;
const INSIDE = 1n;

/** Strings that spaCy numbers itself, by the number of the first of each run (spaCy's `symbols`); others are hashed. */
const SYMBOLS: Readonly<Record<number, string>> = {
  64:
    'ID ORTH LOWER NORM SHAPE PREFIX SUFFIX LENGTH CLUSTER LEMMA POS TAG DEP ENT_IOB ENT_TYPE HEAD SENT_START SPACY PROB ' +
    'LANG ADJ ADP ADV AUX CONJ CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X EOL SPACE',
  380:
    'PERSON NORP FACILITY ORG GPE LOC PRODUCT EVENT WORK_OF_ART LANGUAGE LAW DATE TIME PERCENT MONEY QUANTITY ORDINAL ' +
    'CARDINAL acomp advcl advmod agent amod appos attr aux auxpass cc ccomp complm conj cop csubj csubjpass dep det dobj ' +
    'expl hmod hyph infmod intj iobj mark meta neg nmod nn npadvmod nsubj nsubjpass num number oprd obj obl parataxis ' +
    'partmod pcomp pobj poss possessive preconj prep prt punct quantmod relcl rcmod root xcomp acl',
};

/** Whether a file is deflated with zlib's header, as spaCy's DocBin is. */
export function isDocBin({ bytes }: Head): boolean {
  const isZlib = bytes.length > 2 && bytes[0] === 0x78 && bytes.readUInt16BE(0) % 31 === 0;
  // Text may begin with the same letters.
  return isZlib && bytes.subarray(0, 64).some((byte) => byte < 0x09 || byte > 0x7e);
}

/** Reads the documents of a DocBin (`.spacy`), one sentence each: its text, cut into words anew, and its entities. */
export function docBinBlocks(
  file: string,
  options: CheckedReadOptions,
  reading: Reading = {},
): AsyncIterable<Sentence[]> {
  const read = async function* (notes: ReadingNotes): AsyncGenerator<RawSentence[]> {
    const bin = await openDocBin(file, reading.tags !== 'ignored');
    for (let start = 0; start < bin.size; start += DOCUMENTS) {
      const sentences: RawSentence[] = [];
      for (let index = start; index < Math.min(bin.size, start + DOCUMENTS); index++) {
        const record = { ...bin.document(index), line: index + 1 };
        const sentence = alignSpans(record, { ...options, offsets: 'utf16' }, file, notes);
        if (sentence !== null) sentences.push({ ...sentence, offsetUnit: options.offsets });
      }
      yield sentences;
    }
  };
  return normalizeSentences(file, read, null, reading);
}

/** Documents that are given at once. */
const DOCUMENTS = 100;

interface DocBin {
  size: number;
  /** Its text and entities, in UTF-16 units. */
  document(index: number): { text: string; spans: TextSpan[] };
}

/** @throws DATA_FORMAT for what is no DocBin, or has no entities where they are wanted */
async function openDocBin(file: string, wantsEntities: boolean): Promise<DocBin> {
  const content = await unpack(file);
  const { attrs, tokens, spaces, lengths, strings, flags } = content;
  const damaged = (got: string) =>
    formatError(
      file,
      null,
      `expected a DocBin of spaCy, got ${got}. Write it again, or export it: python -c "import spacy, json; from spacy.tokens ` +
        "import DocBin; [print(json.dumps({'text': d.text, 'entities': [[e.start_char, e.end_char, e.label_] for e in " +
        `d.ents]})) for d in DocBin().from_disk('FILE').get_docs(spacy.blank('en').vocab)]"`,
    );
  const isWhole =
    isNumbers(attrs) && isStrings(strings) && isBytes(tokens) && isBytes(spaces) && isBytes(lengths);
  if (!isWhole) throw damaged('another collection');
  const [orth, iob, type] = [ORTH, ENT_IOB, ENT_TYPE].map((name) => attrs.indexOf(name)) as [
    number,
    number,
    number,
  ];
  if (orth < 0) throw damaged('one without words');
  if (wantsEntities && (iob < 0 || type < 0))
    throw damaged('one that was stored without entities (ENT_IOB, ENT_TYPE)');
  const counts = Array.from({ length: lengths.length >> 2 }, (_, i) => lengths.readInt32LE(4 * i));
  const total = counts.reduce((sum, count) => sum + count, 0);
  const width = 8 * attrs.length;
  if (counts.some((count) => count < 0) || tokens.length !== total * width || spaces.length !== total) {
    throw damaged(`${tokens.length} bytes of tokens for ${total} of ${attrs.length} attributes`);
  }
  const known = stringsByHash(strings);
  const attribute = (token: number, column: number) => tokens.readBigUInt64LE(token * width + 8 * column);
  const stringOf = (token: number, column: number) => {
    const found = known.get(attribute(token, column));
    if (found === undefined)
      throw damaged(`token ${token}, whose string is not among the ${strings.length} stored`);
    return found;
  };
  const starts = [0];
  for (const [i, count] of counts.entries()) starts.push(starts[i]! + count);
  const isUnspaced = (index: number) => Array.isArray(flags) && flags[index]?.has_unknown_spaces === true;
  return {
    size: counts.length,
    document(index) {
      const [first, count] = [starts[index]!, counts[index]!];
      const spans: TextSpan[] = [];
      let text = '';
      let open: TextSpan | null = null;
      for (let token = first; token < first + count; token++) {
        const start = text.length;
        text += stringOf(token, orth);
        const mark = wantsEntities ? attribute(token, iob) : 0n;
        if (mark === BEGINS || (mark === INSIDE && open === null)) {
          open = { start, end: text.length, type: stringOf(token, type) };
          spans.push(open);
        } else if (mark === INSIDE) open!.end = text.length;
        else open = null;
        if (isUnspaced(index) || spaces[token] === 1) text += ' ';
      }
      return { text, spans };
    },
  };
}

async function unpack(file: string): Promise<Record<string, unknown>> {
  const { size } = await stat(file);
  try {
    if (size > MAX_BYTES) throw new Error(`a file of ${size} bytes, more than the limit of ${MAX_BYTES}`);
    const bytes = await promisify(inflate)(await readFile(file), { maxOutputLength: MAX_INFLATED_BYTES });
    const value = decodeMessagePack(bytes);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
    throw new Error('another value');
  } catch (cause) {
    const why = (cause as Error).message;
    throw formatError(
      file,
      null,
      `expected a DocBin of spaCy, which cannot be unpacked: ${why}. Fetch it again.`,
    );
  }
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function isBytes(value: unknown): value is Buffer {
  return Buffer.isBuffer(value);
}

function stringsByHash(strings: readonly string[]): Map<bigint, string> {
  const known = new Map<bigint, string>();
  for (const [first, names] of Object.entries(SYMBOLS)) {
    for (const [i, name] of names.split(' ').entries()) known.set(BigInt(Number(first) + i), name);
  }
  for (const text of strings) known.set(murmurHash64(Buffer.from(text)), text);
  // Where there is no string, as for a token outside of entities.
  known.set(0n, '');
  return known;
}

const M = 0xc6a4a7935bd1e995n;
const SEED = 1n;

/** MurmurHash64A (Austin Appleby, public domain), with the seed that spaCy takes for strings. */
export function murmurHash64(bytes: Buffer): bigint {
  const wrapped = (value: bigint) => BigInt.asUintN(64, value);
  let hash = wrapped(SEED ^ (BigInt(bytes.length) * M));
  const whole = bytes.length & ~7;
  for (let i = 0; i < whole; i += 8) {
    let block = wrapped(bytes.readBigUInt64LE(i) * M);
    block = wrapped((block ^ (block >> 47n)) * M);
    hash = wrapped((hash ^ block) * M);
  }
  if (whole < bytes.length) {
    let rest = 0n;
    for (let i = bytes.length - 1; i >= whole; i--) rest = (rest << 8n) | BigInt(bytes[i]!);
    hash = wrapped((hash ^ rest) * M);
  }
  hash = wrapped((hash ^ (hash >> 47n)) * M);
  return hash ^ (hash >> 47n);
}
