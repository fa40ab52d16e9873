// What of Python's pickle format a dictionary of tensors is written in. The format is a program for a small machine that
// may call anything in Python; this machine has no operation but to build lists and dictionaries, and calls nothing but
// what its caller lends it by name.

/** A thing that a pickle names by its module and name. */
export type PickleGlobal =
  | { kind: 'function'; call(args: readonly PickleValue[]): PickleValue }
  | { kind: 'constant'; value: PickleValue };

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | object
  | readonly PickleValue[]
  | Map<PickleValue, PickleValue>;

export interface PickleReader {
  /** What a pickle may name, by `module.name`. */
  globals: ReadonlyMap<string, PickleGlobal>;
  /** What stands for an object that lies outside of the pickle. */
  persistent(id: PickleValue): PickleValue;
}

/** A pickle that is sound and asks for more than is done here. */
export class RefusedPickle extends Error {}

/** Operations that are refused, by the names that `pickletools` has for them; others go by their number. */
const REFUSED: Readonly<Record<number, string>> = {
  48: 'POP',
  49: 'POP_MARK',
  50: 'DUP',
  66: 'BINBYTES',
  67: 'SHORT_BINBYTES',
  70: 'FLOAT',
  73: 'INT',
  76: 'LONG',
  80: 'PERSID',
  83: 'STRING',
  86: 'UNICODE',
  100: 'DICT',
  103: 'GET',
  105: 'INST',
  108: 'LIST',
  111: 'OBJ',
  112: 'PUT',
  129: 'NEWOBJ',
  130: 'EXT1',
  131: 'EXT2',
  132: 'EXT4',
  139: 'LONG4',
  140: 'SHORT_BINUNICODE',
  141: 'BINUNICODE8',
  142: 'BINBYTES8',
  143: 'EMPTY_SET',
  144: 'ADDITEMS',
  145: 'FROZENSET',
  146: 'NEWOBJ_EX',
  147: 'STACK_GLOBAL',
  148: 'MEMOIZE',
  149: 'FRAME',
  150: 'BYTEARRAY8',
  151: 'NEXT_BUFFER',
  152: 'READONLY_BUFFER',
};

/** What stands on the stack where a tuple or a list of items begins. */
const MARK = Symbol('mark');
type Slot = PickleValue | typeof MARK | PickleGlobal;

/**
 * Reads one pickle of protocol 2, as torch.save writes it.
 *
 * @param begin offset of its first byte
 * @returns what it describes, and the offset behind it
 * @throws RefusedPickle naming the operation or the global; SyntaxError for bytes that are no pickle
 */
export function readPickle(
  bytes: Uint8Array,
  begin: number,
  reader: PickleReader,
): { value: PickleValue; end: number } {
  const machine = new Machine(bytes, begin, reader);
  while (!machine.step());
  return { value: machine.result(), end: machine.at };
}

class Machine {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #reader: PickleReader;
  readonly #stack: Slot[] = [];
  readonly #memo = new Map<number, Slot>();

