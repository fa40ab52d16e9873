import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { writeFileAtomic } from '../io/atomic-write.js';
import { bytesOf } from '../io/bytes-of.js';
import { cacheDirectory } from '../io/cache-directory.js';
import { digestOf } from '../io/digest.js';
import type { LongSentences } from './cut-examples.js';

/** What decides an encoding. */
export interface EncodingKey {
  /** SHA-256 of the sentences' words and tags. */
  data: string;
  tokenizer: string;
  /** Label of each id. */
  labels: readonly string[];
  maxLength: number;
  longSentences?: LongSentences;
  contextTokens?: number;
  /** Of the borders of documents, where sentences have context. */
  documents?: string;
}

const MAGIC = Buffer.from('PFENC002');
const HEADER_BYTES = MAGIC.length + 12;
const DIGEST_BYTES = 32;

/** Where encodings are kept: `PERMAFROST_CACHE`, else the user's cache directory; null where there is none. */
export function encodingDirectory(environment: NodeJS.ProcessEnv = process.env): string | null {
  return cacheDirectory('encoded', environment);
}

/**
 * Reads the dataset that was encoded earlier under the same key, or encodes it and keeps it.
 *
 * A file that is not whole is encoded anew. Where it cannot be written, a process warning says so and the
 * encoding is still returned.
 */
export async function keptEncoding(
  directory: string,
  key: EncodingKey,
  encode: () => EncodedDataset | Promise<EncodedDataset>,
): Promise<EncodedDataset> {
  const path = join(directory, `${digestOf(key)}.bin`);
  const kept = await readFile(path).then(decode, () => null);
  if (kept) return kept;
  const dataset = await encode();
  await writeFileAtomic(path, encodeFile(dataset)).catch((error: Error) =>
    process.emitWarning(`The encoded dataset is not kept: ${error.message}`, {
      code: 'PERMAFROST_ENCODING_NOT_KEPT',
    }),
  );
  return dataset;
}

// Magic, numbers of examples, tokens and sentences (-1 where each is one example), the arrays, SHA-256 of all before; little-endian as every
// platform that Node's engine is built for.
function encodeFile(dataset: EncodedDataset): Buffer {
  const counts = Int32Array.of(
    dataset.size,
    dataset.inputIds.length,
    dataset.sentences ? dataset.wordCounts.length : -1,
  );
  const parts = [MAGIC, bytesOf(counts), ...arraysOf(dataset).map(bytesOf)];
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return Buffer.concat([...parts, hash.digest()]);
}

function decode(file: Buffer): EncodedDataset | null {
  const end = file.length - DIGEST_BYTES;
  if (end < HEADER_BYTES || !file.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const digest = createHash('sha256').update(file.subarray(0, end)).digest();
  if (!digest.equals(file.subarray(end))) return null;
  const size = file.readInt32LE(MAGIC.length);
  const tokens = file.readInt32LE(MAGIC.length + 4);
  const sentences = file.readInt32LE(MAGIC.length + 8);
  let at = HEADER_BYTES;
  const take = (count: number) => {
    const array = new Int32Array(count);
    file.copy(bytesOf(array), 0, at, at + array.byteLength);
    at += array.byteLength;
    return array;
  };
  const dataset = {
    size,
    inputIds: take(tokens),
    labels: take(tokens),
    wordIds: take(tokens),
    offsets: take(size + 1),
    ...(sentences >= 0 && { sentences: take(size) }),
    wordCounts: take(sentences < 0 ? size : sentences),
    truncatedWords: take(sentences < 0 ? size : sentences),
  };
  return at === end ? dataset : null;
}

function arraysOf(dataset: EncodedDataset): Int32Array[] {
  const { inputIds, labels, wordIds, offsets, sentences, wordCounts, truncatedWords } = dataset;
  return [inputIds, labels, wordIds, offsets, ...(sentences ? [sentences] : []), wordCounts, truncatedWords];
}
