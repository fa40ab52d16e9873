/** Second bytes that a first byte may have, where not all of 0x80 to 0xbf: no overlong forms, no surrogates. */
const SECOND: Readonly<Record<number, readonly [least: number, most: number]>> = {
  224: [0xa0, 0xbf],
  237: [0x80, 0x9f],
  240: [0x90, 0xbf],
  244: [0x80, 0x8f],
};

/** Index of the first byte that begins no character of UTF-8, -1 where all do (Unicode 15, table 3-7). */
export function invalidUtf8(bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; ) {
    const length = characterBytes(bytes, i);
    if (length === 0) return i;
    i += length;
  }
  return -1;
}

/** Bytes of the character at `i`, 0 where there is none. */
function characterBytes(bytes: Uint8Array, i: number): number {
  const first = bytes[i]!;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (i + length > bytes.length) return 0;
  const [least, most] = SECOND[first] ?? [0x80, 0xbf];
  if (bytes[i + 1]! < least || bytes[i + 1]! > most) return 0;
  for (let j = i + 2; j < i + length; j++) if ((bytes[j]! & 0xc0) !== 0x80) return 0;
  return length;
}
