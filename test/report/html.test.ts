import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { reportBlocks } from '../../src/report/document.js';
import { stripsOf } from '../../src/report/figures/epoch-curves.js';
import { renderFigures } from '../../src/report/figures/grid-figures.js';
import { renderHtml } from '../../src/report/html.js';
import { summarise } from '../../src/report/summary.js';
import { writeReport } from '../../src/report/write-report.js';
import { makeRecord, type RecordFacts } from './records.js';

function gridOf(...extra: RecordFacts[]) {
  const ranged = ['bottom-up', 'top-down'].flatMap((direction, d) =>
    [0, 6, 12].flatMap((k) =>
      [1, 2].map((seed) => ({
        strategy: `${direction}:${k}`,
        seed,
        secondsPerEpoch: 20 - k + seed + d,
        found: 90 - 5 * k + seed - d,
      })),
    ),
  );
  return summarise([...ranged, { strategy: 'full' }, ...extra].map(makeRecord))!;
}

const marks = (svg: string) => count(svg, /class="pf-mark"/g);
const count = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].length;

describe('the figures', () => {
  it('show quality and time against k, a point for each scenario and measure', async () => {
    const figures = await renderFigures(gridOf());
    expect(figures.map(({ name }) => name)).toEqual(['quality', 'time', 'learning-curves']);
    const [quality, time] = figures.map(({ svg }) => svg);
    for (const svg of [quality!, time!]) {
      expect(svg).toMatch(/^<svg[^>]*>.*<\/svg>$/s);
      expect(svg).toContain('frozen layers k');
      expect(svg).toContain('bottom-up');
      expect(svg).toContain('top-down');
      expect(svg).toContain('full');
      expect(svg).not.toMatch(/NaN|undefined|null/);
    }
    // Six scenarios with a k and one without in two panels; in the first one the paper's six as well.
    expect(marks(time!)).toBe(14);
    expect(marks(quality!)).toBe(20);
    expect(quality).toContain('bottom-up, paper');
    expect(figures[0]!.caption).toContain('CoNLL-2003');
    expect(time).not.toContain(', paper');
  });

  it('carry the numbers of their marks, in the order of the marks', () => {
    for (const { svg, narrow, points, description } of renderFigures(gridOf())) {
      for (const drawn of [svg, narrow]) {
        const titles = [...drawn.matchAll(/data-point="(\d+)"[^>]*><title>([^<]*)<\/title>/g)];
        expect(titles.map(([, index, label]) => [Number(index), label])).toEqual(
          points.map(({ label }, index) => [index, label]),
        );
      }
      expect(description).toContain(points[0]!.label);
    }
    const [quality] = renderFigures(gridOf());
    const { scenarios } = gridOf();
    const [first] = quality!.points;
    expect(first).toMatchObject({ panel: 'macro F1', series: 'bottom-up', x: 0 });
    expect(first!.y).toBe(scenarios.find(({ strategy }) => strategy === 'bottom-up:0')!.scores.macroF1.mean);
  });

  it('draw the deviation over seeds only where there are several', () => {
    const bands = /class="[^"]*pf-interval"/g;
    const [, several] = renderFigures(gridOf());
    // A band for each direction in each of two panels.
    expect(count(several!.svg, bands)).toBe(4);
    const single = summarise([
      makeRecord({ strategy: 'bottom-up:0' }),
      makeRecord({ strategy: 'bottom-up:6' }),
    ])!;
    const [, one] = renderFigures(single);
    expect(count(one!.svg, bands)).toBe(0);
    expect(marks(one!.svg)).toBe(4);
  });

  it('have no time of a scenario that read what another run computed', async () => {
    const facts = [{ strategy: 'bottom-up:0' }, { strategy: 'bottom-up:6' }];
    const borrowed = { strategy: 'bottom-up:12', keptPrefix: 12, borrowed: 30 };
    const figuresOf = (records: RecordFacts[]) => renderFigures(summarise(records.map(makeRecord))!);
    const [, time] = await figuresOf([...facts, borrowed]);
    expect(time!.caption).toContain('Left out');
    expect(marks(time!.svg)).toBe(4);
    expect((await figuresOf([borrowed])).map(({ name }) => name)).not.toContain('time');
  });

  it('are the same text for the same runs', async () => {
    expect(await renderFigures(gridOf())).toEqual(await renderFigures(gridOf()));
  });

  it('are the learning curves alone where nothing has a k, and none where there is one epoch', async () => {
    const figuresOf = async (facts: RecordFacts) =>
      (await renderFigures(summarise([makeRecord(facts)])!)).map(({ name }) => name);
    expect(await figuresOf({ strategy: 'full' })).toEqual(['learning-curves']);
    expect(await figuresOf({ strategy: 'full', epochs: 1 })).toEqual([]);
  });

  it('show what was frozen behind the learning curves, from stage to stage', async () => {
    const record = makeRecord({ strategy: 'bottom-up:9', epochs: 3 });
    const stage = (number: number, frozen: number, step: number) => ({
      stage: number,
      epoch: number,
      step,
      plan: { embeddings: true, layers: record.plan.layers.map((_, layer) => layer < frozen) },
      reason: 'a test',
      scores: [],
    });
    const stages = [stage(1, 9, 0), stage(2, 6, 10), stage(3, 0, 15)];
    const changing = { ...record, stages, scenario: { ...record.scenario, strategy: 'plateau:9,6,0' } };
    const figures = await renderFigures(summarise([changing, record])!);
    const curves = figures.find(({ name }) => name === 'learning-curves')!.svg;
    // Thirty steps in three epochs: the second stage begins after the first epoch, the third within the second.
    expect(stripsOf(changing).map(({ from, to, text }) => [from, to, text])).toEqual([
      [0, 1, '9 frozen'],
      [1, 1.5, '6 frozen'],
      [1.5, 3, '0 frozen'],
    ]);
    expect(stripsOf(record).map(({ from, to, share }) => [from, to, share])).toEqual([[0, 3, 0.75]]);
    expect(count(curves, /class="pf-strip"/g)).toBe(4);
    expect(curves).toContain('plateau:9,6,0');
  });

  it('show every test set and every number of training sentences that was measured', async () => {
    const facts = [0, 6].map((k) => ({ strategy: `bottom-up:${k}` }));
    const transfer = facts.map(makeRecord).map((record) => ({
      ...record,
      tests: { en: record.test!, kk: record.test! },
    }));
    const small = facts.map(makeRecord).map((record) => ({
      ...record,
      run: `${record.run}-small`,
      scenario: { ...record.scenario, trainSize: 5 },
      data: { ...record.data, train: { ...record.data.train, sentences: 5 } },
    }));
    const figures = await renderFigures(summarise([...transfer, ...small])!);
    expect(figures.map(({ name }) => name)).toEqual([
      'quality',
      'time',
      'transfer',
      'train-sizes',
      'learning-curves',
    ]);
    const points = figures.map(({ svg }) => marks(svg));
    // Two measures of two scenarios, on two test sets and at two numbers of sentences.
    expect(points.slice(2, 4)).toEqual([8, 8]);
  });
});

