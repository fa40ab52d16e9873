import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { writePredictions } from '../../src/evaluation/predictions.js';
import { predictionsFile } from '../../src/training/directory.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { makeRecord, type RecordFacts } from '../report/records.js';

const captured = capturedOutput();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-compare-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A run's directory; of `right` sentences of 60 the entity is found. */
async function leave(
  grid: string,
  facts: RecordFacts,
  right: number | null,
  words = ['Ann', 'ran'],
): Promise<void> {
  const record = makeRecord(facts);
  const directory = join(folder, grid, record.run);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'record.json'), JSON.stringify(record));
  if (right === null) return;
  const answers = Array.from({ length: 60 }, (_, index) => ({
    source: `test:${index + 1}`,
    words,
    gold: ['B-PER', 'O'],
    predicted: [index < right ? 'B-PER' : 'O', 'O'],
  }));
  await writePredictions(predictionsFile(directory, 'test'), answers);
}

async function run(...args: string[]) {
  captured.out = '';
  const code = await main(args);
  return { code, text: captured.out };
}

const lastOf = (text: string) => JSON.parse(text.trim().split('\n').at(-1)!);

describe('permafrost compare', () => {
  it('pairs scenarios and seeds, and tells settings, scores with intervals, time and energy', async () => {
    for (const seed of [1, 2, 3]) {
      await leave('a', { strategy: 'bottom-up:6', seed, secondsPerEpoch: 20, joules: 900 }, 40);
      await leave(
        'b',
        { strategy: 'bottom-up:6', seed, secondsPerEpoch: 10, joules: 300, cpuModel: 'Other' },
        55,
      );
    }
    await leave('a', { strategy: 'full', seed: 1 }, 40);
    await leave('b', { strategy: 'bottom-up:6', seed: 9 }, 40);
    const { code, text } = await run('compare', join(folder, 'a'), join(folder, 'b'), '--json');
    expect(code).toBe(0);
    const answer = lastOf(text);
    expect(answer).toMatchObject({
      type: 'compare',
      split: 'test',
      settings: [{ path: 'hardware.cpuModel', was: 'Test CPU', is: 'Other' }],
      onlyFirst: ['full, seed 1'],
      onlySecond: ['bottom-up:6, seed 9'],
    });
    const [scenario] = answer.scenarios;
    expect(scenario).toMatchObject({
      first: 'bottom-up:6',
      seeds: [1, 2, 3],
      sentences: { sentences: 60, bothRight: 40, onlyFirst: 0, onlySecond: 15, neitherRight: 5 },
    });
    expect(scenario.a[0]).toMatchObject({ secondsPerEpoch: 20, joules: 900 });
    const entity = scenario.scores.find(({ score }: { score: string }) => score === 'entityF1');
    // 40 and 55 of 60 are found and nothing else: F1 is 2 n / (n + 60).
    expect(entity.difference).toBeCloseTo(110 / 115 - 80 / 100, 12);
    expect(entity.low).toBeGreaterThan(0);
    expect(entity.high).toBeGreaterThan(entity.difference);

    const shown = await run('compare', join(folder, 'a'), join(folder, 'b'));
    expect(shown.text).toMatch(/hardware\.cpuModel +│ +Test CPU +│ +Other/);
    expect(shown.text).toMatch(
      /bottom-up:6 +│ +3 +│ +entity F1 .*higher \(difference \+0\.1565, 95% interval/,
    );
    expect(shown.text).toMatch(/bottom-up:6 +│ +s\/epoch +│ +20\.0 +│ +10\.0 +│ +2\.00/);
    expect(shown.text).toMatch(/bottom-up:6 +│ +J +│ +900 +│ +300 +│ +3\.00/);
    expect(shown.text).toContain('Only in A: full, seed 1');
    expect(shown.text).toContain('Only in B: bottom-up:6, seed 9');
  });

  it('sets two single runs side by side whatever they froze', async () => {
    await leave('grid', { strategy: 'bottom-up:0', seed: 1 }, 40);
    await leave('grid', { strategy: 'bottom-up:9', seed: 1 }, 40);
    const of = (strategy: string) => join(folder, 'grid', `${strategy}-1`);
    const { text } = await run('compare', of('bottom-up:0'), of('bottom-up:9'), '--json');
    const answer = lastOf(text);
    expect(answer.scenarios).toHaveLength(1);
    expect(answer.scenarios[0]).toMatchObject({ first: 'bottom-up:0', second: 'bottom-up:9', seeds: [1] });
    expect(answer.settings[0]).toEqual({ path: 'strategy', was: 'bottom-up:0', is: 'bottom-up:9' });
    expect(answer.scenarios[0].scores[0].difference).toBe(0);
  });

  it('tests nothing without predictions of the same sentences, and says why', async () => {
    await leave('a', { strategy: 'full' }, 40);
    await leave('b', { strategy: 'full' }, 40, ['Eve', 'ran']);
    await leave('c', { strategy: 'full' }, null);
    const other = await run('compare', join(folder, 'a'), join(folder, 'b'));
    expect(other.text).toContain('not tested: their predictions are not of the same test sentences');
    const none = await run('compare', join(folder, 'a'), join(folder, 'c'), '--json');
    expect(lastOf(none.text).scenarios[0]).toMatchObject({
      scores: null,
      reason: expect.stringContaining('test.jsonl'),
    });
  });

  it('gives no factor where another run did a part of the work', async () => {
    await leave('a', { strategy: 'bottom-up:6' }, 40);
    await leave('b', { strategy: 'bottom-up:6', keptPrefix: 6, borrowed: 30 }, 40);
    const { text } = await run('compare', join(folder, 'a'), join(folder, 'b'));
    expect(text).toMatch(/s to stop +│ +30\.0 +│ 30\.0 \(cache of another run\) +│ +–/);
  });

  it('says that nothing is paired, and which directory holds no run', async () => {
    await leave('a', { strategy: 'full', seed: 1 }, 40);
    await leave('b', { strategy: 'full', seed: 2 }, 40);
    const { code, text } = await run('compare', join(folder, 'a'), join(folder, 'b'));
    expect(code).toBe(0);
    expect(text).toContain('Nothing is paired');
    const missing = await run('compare', join(folder, 'a'), join(folder, 'nothing'), '--json');
    expect(missing.code).toBe(1);
    expect(lastOf(missing.text)).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

describe('permafrost report', () => {
  it('makes the report of a grid anew, with LaTeX where it is asked for, and says what is missing', async () => {
    for (const strategy of ['bottom-up:12', 'bottom-up:0', 'bottom-up:6']) {
      for (const seed of [1, 2])
        await leave('grid', { strategy, seed }, strategy === 'bottom-up:12' ? 5 : 50);
    }
    rmSync(join(folder, 'grid', 'bottom-up:6-2'), { recursive: true });
    const grid = join(folder, 'grid');
    const { code, text } = await run('report', grid, '--latex', '--json');
    expect(code).toBe(0);
    expect(lastOf(text)).toMatchObject({
      type: 'report',
      file: join(grid, 'report.md'),
      html: join(grid, 'report.html'),
      latex: join(grid, 'report.tex'),
    });
    const markdown = readFileSync(join(grid, 'report.md'), 'utf8');
    expect(markdown).toContain('(bottom-up:6) costs nothing that is seen');
    expect(markdown).toContain('bottom-up:12 is lower: entity F1 −0.7552');
    expect(markdown).toContain('bottom-up:6: not run with seed 2.');
    expect(readFileSync(join(grid, 'report.tex'), 'utf8')).toContain('\\toprule');
    // The same again, to the letter.
    await run('report', grid);
    expect(readFileSync(join(grid, 'report.md'), 'utf8')).toBe(markdown);
  });

  it('refuses runs that no table can hold together', async () => {
    await leave('mixed', { strategy: 'full' }, 40);
    const record = makeRecord({ strategy: 'bottom-up:0' });
    const add = (name: string, other: object) => {
      mkdirSync(join(folder, 'mixed', name), { recursive: true });
      writeFileSync(
        join(folder, 'mixed', name, 'record.json'),
        JSON.stringify({ ...record, run: name, ...other }),
      );
    };
    add('other-data', { data: { ...record.data, digest: 'other' } });
    const mixed = await run('report', join(folder, 'mixed'), '--json');
    expect(mixed.code).toBe(2);
    expect(lastOf(mixed.text)).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('other-data'),
    });
    add('other-data', { scenario: { ...record.scenario, fold: { index: 1, of: 5 } } });
    const searched = await run('report', join(folder, 'mixed'), '--json');
    expect(lastOf(searched.text).message).toContain('found a search');
  });
});
