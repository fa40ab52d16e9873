/** Nesting beyond every file that is read here. */
const MOST_LEVELS = 64;

/**
 * Decodes a value of MessagePack (msgpack.org, specification of 2013) without extension types: maps as objects, binary as
 * buffers that share the given one's memory.
 *
 * @throws RangeError where the bytes end too early, nest too deep, or are of a type that is not read
 */
export function decodeMessagePack(bytes: Buffer): unknown {
  return new Decoder(bytes).value(0);
}

class Decoder {
  #at = 0;

  constructor(private readonly bytes: Buffer) {}

  value(level: number): unknown {
    if (level > MOST_LEVELS) throw new RangeError(`more than ${MOST_LEVELS} levels`);
    const type = this.#uint(1);
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 0x100;
    if (type < 0x90) return this.#map(type & 0x0f, level);
    if (type < 0xa0) return this.#array(type & 0x0f, level);
    if (type < 0xc0) return this.#text(type & 0x1f);
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return type === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#uint(2 ** (type - 0xc4)));
      case 0xca:
        return this.#take(4).readFloatBE();
      case 0xcb:
        return this.#take(8).readDoubleBE();
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(2 ** (type - 0xcc));
      case 0xcf:
        return Number(this.#take(8).readBigUInt64BE());
      case 0xd0:
      case 0xd1:
      case 0xd2: {
        const size = 2 ** (type - 0xd0);
        return this.#take(size).readIntBE(0, size);
      }
      case 0xd3:
        return Number(this.#take(8).readBigInt64BE());
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(2 ** (type - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(2 ** (type - 0xdb)), level);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 ** (type - 0xdd)), level);
      default:
        throw new RangeError(`a value of type 0x${type.toString(16)}`);
    }
  }

  #array(length: number, level: number): unknown[] {
    this.#require(length);
    return Array.from({ length }, () => this.value(level + 1));
  }

  #map(length: number, level: number): Record<string, unknown> {
    this.#require(2 * length);
    const entries = Array.from(
      { length },
      () => [String(this.value(level + 1)), this.value(level + 1)] as const,
    );
    return Object.fromEntries(entries);
  }

  #text(length: number): string {
    return this.#take(length).toString('utf8');
  }

  #uint(size: number): number {
    return this.#take(size).readUIntBE(0, size);
  }

  #take(length: number): Buffer {
    this.#require(length);
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }

  /** Each value takes a byte at least, so that lengths cannot promise more than there is. */
  #require(length: number): void {
    if (length > this.bytes.length - this.#at) throw new RangeError(`an end at byte ${this.bytes.length}`);
  }
}
