import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** SHA-256 of a file's bytes, as hexadecimal digits. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** SHA-256 of a value's JSON in which the keys of every object are sorted. */
export function digestOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value, sortedKeys) ?? 'undefined')
    .digest('hex');
}

/** SHA-256 of the bytes of arrays, one after another. */
export function digestArrays(arrays: Iterable<Int32Array | Float32Array>): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of arrays)
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
}

/** SHA-256 of annotated sentences: their words, tags and weights, not where they came from. */
export function digestSentences(
  sentences: Iterable<{ words: readonly string[]; tags: readonly string[]; weight?: number }>,
): string {
  const hash = createHash('sha256');
  for (const { words, tags, weight } of sentences)
    hash.update(`${JSON.stringify(weight === undefined ? [words, tags] : [words, tags, weight])}\n`);
  return hash.digest('hex');
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
