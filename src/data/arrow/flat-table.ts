/**
 * A table of a flat buffer (flatbuffers.dev, internals): fields by their numbers, each of which may be missing. Reading
 * beyond the buffer throws a RangeError.
 */
export class FlatTable {
  constructor(
    private readonly bytes: Buffer,
    private readonly position: number,
  ) {}

  /** The table that a buffer holds. */
  static root(bytes: Buffer): FlatTable {
    return new FlatTable(bytes, bytes.readUInt32LE(0));
  }

  byte(field: number): number {
    const at = this.#place(field);
    return at === 0 ? 0 : this.bytes.readUInt8(at);
  }

  int(field: number): number {
    const at = this.#place(field);
    return at === 0 ? 0 : this.bytes.readInt32LE(at);
  }

  /** A number of eight bytes. */
  long(field: number): number {
    const at = this.#place(field);
    return at === 0 ? 0 : longAt(this.bytes, at);
  }

  table(field: number): FlatTable | null {
    const at = this.#place(field);
    return at === 0 ? null : new FlatTable(this.bytes, at + this.bytes.readUInt32LE(at));
  }

  text(field: number): string {
    const at = this.#place(field);
    if (at === 0) return '';
    const start = at + this.bytes.readUInt32LE(at);
    return slice(this.bytes, start + 4, this.bytes.readUInt32LE(start)).toString('utf8');
  }

  tables(field: number): FlatTable[] {
    const [start, length] = this.#vector(field, 4);
    return Array.from({ length }, (_, i) => {
      const at = start + 4 * i;
      return new FlatTable(this.bytes, at + this.bytes.readUInt32LE(at));
    });
  }

  /** A list of pairs of numbers of eight bytes. */
  pairs(field: number): [number, number][] {
    const [start, length] = this.#vector(field, 16);
    return Array.from({ length }, (_, i) => {
      const at = start + 16 * i;
      return [longAt(this.bytes, at), longAt(this.bytes, at + 8)];
    });
  }

  /** Begin and length of a list; its items are there. */
  #vector(field: number, itemBytes: number): [number, number] {
    const at = this.#place(field);
    if (at === 0) return [0, 0];
    const start = at + this.bytes.readUInt32LE(at);
    const length = this.bytes.readUInt32LE(start);
    slice(this.bytes, start + 4, length * itemBytes);
    return [start + 4, length];
  }

  /** Where a field stands, 0 where it is missing. */
  #place(field: number): number {
    const names = this.position - this.bytes.readInt32LE(this.position);
    const at = 4 + 2 * field;
    if (at >= this.bytes.readUInt16LE(names)) return 0;
    const offset = this.bytes.readUInt16LE(names + at);
    return offset === 0 ? 0 : this.position + offset;
  }
}

/** @throws RangeError for a number that is negative or beyond 2^53 */
function longAt(bytes: Buffer, at: number): number {
  const value = Number(bytes.readBigInt64LE(at));
  if (value >= 0 && Number.isSafeInteger(value)) return value;
  throw new RangeError(`a length of ${value}`);
}

/** Part of a buffer. @throws RangeError where it is not all there */
export function slice(bytes: Buffer, start: number, length: number): Buffer {
  if (start >= 0 && length >= 0 && start + length <= bytes.length)
    return bytes.subarray(start, start + length);
  throw new RangeError(`a part from ${start} of ${length} bytes in one of ${bytes.length}`);
}
