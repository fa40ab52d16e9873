import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeDataset, LabelSet, trainWordPiece } from '../../src/entries/data.js';
import { encodingDirectory, keptEncoding } from '../../src/text/kept-encoding.js';

const sentences = [
  { words: ['Aya', 'sings', 'in', 'Oslo'], tags: ['B-PER', 'O', 'O', 'B-LOC'] },
  { words: ['Nobody', 'answers'], tags: ['O', 'O'] },
];
const labels = ['B-LOC', 'B-PER', 'O'];
const tokenizer = trainWordPiece(
  sentences.flatMap(({ words }) => words),
  { vocabSize: 200, lowercase: true, minFrequency: 1 },
);
const key = { data: 'digest of the data', tokenizer: tokenizer.digest, labels, maxLength: 16 };
const encode = () => encodeDataset(sentences, tokenizer, new LabelSet(labels), { maxLength: 16 });
const never = () => {
  throw new Error('encoded again');
};

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'permafrost-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('an encoded dataset on disk', () => {
  it('is read under the same key, array by array', async () => {
    const first = await keptEncoding(directory, key, encode);
    expect(await keptEncoding(directory, key, never)).toEqual(first);
    expect(first).toEqual(encode());
  });

  it('keeps sentences that are several examples', async () => {
    const options = { maxLength: 5, longSentences: 'windows' } as const;
    const cut = () => encodeDataset(sentences, tokenizer, new LabelSet(labels), options);
    const first = await keptEncoding(directory, { ...key, ...options }, cut);
    expect(first.size).toBeGreaterThan(first.wordCounts.length);
    expect(await keptEncoding(directory, { ...key, ...options }, never)).toEqual(cut());
  });

  it.each([
    ['data', { data: 'other' }],
    ['tokenizer', { tokenizer: 'other' }],
    ['labels', { labels: ['O', 'B-PER', 'B-LOC'] }],
    ['maximum length', { maxLength: 15 }],
    ['way of long sentences', { longSentences: 'windows' as const }],
    ['context', { contextTokens: 4 }],
  ])('is not read with another %s', async (_, other) => {
    await keptEncoding(directory, key, encode);
    await expect(keptEncoding(directory, { ...key, ...other }, never)).rejects.toThrow('encoded again');
  });

  it.each([0, 7, 60, -1])('is encoded anew where the file ends after %i bytes', async (length) => {
    const whole = await keptEncoding(directory, key, encode);
    const file = join(directory, (await readdir(directory))[0]!);
    const { byteLength } = await readFile(file);
    await truncate(file, length < 0 ? byteLength + length : length);
    const anew = vi.fn(encode);
    expect(await keptEncoding(directory, key, anew)).toEqual(whole);
    expect(anew).toHaveBeenCalledOnce();
    expect(await keptEncoding(directory, key, never)).toEqual(whole);
  });

  it('is encoded anew where a byte is wrong', async () => {
    const whole = await keptEncoding(directory, key, encode);
    const file = join(directory, (await readdir(directory))[0]!);
    const bytes = await readFile(file);
    bytes[20]! ^= 1;
    await writeFile(file, bytes);
    expect(await keptEncoding(directory, key, encode)).toEqual(whole);
  });

  it('is returned with a warning where it cannot be written', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const file = join(directory, 'a-file');
    await writeFile(file, '');
    expect(await keptEncoding(file, key, encode)).toEqual(encode());
    expect(warn).toHaveBeenCalledWith(
      expect.stringContaining('not kept'),
      expect.objectContaining({ code: 'PERMAFROST_ENCODING_NOT_KEPT' }),
    );
    warn.mockRestore();
  });

  it('lies in the directory that the environment names', () => {
    expect(encodingDirectory({ PERMAFROST_CACHE: '/c' })).toBe('/c/encoded');
    expect(encodingDirectory({ XDG_CACHE_HOME: '/x' })).toBe('/x/permafrost/encoded');
    expect(encodingDirectory({})).toMatch(/\.cache\/permafrost\/encoded$/);
    vi.stubEnv('HOME', '');
    expect(encodingDirectory({})).toBeNull();
    vi.unstubAllEnvs();
  });
});
