/** Numbers at the edges of types, sizes and limits. */
export const NUMBERS = [
  ...[0, -0, 1, -1, 2, 3, 7, 8, 127, 128, 255, 256, 512, 65535, 65536, 0.5, 1e-300, 1e300, 3e8, 1e6],
  ...[2 ** 24, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 31)],
];
const TEXTS = [
  ...[
    '',
    ' ',
    '\0',
    '\u0301',
    '\ud800',
    '\udc00',
    '\u200d',
    '👩\u200d👧',
    '北京',
    '##',
    '▁',
    '[UNK]',
    '<unk>',
    'O',
  ],
  ...[
    'B-',
    'I-LOC',
    'B-PER',
    '-DOCSTART-',
    '#',
    '__proto__',
    'constructor',
    'toString',
    '../..',
    '\n',
    '\t',
    '\r',
  ],
];

/** A text of any kind. */
export function anyText(random, most = 64) {
  if (random.once(3)) return random.pick(TEXTS);
  const unit = random.pick(TEXTS) || 'a';
  if (random.once(4)) return unit.repeat(random.length(most));
  return String.fromCodePoint(...Array.from({ length: random.length(most) }, () => anyPoint(random)));
}

function anyPoint(random) {
  const [least, count] = random.pick([
    [0x20, 0x5f],
    [0x20, 0x5f],
    [0, 0x20],
    [0xa0, 0x300],
    [0x300, 0x70],
    [0x400, 0x100],
    [0x2000, 0x70],
    [0x4e00, 0x100],
    [0xd800, 0x800],
    [0x1f300, 0x300],
    [0xe0000, 0x200],
  ]);
  return least + random.below(count);
}

/** A value of any type that JSON has. */
export function anyValue(random, depth = 2) {
  switch (random.below(depth > 0 ? 8 : 6)) {
    case 0:
      return null;
    case 1:
      return random.once(2);
    case 2:
    case 3:
      return random.pick(NUMBERS);
    case 4:
    case 5:
      return anyText(random, 16);
    case 6:
      return Array.from({ length: random.below(4) }, () => anyValue(random, depth - 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [anyText(random, 8), anyValue(random, depth - 1)]),
      );
  }
}

/** A copy with some of its values changed, left out, doubled or moved, at any depth. */
export function mutatedJson(random, value) {
  let result = structuredClone(value);
  for (let changes = 1 + random.length(4); changes > 0; changes--) result = changed(random, result);
  return result;
}

function changed(random, value) {
  if (typeof value !== 'object' || value === null || random.once(24)) return changedLeaf(random, value);
  const keys = Object.keys(value);
  if (keys.length === 0 || random.once(8)) return added(random, value);
  const key = random.pick(keys);
  switch (random.below(8)) {
    case 0:
      if (Array.isArray(value)) value.splice(Number(key), 1);
      else delete value[key];
      return value;
    case 1:
      value[random.pick(keys)] = value[key];
      return value;
    default:
      // Object.defineProperty: a key may be __proto__.
      Object.defineProperty(value, key, {
        value: changed(random, value[key]),
        ...{ writable: true, enumerable: true, configurable: true },
      });
      return value;
  }
}

function added(random, value) {
  if (Array.isArray(value)) value.splice(random.below(value.length + 1), 0, anyValue(random));
  else value[anyText(random, 8)] = anyValue(random);
  return value;
}

function changedLeaf(random, value) {
  if (typeof value === 'number' && !random.once(3)) {
    return random.once(2) ? value + random.pick([1, -1, 0.5, value, -value]) : random.pick(NUMBERS);
  }
  if (typeof value === 'string' && !random.once(3)) return mutatedText(random, value);
  return anyValue(random);
}

export function mutatedText(random, text) {
  const [a, b] = [random.below(text.length + 1), random.below(text.length + 1)].sort((x, y) => x - y);
  switch (random.below(4)) {
    case 0:
      return text.slice(0, a) + text.slice(b);
    case 1:
      return text.slice(0, a) + anyText(random, 16) + text.slice(a);
    case 2:
      return text.slice(0, b) + text.slice(a);
    default:
      return text.slice(0, a) + anyText(random, 4) + text.slice(b);
  }
}

/** A copy of bytes with some flipped, overwritten, left out, doubled, cut off, or put in from another sample. */
export function mutatedBytes(random, bytes, others) {
  let result = Buffer.from(bytes);
  for (let changes = 1 + random.length(8); changes > 0; changes--)
    result = changedBytes(random, result, others);
  return result;
}

function changedBytes(random, bytes, others) {
  const [at, to] = [random.below(bytes.length + 1), random.below(bytes.length + 1)].sort((x, y) => x - y);
  switch (random.below(8)) {
    case 0:
      return bytes.length < 1 << 16 ? Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)]) : bytes;
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(to, at + 1 + random.length(64)))]);
    case 2:
      return random.once(4) ? bytes.subarray(0, at) : bytes;
    case 3: {
      const other = random.pick(others);
      const from = random.below(other.length + 1);
      const part = other.subarray(from, from + 1 + random.length(64));
      return Buffer.concat([
        bytes.subarray(0, at),
        part,
        bytes.subarray(Math.min(bytes.length, at + part.length)),
      ]);
    }
    case 4:
      if (at + 4 <= bytes.length) bytes.writeUInt32LE(Math.abs(random.pick(NUMBERS)) >>> 0, at);
      return bytes;
    case 5:
      if (at < bytes.length) bytes[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x20, 0x22, 0x5b, 0x7b]);
      return bytes;
    default:
      if (at < bytes.length) bytes[at] ^= 1 << random.below(8);
      return bytes;
  }
}