  constructor(bytes: Uint8Array, begin: number, reader: PickleReader) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#reader = reader;
    this.at = begin;
  }

  result(): PickleValue {
    const value = this.#pop();
    if (this.#stack.length > 0)
      throw new SyntaxError(`the pickle leaves ${this.#stack.length} values behind`);
    return value;
  }

  /** Does one operation; true where it was the last one. */
  step(): boolean {
    const operation = this.#byte();
    const stack = this.#stack;
    switch (operation) {
      case 0x80: // PROTO
        this.#byte();
        break;
      case 0x2e: // STOP
        return true;
      case 0x28: // MARK
        stack.push(MARK);
        break;
      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(operation === 0x88);
        break;
      case 0x4b: // BININT1
        stack.push(this.#byte());
        break;
      case 0x4d: // BININT2
        stack.push(this.#view.getUint16(this.#take(2), true));
        break;
      case 0x4a: // BININT
        stack.push(this.#view.getInt32(this.#take(4), true));
        break;
      case 0x8a: // LONG1
        stack.push(this.#long(this.#byte()));
        break;
      case 0x47: // BINFLOAT
        stack.push(this.#view.getFloat64(this.#take(8)));
        break;
      case 0x58: // BINUNICODE
        stack.push(this.#text(this.#length(), 'utf8'));
        break;
      case 0x54: // BINSTRING
        stack.push(this.#text(this.#length(), 'latin1'));
        break;
      case 0x55: // SHORT_BINSTRING
        stack.push(this.#text(this.#byte(), 'latin1'));
        break;
      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        stack.push([]);
        break;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        stack.push(this.#popMany(operation - 0x84));
        break;
      case 0x74: // TUPLE
        stack.push(this.#popToMark());
        break;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        break;
      case 0x61: // APPEND
        this.#append([this.#pop()]);
        break;
      case 0x65: // APPENDS
        this.#append(this.#popToMark());
        break;
      case 0x73: // SETITEM
        this.#setItems(this.#popMany(2));
        break;
      case 0x75: // SETITEMS
        this.#setItems(this.#popToMark());
        break;
      case 0x71: // BINPUT
        this.#memo.set(this.#byte(), this.#top());
        break;
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#length(), this.#top());
        break;
      case 0x68: // BINGET
        stack.push(this.#remembered(this.#byte()));
        break;
      case 0x6a: // LONG_BINGET
        stack.push(this.#remembered(this.#length()));
        break;
      case 0x63: // GLOBAL
        stack.push(this.#global());
        break;
      case 0x51: // BINPERSID
        stack.push(this.#reader.persistent(this.#pop()));
        break;
      case 0x52: // REDUCE
        this.#reduce();
        break;
      case 0x62: // BUILD
        this.#build();
        break;
      default:
        throw new RefusedPickle(
          `the operation ${REFUSED[operation] ?? `of number ${operation}`} at byte ${this.at - 1}`,
        );
    }
    return false;
  }

  #take(length: number): number {
    const begin = this.at;
    if (begin + length > this.#bytes.length) throw new SyntaxError(`the pickle ends within byte ${begin}`);
    this.at += length;
    return begin;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #length(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #text(length: number, encoding: 'utf8' | 'latin1'): string {
    const begin = this.#take(length);
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + begin, length).toString(encoding);
  }

  #long(length: number): number | bigint {
    const begin = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[begin + i]!);
    value = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new SyntaxError(`the pickle ends within byte ${this.at}`);
    const text = this.#text(end - this.at, 'utf8');
    this.at++;
    return text;
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    if (value !== undefined && value !== MARK && !isGlobal(value)) return value as PickleValue;
    throw new SyntaxError(`no value stands where one is taken at byte ${this.at - 1}`);
  }

  #popMany(count: number): PickleValue[] {
    const values = Array.from({ length: count }, () => this.#pop());
    return values.reverse();
  }

  #popToMark(): PickleValue[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw new SyntaxError(`no mark stands before byte ${this.at - 1}`);
    const values = this.#popMany(this.#stack.length - mark - 1);
    this.#stack.pop();
    return values;
  }

  #top(): Slot {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK)
      throw new SyntaxError(`no value stands before byte ${this.at - 1}`);
    return value;
  }

  #remembered(index: number): Slot {
    const value = this.#memo.get(index);
    if (value === undefined) throw new SyntaxError(`nothing was kept as ${index} before byte ${this.at - 1}`);
    return value;
  }

  #append(values: PickleValue[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw new SyntaxError(`no list stands before byte ${this.at - 1}`);
    for (const value of values) list.push(value);
  }

  #setItems(items: PickleValue[]): void {
    const map = this.#top();
    if (!(map instanceof Map) || items.length % 2 !== 0)
      throw new SyntaxError(`no dictionary stands before byte ${this.at - 1}`);
    for (let i = 0; i < items.length; i += 2) map.set(items[i]!, items[i + 1]!);
  }

  #global(): Slot {
    const name = `${this.#line()}.${this.#line()}`;
    const found = this.#reader.globals.get(name);
    if (found === undefined) throw new RefusedPickle(name);
    return found.kind === 'constant' ? found.value : found;
  }

  #reduce(): void {
    const args = this.#pop();
    const called = this.#stack.pop();
    if (called === undefined || !isGlobal(called) || called.kind !== 'function')
      throw new RefusedPickle(`a call of what is no function, at byte ${this.at - 1}`);
    if (!Array.isArray(args)) throw new SyntaxError(`no arguments stand before byte ${this.at - 1}`);
    this.#stack.push(called.call(args));
  }

  /** An OrderedDict may have attributes of its own, which no tensor needs; anything else would be made up here. */
  #build(): void {
    this.#pop();
    if (!(this.#top() instanceof Map)) throw new RefusedPickle(`the operation BUILD at byte ${this.at - 1}`);
  }
}

function isGlobal(slot: Slot): slot is PickleGlobal {
  return typeof slot === 'object' && slot !== null && 'kind' in slot;
}
