import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import type { EnergyCounter } from '../../src/energy/counter.js';
import * as energy from '../../src/energy/energy-counters.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { smallTask } from '../helpers/corpus.js';

// Most machines that test have no counters, some have; the tests decide what this one has.
vi.mock('../../src/energy/energy-counters.js', () => ({ energyCounters: vi.fn() }));

/** A processor that uses 30 J between two readings. */
function fakeCounter(): EnergyCounter {
  let joules = 0;
  const read = () => {
    joules += 30;
    return joules;
  };
  return { part: 'cpu', name: 'fake processor', read, wrapsAt: null };
}

const captured = capturedOutput();
let folder: string;
let directory: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-'));
  directory = join(folder, 'out');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Trains a grid on a machine with these counters, and gives the records of its runs. */
async function paper(counters: () => EnergyCounter[], grid: string[]) {
  vi.mocked(energy.energyCounters).mockImplementation(counters);
  const data = join(folder, 'data.conll');
  const sentences = smallTask().train.map(({ words, tags }) =>
    words.map((word, i) => `${word}\t${tags[i]}\n`).join(''),
  );
  await writeFile(data, sentences.join('\n'));
  const model = ['--shape', 'layers=2,hidden=16,heads=2', '--vocab-size', '400', '--threads', '1'];
  const args = ['paper', '--data', data, '--epochs', '1', ...model, ...grid];
  expect(await main([...args, '--carbon-intensity', '300', '--out', directory, '--json'])).toBe(0);
  const runs = (await readdir(directory)).filter((name) => /-seed-\d+$/.test(name));
  return Promise.all(
    runs.map(async (run) => JSON.parse(await readFile(join(directory, run, 'record.json'), 'utf8'))),
  );
}

describe('permafrost paper', () => {
  it('leaves records, the report as Markdown and as a page, and its figures', async () => {
    const grid = ['--strategies', 'bottom-up:0,bottom-up:1,full', '--seeds', '2'];
    const records = await paper(() => [fakeCounter()], grid);
    const last = JSON.parse(captured.out.trim().split('\n').at(-1)!);
    expect(last).toEqual({
      type: 'report',
      file: join(directory, 'report.md'),
      html: join(directory, 'report.html'),
      figures: ['quality', 'time', 'errors'].map((name) => join(directory, 'figures', `${name}.svg`)),
      directory,
    });
    expect(records).toHaveLength(6);
    for (const { energy } of records) {
      expect(energy).toMatchObject({ carbonIntensity: 300, sources: ['fake processor'] });
      // Whole readings, the first of them at the start; 300 g a kilowatt-hour are 83.3 µg a joule.
      expect(energy.joules).toBeGreaterThan(0);
      expect(energy.joules % 30).toBe(0);
      expect(energy.emissions).toBeCloseTo((energy.joules * 0.3) / 3.6e6, 15);
    }
    const html = await readFile(last.html, 'utf8');
    expect(html.match(/<figure>/g)).toHaveLength(3);
    expect(html).toContain('>bottom-up</h2>');
    // What the best weights answered, and what repeats it.
    expect(html).toContain('>Examples of errors</h2>');
    expect(html).toMatch(/<code>permafrost paper .*--strategies /);
    const markdown = await readFile(last.file, 'utf8');
    expect(markdown).toContain('## bottom-up');
    expect(markdown).toContain('## Energy');
    expect(markdown).not.toContain('Not measured');
    expect(markdown).toContain('g CO2e');
  });

  it('says that energy was not measured where the machine has no counters, and keeps models that are wanted', async () => {
    const grid = ['--strategies', 'bottom-up:1', '--seeds', '1', '--save-models'];
    const [record, ...others] = await paper(() => [], grid);
    expect(others).toEqual([]);
    const card = await readFile(join(directory, record.run, 'best', 'README.md'), 'utf8');
    expect(card).toContain('permafrost paper --data data.conll');
    expect(record.energy).toBeNull();
    const markdown = await readFile(join(directory, 'report.md'), 'utf8');
    expect(markdown).toContain('## bottom-up');
    expect(markdown).toMatch(/## Energy\n\nNot measured/);
    expect(markdown).not.toMatch(/CO2|kJ/);
  });
});
