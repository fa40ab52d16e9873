import { isObject } from '../io/json.js';
import { malformed } from './tokenizer-file.js';

// A double array as darts-clone lays it out: from a unit one comes to the next by a byte of the text, and to the place of
// the text that takes its stead.
const IS_VALUE = 0x80000000;
const HAS_VALUE = 0x100;
const VALUE = 0x7fffffff;
const offsetOf = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);

/**
 * Checks that the character map of a Precompiled normalizer stays within itself. What the `tokenizers` package does with
 * one that does not would end the process.
 *
 * @throws DATA_FORMAT
 */
export function checkCharacterMap(part: unknown, file: string): void {
  if (!isObject(part) || part.type !== 'Precompiled' || typeof part.precompiled_charsmap !== 'string') return;
  const bytes = Buffer.from(part.precompiled_charsmap, 'base64');
  if (!isWithinItself(bytes)) throw malformed(file, 'the character map of its normalizer is damaged');
}

/** `bytes`: the array's size, the array, and the texts that take another's stead, each with a zero behind it. */
function isWithinItself(bytes: Buffer): boolean {
  const arrayBytes = bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
  const textsBegin = 4 + arrayBytes;
  if (arrayBytes === 0 || arrayBytes % 4 !== 0 || textsBegin > bytes.length) return false;
  const count = arrayBytes / 4;
  const unitAt = (index: number) => bytes.readUInt32LE(4 + 4 * index);
  const beginsText = (at: number) => {
    const byte = bytes[textsBegin + at];
    return byte !== undefined && (byte & 0xc0) !== 0x80;
  };
  for (let index = 0; index < count; index++) {
    const unit = unitAt(index);
    // Values are never gone on from.
    if (index > 0 && unit >= IS_VALUE) continue;
    const base = (index ^ offsetOf(unit)) >>> 0;
    if ((base | 0xff) >>> 0 >= count) return false;
    if ((unit & HAS_VALUE) !== 0 && !beginsText(unitAt(base) & VALUE)) return false;
  }
  return true;
}
