import { describe, expect, it } from 'vitest';
import { openParquet } from '../../src/data/read-parquet.js';
import { readSentences } from '../../src/data/read-sentences.js';
import { readText } from '../../src/data/read-text.js';
import { splitWords } from '../../src/data/split-words.js';
import { PermafrostError } from '../../src/errors/error.js';
import { isLinear, TIMES, turnsDuring } from '../helpers/growth.js';
import { temporaryFiles } from '../helpers/temporary-file.js';
import { thrownBy } from '../helpers/thrown.js';

const write = temporaryFiles();
const MEGABYTE = 1e6;
const filled = (unit: string, bytes: number) => unit.repeat(Math.ceil(bytes / Buffer.byteLength(unit)));

/** What the reading comes to: sentences, or the code of its error. Any other error fails. */
async function outcome(read: () => Promise<unknown[]>): Promise<number | string> {
  try {
    return (await read()).length;
  } catch (error) {
    if (error instanceof PermafrostError) return error.code;
    throw error;
  }
}

describe('a line of ten megabytes', () => {
  it.each([
    ['one word', 'conll', filled('x', 10 * MEGABYTE)],
    ['columns by tabs', 'conll', `${filled('x\t', 10 * MEGABYTE)}O`],
    ['columns by spaces', 'conll', `${filled('x ', 10 * MEGABYTE)}O`],
    ['spaces within', 'conll', `a${filled(' ', 10 * MEGABYTE)}x O`],
    ['a comment', 'conll', `#${filled('w', 10 * MEGABYTE)}`],
    ['a tag', 'conll', `a B-${filled('x', 10 * MEGABYTE)}`],
    ['open brackets', 'jsonl', filled('[', 10 * MEGABYTE)],
    ['one word', 'jsonl', `{"words":["${filled('x', 10 * MEGABYTE)}"],"tags":["O"]}`],
  ])('%s in %s is refused by its number', async (_, ending, content) => {
    const error = await thrownBy(() => readSentences(write(`long.${ending}`, content)));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { line: 1, maxLineBytes: 1 << 20 } });
  });
});

describe('a line of a megabyte', () => {
  const depth = 400_000;
  it.each([
    ['spaces within', 'conll', `a${' '.repeat(1_000_000)}x O\n`, 1],
    ['spaces around a word', 'conll', `a\t${' '.repeat(500_000)}x${' '.repeat(500_000)}\n`, 'DATA_FORMAT'],
    ['half a million columns', 'conll', `${'x '.repeat(500_000)}O\n`, 1],
    ['digits', 'conll', `${'1'.repeat(1_000_000)}-\tx\tO\n`, 1],
    ['nested arrays', 'jsonl', `${'['.repeat(depth)}${']'.repeat(depth)}\n`, 'DATA_FORMAT'],
    [
      'words nested',
      'jsonl',
      `{"words":${'['.repeat(depth)}${']'.repeat(depth)},"tags":[]}\n`,
      'DATA_FORMAT',
    ],
    [
      'a word nested',
      'jsonl',
      `{"words":[${'['.repeat(900)}${']'.repeat(900)}],"tags":["O"]}\n`,
      'DATA_FORMAT',
    ],
    [
      'ten thousand keys',
      'jsonl',
      `{${Array.from({ length: 1e4 }, (_, i) => `"k${i}":1`)}}\n`,
      'DATA_FORMAT',
    ],
  ])('%s in %s is read or refused, its message short', async (_, ending, content, expected) => {
    const file = write(`line.${ending}`, content);
    expect(await outcome(() => readSentences(file))).toBe(expected);
    if (expected === 'DATA_FORMAT') {
      expect((await thrownBy(() => readSentences(file))).message.length).toBeLessThan(2500);
    }
  });
});

describe('the time to read grows with the file alone', () => {
  it.each([
    ['spaces in a line', 'conll', (n: number) => `a${' '.repeat(n)}x O\n`, 50_000],
    ['columns in a line', 'conll', (n: number) => `${'x '.repeat(n)}O\n`, 50_000],
    ['empty lines', 'conll', (n: number) => `a O\n${'\n'.repeat(n)}`, 100_000],
    ['words in a sentence', 'conll', (n: number) => 'a O\n'.repeat(n), 50_000],
    ['sentences', 'jsonl', (n: number) => '{"words":["a"],"tags":["O"]}\n'.repeat(n), 5000],
    [
      'distinct tags',
      'conll',
      (n: number) => Array.from({ length: n }, (_, i) => `a B-${i}\n`).join(''),
      20_000,
    ],
  ])('%s', async (name, ending, content, size) => {
    const files = new Map([size, TIMES * size].map((n) => [n, write(`${name}-${n}.${ending}`, content(n))]));
    expect(await isLinear(size, (n) => readSentences(files.get(n)!))).toBe(true);
  });

  it.each(['x', 'x ', '.', '\u0301', '\u200d', '👩\u200d', '\n'])('words of %j', async (unit) => {
    expect(await isLinear(100_000, (n) => splitWords(unit.repeat(n)))).toBe(true);
  });
});

describe('the event loop has its turns', () => {
  it.each([
    ['conll', 'Aya B-PER\nsings O\n\n', 4],
    ['jsonl', '{"words":["Aya","sings"],"tags":["B-PER","O"]}\n', 4],
  ])('while %s is read', async (ending, unit, megabytes) => {
    const file = write(`turns.${ending}`, filled(unit, megabytes * MEGABYTE));
    // Twice through the file, a quarter of a mebibyte at a time.
    expect(await turnsDuring(() => readSentences(file))).toBeGreaterThanOrEqual(8 * megabytes - 2);
  });

  it('while text is read', async () => {
    const file = write('turns.txt', filled('Aya sings.\n', 4 * MEGABYTE));
    expect(await turnsDuring(() => readText(file))).toBeGreaterThanOrEqual(14);
  });
});

describe('a damaged parquet file on which decoding never ends', () => {
  it('is refused within seconds, off the event loop', async () => {
    const file = 'test/fixtures/parquet/endless.parquet';
    const read = async () => {
      const parquet = await openParquet(file);
      for await (const _ of parquet.sentences({})) throw new Error('it has no sentence');
    };
    const turns = turnsDuring(async () => {
      const error = await thrownBy(read);
      expect(error).toMatchObject({ code: 'DATA_FORMAT', details: { file } });
      expect(error.message).toContain('did not end within 5 s');
    });
    expect(await turns).toBeGreaterThan(1000);
  });
});
