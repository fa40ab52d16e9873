import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPredictions } from '../../src/entries/metrics.js';
import { predictionsOf, writePredictions } from '../../src/evaluation/predictions.js';
import { thrownBy } from '../helpers/thrown.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-predictions-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a file of predictions', () => {
  it('gives back what was written, with a place for each sentence', async () => {
    const path = join(folder, 'made', 'test.jsonl');
    const sentences = [
      { words: ['Ål', 'Bo'], tags: ['B-PER', 'I-PER'], file: 'a.conll', line: 7 },
      { words: ['\u2028'], tags: ['O'], file: 'a.json' },
      { words: ['x'], tags: ['O'] },
    ];
    await writePredictions(path, predictionsOf('test', sentences, [['B-PER', 'O'], ['O'], ['B-LOC']]));
    expect(await readPredictions(path)).toEqual([
      { source: 'a.conll:7', words: ['Ål', 'Bo'], gold: ['B-PER', 'I-PER'], predicted: ['B-PER', 'O'] },
      { source: 'a.json', words: ['\u2028'], gold: ['O'], predicted: ['O'] },
      { source: 'test:3', words: ['x'], gold: ['O'], predicted: ['B-LOC'] },
    ]);
  });

  const whole = '{"source":"a:1","words":["x"],"gold":["O"],"predicted":["O"]}';
  it.each([
    ['no JSON', `${whole}\n{"source":`, /:2: expected .* got .*JSON/],
    [
      'a key that is missing',
      `${whole}\n\n{"source":"a:1","words":["x"],"gold":["O"]}`,
      /:3: .* at predicted/,
    ],
    [
      'tags for other words',
      '{"source":"a:1","words":["x","y"],"gold":["O","O"],"predicted":["O"]}',
      /:1: .*got 2 words, 2 gold and 1 predicted tags/,
    ],
  ])('is refused with %s', async (_, text, message) => {
    const path = join(folder, 'wrong.jsonl');
    await writeFile(path, text);
    const error = await thrownBy(() => readPredictions(path));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toMatch(message);
  });

  it('is refused where it is not there', async () => {
    expect((await thrownBy(() => readPredictions(join(folder, 'none.jsonl')))).code).toBe('FILE_NOT_FOUND');
  });
});
