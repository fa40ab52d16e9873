import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';

const captured = capturedOutput();
let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-search-'));
  const { train, validation, test } = smallTask();
  for (const [name, sentences] of Object.entries({ train, validation, test })) {
    const text = sentences.map(({ words, tags }) => words.map((word, i) => `${word}\t${tags[i]}\n`).join(''));
    await writeFile(at(name), text.join('\n'));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const model = ['--shape', 'layers=2,hidden=16,heads=2', '--vocab-size', '400', '--threads', '1'];
const data = () => ['--train', at('train'), '--validation', at('validation')];
const lines = () =>
  captured.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const scored = async (directory: string) => {
  const found: string[] = [];
  for (const run of (await readdir(directory)).filter((name) => /-seed-\d+$/.test(name))) {
    const record = JSON.parse(await readFile(join(directory, run, 'record.json'), 'utf8'));
    if (record.test !== null) found.push(record.scenario.strategy);
  }
  return found;
};

describe('permafrost search', () => {
  it('answers on its last line, leaves a report, and goes on where there is nothing to do', async () => {
    const directory = at('out');
    const args = [
      'search',
      ...data(),
      '--test',
      at('test'),
      ...model,
      '--frozen-dropout',
      'off',
      '--epochs',
      '2',
    ];
    const search = [...args, '--seeds', '2', '--out', directory, '--json'];
    expect(await main(search)).toBe(0);
    const [start] = lines();
    expect(start).toMatchObject({ type: 'grid-start', total: 6, todo: 6 });
    const answer = lines().at(-1);
    expect(Object.keys(answer)).toEqual(expect.arrayContaining(['best', 'cheapest', 'plans', 'test']));
    expect(answer.plans.map(({ notation }: { notation: string }) => notation)).toEqual([
      'bottom-up:0',
      'bottom-up:1',
      'bottom-up:2',
    ]);
    for (const plan of answer.plans) {
      expect(plan).toMatchObject({ seeds: [42, 43], mean: expect.any(Number), epochs: 2 });
      expect(plan.standardError).toBeGreaterThanOrEqual(0);
    }
    expect(answer).not.toHaveProperty('records');
    // No other plan has seen the test split.
    const named = [...new Set([answer.best, answer.cheapest])];
    expect(Object.keys(answer.test)).toEqual(named);
    expect(new Set(await scored(directory))).toEqual(new Set(named));
    expect((await readdir(join(directory, 'figures'))).sort()).toEqual(['learning-curves.svg', 'pareto.svg']);
    expect(await readFile(join(directory, 'report.md'), 'utf8')).toContain(
      `Best by validation macroF1: ${answer.best}`,
    );

    captured.out = '';
    expect(await main(search)).toBe(0);
    expect(lines()[0]).toMatchObject({ total: 6, todo: 0, finished: 6 });
    expect(lines().at(-1)).toEqual(answer);

    captured.out = '';
    expect(await main([...search, '--batch-size', '3'])).toBe(1);
    expect(lines().at(-1)).toMatchObject({ type: 'error', code: 'RUN_MISMATCH' });
  });

  it('prints a table and a sentence, with folds and halving', async () => {
    const args = ['search', ...data(), ...model, '--epochs', '1', '--max-steps', '9', '--out', at('folds')];
    expect(await main([...args, '--seeds', '1', '--folds', '2', '--halving', '2'])).toBe(0);
    expect(captured.out).toMatch(/Best by validation macroF1: bottom-up:\d/);
    expect(captured.out).toContain('rung');
    const text = await readFile(join(at('folds'), 'report.md'), 'utf8');
    expect(text).toContain('2 folds of training and validation data together');
    expect(text).toContain('Rung 1: 3 plans, 1 training each.');
  });

  it.each([
    [['--depths', '3'], /--depths: the model has 2 layers, got "3"/],
    [['--strategies', 'full', '--depths', '0-1'], /--depths: goes with a direction alone/],
    [['--folds', '1'], /--folds: expected a number of at least 2, got 1/],
    [['--halving', '1'], /--halving: expected a number of at least 2, got 1/],
    [['--map', 'PERS=O'], /--map: no sentence has an entity of type PERS/],
  ])('refuses %j', async (wrong, message) => {
    expect(await main(['search', ...data(), ...model, '--out', at('wrong'), ...wrong])).toBe(2);
    expect(captured.err).toMatch(message);
  });
});

describe('test sets by name', () => {
  it('are measured by train, and by evaluate on the weights that it leaves', async () => {
    const { tags } = smallTask().train.find(({ tags }) => tags.some((tag) => tag !== 'O'))!;
    const type = tags.find((tag) => tag !== 'O')!.slice(2);
    const sets = [
      '--test',
      `one=${at('test')}`,
      '--test',
      `two=${at('validation')}`,
      '--map',
      `${type}=THING`,
    ];
    const args = ['train', ...data(), ...sets, ...model, '--epochs', '1', '--out', at('train-out')];
    expect(await main(args)).toBe(0);
    const record = JSON.parse(await readFile(join(at('train-out'), 'record.json'), 'utf8'));
    expect(Object.keys(record.tests)).toEqual(['one', 'two']);
    expect(record.labels).toContain('B-THING');
    captured.out = '';
    const named = [
      '--data',
      `one=${at('test')}`,
      '--data',
      `two=${at('validation')}`,
      '--map',
      `${type}=THING`,
    ];
    expect(await main(['evaluate', '--model', join(at('train-out'), 'best'), ...named, '--json'])).toBe(0);
    expect(lines().map(({ name, metrics }) => [name, metrics])).toEqual([
      ['one', record.tests.one],
      ['two', record.tests.two],
    ]);
  });

  it('and numbers of training sentences stand in the report of a grid, with what is seen against k = 0', async () => {
    const sets = ['--test', `one=${at('test')}`, '--test', `two=${at('validation')}`];
    const grid = ['--strategies', 'bottom-up:0,bottom-up:2', '--seeds', '2', '--train-sizes', '10,all'];
    const args = [
      'paper',
      ...data(),
      ...sets,
      ...model,
      ...grid,
      '--epochs',
      '2',
      '--out',
      at('paper'),
      '--json',
    ];
    expect(await main(args)).toBe(0);
    expect(lines()[0]).toMatchObject({ total: 8 });
    const { figures } = lines().at(-1);
    for (const name of ['transfer', 'train-sizes'])
      expect(figures).toContain(join(at('paper'), 'figures', `${name}.svg`));
    const text = await readFile(join(at('paper'), 'report.md'), 'utf8');
    for (const part of ['## Differences from k = 0', '## Test sets', '## Fewer training sentences'])
      expect(text).toContain(part);
    expect(text).toMatch(
      /\| bottom-up:2 \| 10 \| two \| entity F1 \| bottom-up:0 \| 2 \| (no difference seen|lower|higher) \(/,
    );
    expect(await main(['paper', ...data(), ...model, '--train-sizes', '10,some'])).toBe(2);
    expect(captured.err).toMatch(/--train-sizes: expected whole numbers above 0 and "all"/);
  });
});
