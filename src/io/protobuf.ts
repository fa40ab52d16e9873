// The wire format of Protocol Buffers: fields of a message by their numbers, without a schema. Our own rather than a
// library's, since messages here are larger than memory should be: a reader that passes over what it does not want, and
// a writer that leaves room for what is written later.

/** How a field's value is written. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
export type Wire = (typeof WIRE)[keyof typeof WIRE];

/** A field, and the place of its value. */
export interface FieldRange {
  number: number;
  wire: Wire;
  /** A varint as a signed number of 64 bits, rounded beyond 2^53; else 0. */
  value: number;
  /** Offset of the first byte of the value; of a message, a text or packed numbers behind its length. */
  begin: number;
  end: number;
}

/** A field with its value. */
export interface Field extends FieldRange {
  /** Bytes of the value, a view of those read. */
  bytes: Uint8Array;
}

/** Bytes of the longest tag and length together. */
const MOST_HEAD_BYTES = 20;
/** What is read at a time of a message in a file, where its fields are small. */
const WINDOW_BYTES = 64 * 1024;

/**
 * The fields of a message in their order.
 *
 * @throws SyntaxError where the bytes are no message
 */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  // Views of a Buffer cost more than those of a plain array.
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < view.length; ) {
    const { number, wire, value, begin, end } = fieldAt(view, at, 0, view.length);
    yield { number, wire, value, begin, end, bytes: view.subarray(begin, end) };
    at = end;
  }
}

/**
 * The fields of a message that lies in a file, whose values are passed over.
 *
 * @param read gives `length` bytes from `position` on
 * @param begin offset of the message; `end` that behind its last byte
 * @throws SyntaxError where the bytes are no message; what `read` throws
 */
export async function* fieldRanges(
  read: (position: number, length: number) => Promise<Uint8Array>,
  begin: number,
  end: number,
): AsyncGenerator<FieldRange> {
  let window: Uint8Array = new Uint8Array(0);
  let start = begin;
  for (let at = begin; at < end; ) {
    const head = Math.min(MOST_HEAD_BYTES, end - at);
    if (at < start || at + head > start + window.length) {
      window = await read(at, Math.min(WINDOW_BYTES, end - at));
      start = at;
    }
    const field = fieldAt(window, at - start, start, end);
    yield field;
    at = field.end;
  }
}

/** The field whose tag is at `at` of the bytes, which begin at the offset `start`. */
function fieldAt(bytes: Uint8Array, at: number, start: number, end: number): FieldRange {
  const tag = varintAt(bytes, at, start);
  const number = Math.floor(tag.value / 8);
  const wire = tag.value & 7;
  if (number < 1 || number >= 2 ** 29)
    throw new SyntaxError(`a field of number ${number} at byte ${start + at}`);
  const sized = (begin: number, length: number, value = 0): FieldRange => {
    if (length >= 0 && start + begin + length <= end)
      return { number, wire: wire as Wire, value, begin: start + begin, end: start + begin + length };
    throw new SyntaxError(`field ${number} at byte ${start + at} goes beyond the end at ${end}`);
  };
  switch (wire) {
    case WIRE.varint: {
      const { value, next } = varintAt(bytes, tag.next, start);
      return sized(tag.next, next - tag.next, value);
    }
    case WIRE.fixed64:
      return sized(tag.next, 8);
    case WIRE.bytes: {
      const { value, next } = varintAt(bytes, tag.next, start);
      return sized(next, value);
    }
    case WIRE.fixed32:
      return sized(tag.next, 4);
    default:
      throw new SyntaxError(`field ${number} at byte ${start + at} is of wire type ${wire}`);
  }
}

function varintAt(bytes: Uint8Array, at: number, start = 0): { value: number; next: number } {
  let low = 0;
  let high = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw new SyntaxError(`a number at byte ${start + at} is cut off`);
    const bits = byte & 0x7f;
    if (i < 4) low |= bits << (7 * i);
    else if (i === 4) {
      low |= bits << 28;
      high |= bits >>> 4;
    } else if (i < 9) high |= bits << (7 * i - 32);
    else high |= bits << 31;
    if (byte < 0x80) return { value: (high | 0) * 2 ** 32 + (low >>> 0), next: at + i + 1 };
  }
  throw new SyntaxError(`a number at byte ${start + at} is longer than ten bytes`);
}

const utf8 = new TextDecoder();

/** A field's value as text. */
export function textOf({ bytes }: Field): string {
  return utf8.decode(bytes);
}

/** A field's value as a number of fixed width that is a float or a double. */
export function floatOf({ wire, bytes }: Field): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (wire === WIRE.fixed32) return view.getFloat32(0, true);
  if (wire === WIRE.fixed64) return view.getFloat64(0, true);
  throw new SyntaxError(`field is of wire type ${wire}, expected a number of fixed width`);
}

/** Whole numbers of a repeated field: one, or many packed together. */
export function integersOf({ wire, value, bytes }: Field): number[] {
  if (wire === WIRE.varint) return [value];
  const values: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { value: next, next: end } = varintAt(bytes, at);
    values.push(next);
    at = end;
  }
  return values;
}

/**
 * Writes a message field by field. What is large need not be at hand: `later` leaves room for it among the parts.
 *
 * @typeParam Later what stands among the parts for bytes that are written later
 */
export class ProtobufWriter<Later = never> {
  /** The message in order. */
  readonly parts: (Uint8Array | Later)[] = [];
  /** Its bytes, those of `later` included. */
  length = 0;

  /** Whole number, signed or not; `bool` and enumerations, too. */
  integer(field: number, value: number | bigint): this {
    return this.#put([...varint(tagOf(field, WIRE.varint)), ...varint(value)]);
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#put([...varint(tagOf(field, WIRE.fixed32)), ...bytes]);
  }

  double(field: number, value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    return this.#put([...varint(tagOf(field, WIRE.fixed64)), ...bytes]);
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  /** The bytes are not copied. */
  bytes(field: number, value: Uint8Array): this {
    this.#head(field, value.length);
    return this.#add(value, value.length);
  }

  /** Whole numbers, packed. */
  integers(field: number, values: readonly (number | bigint)[]): this {
    return this.bytes(field, Uint8Array.from(values.flatMap(varint)));
  }

  message(field: number, body: ProtobufWriter<Later>): this {
    this.#head(field, body.length);
    for (const part of body.parts) this.parts.push(part);
    this.length += body.length;
    return this;
  }

  /** Bytes of a known number that whoever writes the parts puts in the place of `what`. */
  later(field: number, length: number, what: Later): this {
    this.#head(field, length);
    return this.#add(what, length);
  }

  #head(field: number, length: number): void {
    this.#put([...varint(tagOf(field, WIRE.bytes)), ...varint(length)]);
  }

  #put(bytes: number[]): this {
    return this.#add(Uint8Array.from(bytes), bytes.length);
  }

  #add(part: Uint8Array | Later, length: number): this {
    this.parts.push(part);
    this.length += length;
    return this;
  }
}

/** The bytes of a message that has all its parts. */
export function messageBytes({ parts }: ProtobufWriter): Uint8Array {
  return Buffer.concat(parts);
}

const tagOf = (field: number, wire: Wire) => field * 8 + wire;

function varint(value: number | bigint): number[] {
  if (typeof value === 'number' && value >= 0 && value < 0x80) return [value];
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return bytes;
}
