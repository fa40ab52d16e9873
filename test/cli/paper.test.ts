import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { smallTask } from '../helpers/corpus.js';

let folder: string;
let out: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-'));
  out = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

describe('permafrost paper', () => {
  it('leaves records, the report as Markdown and as a page, and its figures', async () => {
    const data = join(folder, 'data.conll');
    const sentences = smallTask().train.map(({ words, tags }) =>
      words.map((word, i) => `${word}\t${tags[i]}\n`).join(''),
    );
    await writeFile(data, sentences.join('\n'));
    const directory = join(folder, 'out');
    const grid = ['--strategies', 'bottom-up:0,bottom-up:1,full', '--seeds', '2', '--epochs', '1'];
    const args = ['paper', '--data', data, '--shape', 'layers=2,hidden=16,heads=2', '--vocab-size', '400'];
    const engine = ['--threads', '1', '--carbon-intensity', '300', '--out', directory, '--json'];
    expect(await main([...args, ...grid, ...engine])).toBe(0);

    const last = JSON.parse(out.trim().split('\n').at(-1)!);
    expect(last).toEqual({
      type: 'report',
      file: join(directory, 'report.md'),
      html: join(directory, 'report.html'),
      figures: [join(directory, 'figures', 'quality.svg'), join(directory, 'figures', 'time.svg')],
      directory,
    });
    const runs = (await readdir(directory)).filter((name) => /-seed-\d+$/.test(name));
    expect(runs).toHaveLength(6);
    const record = JSON.parse(await readFile(join(directory, runs[0]!, 'record.json'), 'utf8'));
    // Null where the machine has no counters, as in most virtual ones.
    if (record.energy !== null) expect(record.energy).toMatchObject({ carbonIntensity: 300 });
    const html = await readFile(last.html, 'utf8');
    expect(html.match(/<svg/g)).toHaveLength(2);
    expect(html).toContain('<h2>bottom-up</h2>');
    expect(await readFile(last.file, 'utf8')).toContain('## bottom-up');
  });
});
