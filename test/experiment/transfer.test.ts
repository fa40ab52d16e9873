import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { computeMetrics } from '../../src/evaluation/metrics.js';
import { readPredictions } from '../../src/evaluation/predictions.js';
import { compareWithBaseline } from '../../src/experiment/comparisons.js';
import { runScenario } from '../../src/experiment/run.js';
import { runGrid } from '../../src/experiment/run-grid.js';
import { parseRunRecord, type RunRecord } from '../../src/experiment/run-record.js';
import { openWorkspace, type Workspace } from '../../src/experiment/workspace.js';
import { drain } from './fakes.js';

let folder: string;
const at = (name: string) => join(folder, name);

/** Names that tell their type by their ending. */
function text(count: number, place: string, first: number, person = 'PER'): string {
  const line = (index: number) => `Per${index} B-${person}\nsings O\nin O\nTown${index}city B-${place}\n`;
  return Array.from({ length: count }, (_, index) => line(first + (index % 12))).join('\n');
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-transfer-'));
  await writeFile(at('train.conll'), text(40, 'LOC', 0));
  await writeFile(at('validation.conll'), text(10, 'LOC', 0));
  await writeFile(at('en.conll'), text(12, 'LOC', 2));
  await writeFile(at('kk.conll'), text(9, 'GPE', 4, 'HUMAN'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function open(options: object = {}): Promise<Workspace> {
  return openWorkspace({
    train: at('train.conll'),
    validation: at('validation.conll'),
    test: [`en=${at('en.conll')}`, `kk=${at('kk.conll')}`],
    map: ['GPE=LOC', 'HUMAN=PER'],
    shape: 'layers=2,hidden=16,heads=2',
    vocabSize: 200,
    epochs: 2,
    batchSize: 4,
    learningRate: 2e-3,
    earlyStopping: false,
    threads: 1,
    ...options,
  });
}

describe('test sets that have names', () => {
  it('are described, and share the labels that the map leaves', async () => {
    const workspace = await open();
    expect(workspace.labels).toEqual(['B-LOC', 'B-PER', 'O']);
    expect(workspace.settings.dataset).toMatchObject({
      test: 'en.conll',
      tests: { en: 'en.conll', kk: 'kk.conll' },
      map: { GPE: 'LOC', HUMAN: 'PER' },
    });
    expect(workspace.data.tests.kk).toMatchObject({ sentences: 9, words: 36 });
    expect(workspace.splits.test).toBe(workspace.splits.tests.en);
  });

  it('leave data without names and maps as they were', async () => {
    const plain = await open({ test: at('en.conll'), map: undefined });
    expect(plain.settings.dataset).not.toHaveProperty('tests');
    expect(plain.settings.dataset).not.toHaveProperty('map');
    expect(plain.splits.tests).toEqual({});
  });

  it.each([
    [['en=a.conll', 'b.conll'], /the 2 files need names/],
    [['en=a.conll', 'en=b.conll'], /two files have the name en/],
  ])('are refused as %j', async (test, message) => {
    await expect(open({ test })).rejects.toThrowError(message);
  });

  it('are measured by the best weights of every run of a grid, and compared with k = 0', async () => {
    const directory = at('grid');
    const workspace = await open();
    const strategies = ['bottom-up:0', 'bottom-up:2'];
    await drain(runGrid({ workspace, strategies, seeds: [1, 2], directory, runScenario }));
    const records: RunRecord[] = [];
    for (const line of (await readFile(join(directory, 'grid.jsonl'), 'utf8')).trim().split('\n')) {
      const file = join(directory, JSON.parse(line).run, 'record.json');
      records.push(parseRunRecord(JSON.parse(await readFile(file, 'utf8')), file));
    }
    expect(records).toHaveLength(4);
    for (const { run, test, tests } of records) {
      expect(Object.keys(tests)).toEqual(['en', 'kk']);
      expect(tests.en).toEqual(test);
      for (const [file, metrics] of [
        ['test', tests.en!],
        ['test-kk', tests.kk!],
      ] as const) {
        const answers = await readPredictions(join(directory, run, 'predictions', `${file}.jsonl`));
        const of = (side: 'gold' | 'predicted') => answers.map((answer) => answer[side]);
        expect(computeMetrics(of('gold'), of('predicted'))).toEqual(metrics);
      }
    }
    const comparisons = await compareWithBaseline(directory, records);
    expect(
      comparisons.map(({ strategy, testSet, score, seeds }) => [strategy, testSet, score, seeds]),
    ).toEqual(
      [null, 'kk'].flatMap((set) => ['macroF1', 'entityF1'].map((score) => ['bottom-up:2', set, score, 2])),
    );
    const mean = (strategy: string, of: (record: RunRecord) => number) => {
      const runs = records.filter(({ scenario }) => scenario.strategy === strategy);
      return runs.reduce((sum, record) => sum + of(record), 0) / runs.length;
    };
    const [macro, , , entityOfKk] = comparisons;
    const difference = (of: (record: RunRecord) => number) =>
      mean('bottom-up:2', of) - mean('bottom-up:0', of);
    expect(macro!.difference).toBeCloseTo(
      difference(({ test }) => test!.macro.f1),
      12,
    );
    expect(entityOfKk!.difference).toBeCloseTo(
      difference(({ tests }) => tests.kk!.entities.micro.f1),
      12,
    );
    for (const { p, adjusted } of comparisons) expect(adjusted).toBeGreaterThanOrEqual(p);
    expect(await compareWithBaseline(directory, records)).toEqual(comparisons);
    await rm(join(directory, records[0]!.run, 'predictions'), { recursive: true });
    const fewer = await compareWithBaseline(directory, records);
    expect(fewer.map(({ seeds }) => seeds)).toEqual([1, 1, 1, 1]);
  });

  it('say which of their types nobody can find', async () => {
    const workspace = await open({ map: ['GPE=LOC'] });
    const directory = at('unmapped');
    const events = await drain(
      runGrid({ workspace, strategies: ['full'], seeds: [1], directory, runScenario }),
    );
    const done = events.at(-1);
    if (done?.type !== 'grid-done') throw new Error('not done');
    expect(done.records[0]!.warnings).toEqual([
      expect.stringMatching(/Test set kk has entity types that the training data lack.*: HUMAN\. Map them/),
    ]);
  });
});

describe('a run whose test sets were left out', () => {
  it('is measured later with the weights that it kept, and trained again to the same bits without them', async () => {
    const workspace = await open();
    const { settings } = workspace;
    const scenario = { strategy: 'bottom-up:1', ...settings };
    const run = async (options: object) => {
      const events = runScenario({ workspace, scenario, seed: 3, ...options });
      for (;;) {
        const next = await events.next();
        if (next.done) return next.value;
      }
    };
    const whole = await run({});
    const directory = at('later');
    const without = await run({ directory, test: false });
    expect([without.test, without.tests]).toEqual([null, {}]);
    const later = await run({ directory });
    expect(later).toEqual({ ...without, test: whole.test, tests: whole.tests });
    expect(await run({ directory })).toEqual(later);

    const other = at('again');
    await run({ directory: other, test: false });
    await rm(join(other, 'best'), { recursive: true });
    const again = await run({ directory: other });
    expect(again.losses.digest).toBe(without.losses.digest);
    expect([again.test, again.tests]).toEqual([whole.test, whole.tests]);
  });
});

describe('a grid over numbers of training sentences', () => {
  it('has a run for each, with the sentences of the smaller in the larger', async () => {
    const workspace = await open();
    const directory = at('sizes');
    const options = { workspace, strategies: ['bottom-up:1'], seeds: [1], directory, runScenario };
    const events = await drain(runGrid({ ...options, trainSizes: [5, 20, 'all'] }));
    const done = events.at(-1);
    if (done?.type !== 'grid-done') throw new Error('not done');
    expect(done.records.map(({ data }) => data.train.sentences)).toEqual([5, 20, 40]);
    expect(done.records.map(({ steps }) => steps)).toEqual([4, 10, 20]);
    expect(new Set(done.records.map(({ data }) => data.digest)).size).toBe(1);
    const again = await drain(runGrid({ ...options, trainSizes: [5, 'all'] }));
    expect(again[0]).toMatchObject({ total: 2, todo: 0, finished: 2 });
    await expect(drain(runGrid({ ...options, trainSizes: [41] }))).rejects.toThrowError(/`trainSizes`/);
  });
});
