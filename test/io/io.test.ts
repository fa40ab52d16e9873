import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { writeFileAtomic, writeStreamAtomic } from '../../src/io/atomic-write.js';
import { digestOf, digestSentences } from '../../src/io/digest.js';
import { appendJsonl, readJsonl } from '../../src/io/jsonl.js';
import { Random } from '../../src/io/random.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'permafrost-io-'));
});

describe('atomic writing', () => {
  it('makes missing directories and leaves nothing but the file', async () => {
    const file = join(directory, 'a', 'b.txt');
    await writeFileAtomic(file, 'one');
    await writeFileAtomic(file, 'two');
    expect(await readFile(file, 'utf8')).toBe('two');
    expect(await readdir(join(directory, 'a'))).toEqual(['b.txt']);
  });

  it('keeps the previous file when the source of the content fails', async () => {
    const file = join(directory, 'weights');
    await writeFileAtomic(file, 'good');
    async function* failing() {
      yield Buffer.from('half');
      throw new Error('source broke');
    }
    await expect(writeStreamAtomic(file, failing())).rejects.toThrow('source broke');
    expect(await readFile(file, 'utf8')).toBe('good');
    expect(await readdir(directory)).toEqual(['weights']);
  });

  it('answers a path that cannot be with WRITE_FAILED', async () => {
    await writeFile(join(directory, 'file'), 'x');
    const below = writeFileAtomic(join(directory, 'file', 'below'), 'y');
    await expect(below).rejects.toMatchObject({ code: 'WRITE_FAILED' });
    await expect(below).rejects.toThrow(join(directory, 'file', 'below'));
  });

  it('keeps the previous file, and no half-written one, when the disk takes no more', async () => {
    const file = join(directory, 'weights');
    await writeFileAtomic(file, 'good');
    // A limit on file sizes makes the kernel refuse the write midway, as a full disk does.
    const script = `import { writeFileAtomic } from ${JSON.stringify(resolve('dist/io/atomic-write.js'))};
      try { await writeFileAtomic(${JSON.stringify(file)}, Buffer.alloc(1 << 20)); } catch (error) { console.log(error.code); }`;
    const limited = `ulimit -f 16; exec "${process.execPath}" --input-type=module -e '${script}'`;
    const output = execFileSync('bash', ['-c', limited], { encoding: 'utf8' });
    expect(output.trim()).toBe('WRITE_FAILED');
    expect(await readFile(file, 'utf8')).toBe('good');
    expect((await readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('JSON lines', () => {
  it('passes over a torn last line and mends it when appending', async () => {
    const file = join(directory, 'grid.jsonl');
    await appendJsonl(file, { run: 1 });
    await appendFile(file, '{"run": 2, "sco');
    expect(await readJsonl(file)).toEqual([{ run: 1 }]);
    await appendJsonl(file, { run: 3 });
    expect(await readJsonl(file)).toEqual([{ run: 1 }, { run: 3 }]);
  });

  it('names file and line of a broken line in the middle', async () => {
    const file = join(directory, 'broken.jsonl');
    await writeFile(file, '{"a":1}\nnonsense\n{"a":2}\n');
    await expect(readJsonl(file)).rejects.toThrow(`${file}:2`);
    await expect(readJsonl(file)).rejects.toMatchObject({ code: 'DATA_FORMAT' });
  });

  it('reads a missing file as empty', async () => {
    expect(await readJsonl(join(directory, 'none.jsonl'))).toEqual([]);
  });
});

describe('digests', () => {
  it('do not depend on the order of keys, but on values', () => {
    expect(digestOf({ a: 1, b: { c: 2, d: 3 } })).toBe(digestOf({ b: { d: 3, c: 2 }, a: 1 }));
    expect(digestOf({ a: 1 })).not.toBe(digestOf({ a: 2 }));
  });

  it('of sentences tell words from tags', () => {
    const one = { words: ['a', 'b'], tags: ['O', 'O'] };
    expect(digestSentences([one])).not.toBe(digestSentences([{ words: ['a'], tags: ['O'] }]));
    expect(digestSentences([{ ...one, line: 7 } as typeof one])).toBe(digestSentences([one]));
  });
});

describe('Random', () => {
  it('gives the same numbers for a seed, others for another seed or stream', () => {
    const draw = (seed: number, stream?: string) =>
      Array.from(
        { length: 4 },
        (
          (random) => () =>
            random.uint32()
        )(new Random(seed, stream)),
      );
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(draw(1)).not.toEqual(draw(1, 'order'));
    // Fixed for all platforms and versions: a change here changes every seeded run.
    expect(draw(42, 'order')).toMatchInlineSnapshot(`
      [
        4204413867,
        1453723764,
        2302489839,
        3985869714,
      ]
    `);
  });

  it('is uniform within four standard errors', () => {
    const random = new Random(7);
    const counts = new Array(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[random.int(10)]++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(4 * Math.sqrt(9_000));
  });

  it('shuffles without losing anything', () => {
    const shuffled = new Random(3).shuffle(Int32Array.from({ length: 100 }, (_, i) => i));
    expect([...shuffled].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([...shuffled]).not.toEqual(Array.from({ length: 100 }, (_, i) => i));
  });
});