describe('report.html', () => {
  it('holds its figures and every table, and a policy that forbids all else', async () => {
    const summary = gridOf();
    const html = renderHtml(reportBlocks(summary, renderFigures(summary)));
    // Each for a page and for a phone.
    expect(count(html, /<svg[^>]*role="img"/g)).toBe(6);
    expect(count(html, /<table/g)).toBe(count(html, /<\/table>/g));
    expect(html).toContain('<th scope="col" class="n">× bound</th>');
    expect(html).toContain('10.37943/220XKY5402');
    expect(html).not.toMatch(/<link|<img|\ssrc=|@import|url\(|\sstyle=|\son\w+=/);
    const rows = html.split('>Every run</h2>')[1]!.split('</table>')[0]!;
    expect(count(rows, /<tr>/g)).toBe(1 + summary.records.length);
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)![1]!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
  });

  it('lists its sections, each under a name of its own', () => {
    const html = renderHtml(reportBlocks(gridOf()));
    const links = [...html.matchAll(/<li><a href="#([^"]+)">/g)].map(([, id]) => id!);
    expect(links.length).toBeGreaterThan(5);
    expect(new Set(links).size).toBe(links.length);
    for (const id of links) expect(html).toContain(`<h2 id="${id}">`);
  });

  it('shows names as they are, not as markup', () => {
    const summary = summarise([makeRecord({ strategy: 'full', dataset: '<b onclick="x">&' })])!;
    const html = renderHtml(reportBlocks(summary));
    expect(html).not.toContain('<b onclick');
    expect(html).toContain('&lt;b onclick=&quot;x&quot;&gt;&amp;');
  });
});

describe('writeReport', () => {
  it('leaves Markdown, page and figures, and no other file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'permafrost-report-'));
    try {
      const files = await writeReport(directory, gridOf());
      const left = await readdir(directory, { recursive: true });
      expect(left.sort()).toEqual([
        'figures',
        join('figures', 'learning-curves.svg'),
        join('figures', 'quality.svg'),
        join('figures', 'time.svg'),
        'report.html',
        'report.md',
      ]);
      const svg = await readFile(files.figures[0]!, 'utf8');
      expect(await readFile(files.html, 'utf8')).toContain(svg);
      expect(await readFile(files.markdown, 'utf8')).toMatch(/^# Layer freezing: model mini, data demo\n/);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
