import { type FileHandle, open } from 'node:fs/promises';
import type { Row } from '../row-sentences.js';
import { FlatTable, slice } from './flat-table.js';

// Arrow's format of streams (arrow.apache.org, columnar format, version 1), as far as columns of lists of texts or whole
// numbers go; other columns are passed over.

/** The largest message: the `datasets` library writes a thousand rows in one. */
const MAX_BYTES = 2 ** 28;
/** Columns, those within columns included. */
const MOST_FIELDS = 1000;
const CONTINUES = 0xffffffff;
/** Begins the file format: a stream with a directory behind it. */
const MAGIC = 'ARROW1';
const DESCRIPTION_KEY = 'huggingface';

const SCHEMA = 1;
const RECORDS = 3;

/** Kinds of columns, by their numbers in the format. */
const TYPE = { int: 2, text: 5, list: 12, largeText: 20, largeList: 21 };
/** Buffers of a column's own; none for what is not known. */
const BUFFERS: Readonly<Record<number, number>> = {
  ...{
    1: 0,
    2: 2,
    3: 2,
    4: 3,
    5: 3,
    6: 2,
    7: 2,
    8: 2,
    9: 2,
    10: 2,
    11: 2,
    12: 2,
    13: 1,
    15: 2,
    16: 1,
    17: 2,
    18: 2,
  },
  ...{ 19: 3, 20: 3, 21: 2 },
};

interface Field {
  name: string;
  type: number;
  bitWidth: number;
  children: Field[];
}

/** A stream whose columns are known. */
export interface ArrowFile {
  columns: string[];
  /** What the `datasets` library says of the columns, or null. */
  description: string | null;
  rows(columns: readonly [string, string]): AsyncGenerator<Row[]>;
}

/** Whether bytes begin a stream or file of Arrow. */
export function isArrow(bytes: Buffer): boolean {
  const isStream =
    bytes.length > 8 && bytes.readUInt32LE(0) === CONTINUES && bytes.readUInt32LE(4) < MAX_BYTES;
  return isStream || bytes.subarray(0, MAGIC.length).toString('latin1') === MAGIC;
}

/** Reads the schema of a stream. @throws Error saying why the file cannot be read */
export async function openArrow(file: string): Promise<ArrowFile> {
  for await (const { header, kind } of messages(file)) {
    if (kind !== SCHEMA) break;
    const budget = { left: MOST_FIELDS };
    const fields = header.tables(1).map((field) => fieldOf(field, budget));
    const described = header.tables(2).find((entry) => entry.text(0) === DESCRIPTION_KEY);
    return {
      columns: fields.map(({ name }) => name),
      description: described?.text(1) ?? null,
      rows: (columns) => rowsOf(file, fields, columns),
    };
  }
  throw new Error('no schema');
}

async function* rowsOf(
  file: string,
  fields: Field[],
  columns: readonly [string, string],
): AsyncGenerator<Row[]> {
  for await (const { header, kind, body } of messages(file)) {
    if (kind === SCHEMA) continue;
    if (kind !== RECORDS) throw new Error('dictionaries, which are not read');
    if (header.table(3) !== null) throw new Error('compressed records, which are not read');
    const batch = new Batch(header, body, fields);
    const [words, tags] = columns.map((name) => batch.lists(name)) as [Row[0][], Row[0][]];
    yield words.map((list, row) => [list, tags[row] ?? null] as const);
  }
}

interface Message {
  kind: number;
  header: FlatTable;
  body: Buffer;
}

async function* messages(file: string): AsyncGenerator<Message> {
  const handle = await open(file);
  try {
    const magic = await read(handle, 0, 8);
    let at = magic.subarray(0, MAGIC.length).toString('latin1') === MAGIC ? 8 : 0;
    const { size } = await handle.stat();
    while (at + 8 <= size) {
      const prefix = await read(handle, at, 8);
      const length = prefix.readUInt32LE(4);
      // The end of the stream.
      if (prefix.readUInt32LE(0) === CONTINUES && length === 0) return;
      if (prefix.readUInt32LE(0) !== CONTINUES) throw new Error(`no message at byte ${at}`);
      const message = FlatTable.root(await read(handle, at + 8, length));
      const header = message.table(2);
      const bodyBytes = message.long(3);
      if (header === null) throw new Error(`no message at byte ${at}`);
      yield { kind: message.byte(1), header, body: await read(handle, at + 8 + length, bodyBytes) };
      at += 8 + length + bodyBytes;
    }
  } finally {
    await handle.close();
  }
}

async function read(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  if (length > MAX_BYTES)
    throw new Error(`a message of ${length} bytes, more than the limit of ${MAX_BYTES}`);
  const { size } = await handle.stat();
  if (at + length > size) throw new Error(`an end at byte ${size} within a message`);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, at);
  return slice(buffer, 0, Math.max(length, bytesRead));
}

/** @param budget of fields, since damaged ones may be within each other without end */
function fieldOf(table: FlatTable, budget: { left: number }): Field {
  if (budget.left-- <= 0) throw new RangeError(`more than ${MOST_FIELDS} columns`);
  const type = table.byte(2);
  const children = table.tables(5).map((child) => fieldOf(child, budget));
  return {
    name: table.text(0),
    type,
    bitWidth: type === TYPE.int ? (table.table(3)?.int(0) ?? 0) : 0,
    children,
  };
}

/** Where a column's nodes and buffers begin among those of a batch. */
interface Place {
  field: Field;
  node: number;
  buffer: number;
}

/** Some rows, column by column. */
class Batch {
  readonly #nodes: [length: number, nulls: number][];
  readonly #buffers: [offset: number, length: number][];
  readonly #places = new Map<string, Place>();

  constructor(
    header: FlatTable,
    private readonly body: Buffer,
    fields: readonly Field[],
  ) {
    this.#nodes = header.pairs(1);
    this.#buffers = header.pairs(2);
    let [node, buffer] = [0, 0];
    const pass = (field: Field): void => {
      const own = BUFFERS[field.type];
      if (own === undefined)
        throw new Error(`a column ${field.name} of a type that is not read (${field.type})`);
      node++;
      buffer += own;
      for (const child of field.children) pass(child);
    };
    for (const field of fields) {
      this.#places.set(field.name, { field, node, buffer });
      pass(field);
    }
  }

  /** The lists of a column; null where a row has none. */
  lists(name: string): (unknown[] | null)[] {
    const { field, node, buffer } = this.#places.get(name)!;
    const isLarge = field.type === TYPE.largeList;
    const item = field.children[0];
    if ((field.type !== TYPE.list && !isLarge) || item === undefined)
      throw new Error(`no lists in column ${name}`);
    const [rows] = this.#node(node);
    const offsets = this.#offsets(buffer + 1, rows, isLarge);
    const isThere = this.#validity(buffer, node);
    const [items] = this.#node(node + 1);
    const values = this.#values(item, node + 1, buffer + 2, items);
    if (offsets.at(-1)! > items) throw new RangeError(`a list up to ${offsets.at(-1)} of ${items} items`);
    return Array.from({ length: rows }, (_, row) =>
      isThere(row) ? values.slice(offsets[row], offsets[row + 1]) : null,
    );
  }

  #values({ type, bitWidth, name }: Field, node: number, buffer: number, length: number): unknown[] {
    const isThere = this.#validity(buffer, node);
    if (type === TYPE.int) {
      const size = bitWidth / 8;
      if (![1, 2, 4, 8].includes(size)) throw new Error(`numbers of ${bitWidth} bits in ${name}`);
      const bytes = this.#buffer(buffer + 1, size * length);
      const number = (i: number) =>
        size === 8 ? Number(bytes.readBigInt64LE(8 * i)) : bytes.readIntLE(size * i, size);
      return Array.from({ length }, (_, i) => (isThere(i) ? number(i) : null));
    }
    const isLarge = type === TYPE.largeText;
    if (type !== TYPE.text && !isLarge) throw new Error('lists of neither texts nor whole numbers');
    const offsets = this.#offsets(buffer + 1, length, isLarge);
    const bytes = this.#buffer(buffer + 2, offsets.at(-1)!);
    return Array.from({ length }, (_, i) =>
      isThere(i) ? bytes.toString('utf8', offsets[i], offsets[i + 1]) : null,
    );
  }

  #node(index: number): [length: number, nulls: number] {
    const node = this.#nodes[index];
    if (node === undefined) throw new RangeError(`no column ${index} among ${this.#nodes.length}`);
    return node;
  }

  /** A buffer of at least so many bytes. */
  #buffer(index: number, least: number): Buffer {
    const [offset, length] = this.#buffers[index] ?? [0, 0];
    return slice(slice(this.body, offset, length), 0, least);
  }

  /** Begins of items in what they consist of, and the end of the last; they never go back. */
  #offsets(index: number, items: number, isLarge: boolean): number[] {
    const size = isLarge ? 8 : 4;
    // Nothing needs no offsets.
    if (items === 0) return [0];
    const bytes = this.#buffer(index, size * (items + 1));
    let last = 0;
    return Array.from({ length: items + 1 }, (_, i) => {
      const offset = isLarge ? Number(bytes.readBigInt64LE(8 * i)) : bytes.readInt32LE(4 * i);
      if (offset < last) throw new RangeError(`an offset ${offset} behind ${last}`);
      last = offset;
      return offset;
    });
  }

  /** Whether items are there; a column without nulls may leave the bits out. */
  #validity(buffer: number, node: number): (index: number) => boolean {
    const [length, nulls] = this.#node(node);
    if (nulls === 0) return () => true;
    const bits = this.#buffer(buffer, Math.ceil(length / 8));
    return (index) => ((bits[index >> 3]! >> (index & 7)) & 1) === 1;
  }
}
