import { describe, expect, it } from 'vitest';
import type { Comparison } from '../../src/experiment/comparisons.js';
import { reportBlocks } from '../../src/report/document.js';
import { renderFigures } from '../../src/report/figures/grid-figures.js';
import { renderMarkdown } from '../../src/report/markdown.js';
import { summarise } from '../../src/report/summary.js';
import { renderTerminal } from '../../src/report/terminal.js';
import { makeRecord, type RecordFacts } from './records.js';

const DEPTHS = [0, 3, 6, 9, 12];

function gridOf(...extra: RecordFacts[]) {
  const ranged = ['bottom-up', 'top-down'].flatMap((direction) =>
    DEPTHS.flatMap((k) =>
      [1, 2].map((seed) => ({
        strategy: `${direction}:${k}`,
        seed,
        secondsPerEpoch: 20 - k + seed,
        found: 90 - 5 * k + seed,
      })),
    ),
  );
  const facts: RecordFacts[] = [...ranged, { strategy: 'full' }, { strategy: 'interleaved' }, ...extra];
  const planned = { strategies: [...new Set(facts.map(({ strategy }) => strategy))], seeds: [1, 2] };
  return summarise(facts.map(makeRecord), { planned })!;
}

/** The tables of a Markdown text, each as rows of cells without the rule under the head. */
function tablesOf(markdown: string): string[][][] {
  const blocks = markdown.split('\n\n').filter((block) => block.startsWith('|'));
  return blocks.map((block) =>
    block
      .trim()
      .split('\n')
      .filter((_, line) => line !== 1)
      .map((line) => line.slice(2, -2).split(/ \| /)),
  );
}

/** A comparison in which nothing is seen, but for the facts. */
const comparison = (facts: Partial<Comparison>): Comparison => ({
  score: 'entityF1',
  strategy: 'bottom-up:6',
  baseline: 'bottom-up:0',
  trainSize: null,
  testSet: null,
  difference: -0.0012,
  low: -0.0043,
  high: 0.0021,
  p: 0.4,
  adjusted: 0.61,
  seeds: 3,
  sentences: 300,
  ...facts,
});

describe('report.md', () => {
  const markdown = renderMarkdown(reportBlocks(gridOf()));
  const tables = tablesOf(markdown);

  it('has cells for every column in every row', () => {
    expect(tables.length).toBeGreaterThanOrEqual(9);
    for (const table of tables) {
      for (const row of table) expect(row, row.join('|')).toHaveLength(table[0]!.length);
    }
  });

  it('has one table of times a strategy, by k, with full and interleaved behind', () => {
    const times = tables.filter(([head]) => head?.includes('× bound'));
    expect(times).toHaveLength(2);
    for (const [, ...rows] of times) {
      expect(rows.map(([name]) => name)).toEqual([
        'k = 0',
        'k = 3',
        'k = 6',
        'k = 9',
        'k = 12',
        'full',
        'interleaved',
      ]);
    }
  });

  it("sets measured factors beside the bound and the paper's", () => {
    const [head, ...rows] = tables.find(([titles]) => titles?.includes('× bound'))!;
    const cell = (name: string, title: string) =>
      rows.find(([first]) => first === name)?.[head!.indexOf(title)];
    expect(cell('k = 6', '× faster, epoch')).toBe('1.39');
    expect(cell('k = 6', '× bound')).toBe('1.50');
    expect(cell('k = 6', '× paper')).toBe('1.59');
    expect(cell('k = 0', '× faster, epoch')).toBe('1.00');
    expect(cell('interleaved', '× paper')).toBe('–');
    expect(cell('k = 6', 's/epoch')).toBe('15.5 ± 0.71');
    expect(cell('full', 's/epoch')).toBe('10.0');
  });

  it('shows what keeping the outputs of frozen layers gives, where they were kept', () => {
    expect(markdown).not.toContain('× bound, prefix kept');
    const kept = gridOf({ strategy: 'bottom-up:8', secondsPerEpoch: 8, keptPrefix: 8 });
    const text = renderMarkdown(reportBlocks(kept));
    const [head, ...rows] = tablesOf(text).find(([titles]) => titles?.includes('× bound, prefix kept'))!;
    const row = rows.find(([name]) => name === 'k = 8')!;
    // The first epoch computes what the later ones read: each stands by itself, its factor beside its own bound.
    const cells = (from: string, count: number) =>
      row.slice(head!.indexOf(from), head!.indexOf(from) + count);
    expect(cells('s, first epoch', 2)).toEqual(['8.00', '0.80']);
    expect(head).not.toContain('s/epoch');
    expect(head!.slice(head!.indexOf('× faster, first epoch')).slice(0, 4)).toEqual([
      '× faster, first epoch',
      '× bound',
      '× faster, later epochs',
      '× bound, prefix kept',
    ]);
    expect(cells('× faster, first epoch', 4)).toEqual([
      (21 / 8).toFixed(2),
      '1.80',
      (21 / 0.8).toFixed(1),
      '3.00',
    ]);
    expect(text).toContain('bottom-up:8: outputs computed once');
  });

  it('marks times that lack the work of another run, gives them no factor, and says why', () => {
    const borrowing = gridOf({ strategy: 'bottom-up:8', secondsPerEpoch: 8, keptPrefix: 8, borrowed: 30 });
    const text = renderMarkdown(reportBlocks(borrowing));
    const times = tablesOf(text).find(([titles]) => titles?.includes('s, first epoch'))!;
    const [head, ...rows] = times;
    const row = rows.find(([name]) => name === 'k = 8')!;
    expect(row[head!.indexOf('s, first epoch')]).toBe('8.00 (cache of another run)');
    expect(row[head!.indexOf('s, later epochs')]).toBe('0.80');
    expect(row[head!.indexOf('× faster, first epoch')]).toBe('–');
    expect(row[head!.indexOf('× faster, to stop')]).toBe('–');
    expect(text).toContain('1 of 23 runs read outputs of frozen layers that another run');
    expect(renderTerminal(borrowing)).toContain('1 of 23 runs');
    expect(markdown).not.toContain('lack work');
  });

  it("sets scores beside the paper's", () => {
    const [head, ...rows] = tables.find(([titles]) => titles?.includes('macro F1'))!;
    const k12 = rows.find(([first]) => first === 'k = 12')!;
    expect(k12[head!.indexOf('macro F1') + 1]).toBe('0.50');
    expect(k12[head!.indexOf('accuracy')]).toMatch(/^0\.\d{4} ± 0\.\d{4}$/);
    expect(k12.at(-1)).toBe('1.0 M (50.0%)');
  });

  it('shows the rarest labels with their number of words', () => {
    const [head, first] = tables.find(([titles]) => titles?.[0] === 'label')!;
    expect(head).toEqual([
      'label',
      'words',
      'k = 0',
      'k = 3',
      'k = 6',
      'k = 9',
      'k = 12',
      'full',
      'interleaved',
    ]);
    expect(first?.slice(0, 2)).toEqual(['B-LOC', '1']);
  });

  it('has a row for every run', () => {
    expect(tables.at(-1)).toHaveLength(1 + 22);
  });

  it('names hardware, source, cut words and what was not run', () => {
    expect(markdown).toContain('Test CPU');
    expect(markdown).toContain('NVIDIA A100 40 GB');
    expect(markdown).toContain('10.37943/220XKY5402');
    expect(markdown).toContain('2 cut at the maximum length');
    expect(markdown).toContain('full: not run with seed 2.');
    expect(markdown).toContain('Pretrained weights were not used');
    expect(markdown).toContain('Repeats: 2 of the 3');
  });

  it('warns where runs come from different machines', () => {
    const mixed = renderMarkdown(
      reportBlocks(gridOf({ strategy: 'only:embeddings', cpuModel: 'Other CPU' })),
    );
    expect(mixed).toContain('different machines');
    expect(markdown).not.toContain('different machines');
  });

  it('has a table of energy where it was measured, and none elsewhere', () => {
    const facts = ['bottom-up:0', 'bottom-up:6'].flatMap((strategy, i) =>
      [1, 2].map((seed) => ({ strategy, seed, joules: 3000 * (i + 1) })),
    );
    const measured = renderMarkdown(reportBlocks(summarise(facts.map(makeRecord))!));
    const [head, ...rows] = tablesOf(measured).find(([titles]) => titles?.includes('kJ'))!;
    expect(head).toEqual(['frozen', 'kJ', 'J per 1,000 tokens', 'W', 'W idle', 'g CO2e']);
    expect(rows).toEqual([
      ['k = 0', '3.00 ± 0.00', '1000 ± 0.00', '30.0 ± 0.0', '7.0 ± 0.0', '0.300 ± 0.00'],
      ['k = 6', '6.00 ± 0.00', '2000 ± 0.00', '60.0 ± 0.0', '7.0 ± 0.0', '0.600 ± 0.00'],
    ]);
    expect(markdown).not.toContain('### Energy');
  });

  it('is the same text for the same runs', () => {
    expect(renderMarkdown(reportBlocks(gridOf()))).toBe(markdown);
  });

  it('keeps its tables whole when a name holds the characters that draw them', () => {
    const summary = summarise([makeRecord({ strategy: 'full', dataset: 'my|data\n# x' })])!;
    expect(renderMarkdown(reportBlocks(summary))).toContain('my\\|data # x');
  });

  it('says that there are no factors without k = 0', () => {
    const summary = summarise([makeRecord({ strategy: 'bottom-up:6' })])!;
    expect(renderMarkdown(reportBlocks(summary))).toContain('k = 0 was not run');
  });
});

describe('what could mislead', () => {
  const textOf = (...facts: RecordFacts[]) => renderMarkdown(reportBlocks(summarise(facts.map(makeRecord))!));

  it('the title names model and data, and the files where the name is a part of the data', () => {
    expect(textOf({ strategy: 'full' })).toMatch(/^# Layer freezing: model mini, data demo\n/);
    const record = makeRecord({ strategy: 'full' });
    const dataset = {
      source: 'files',
      name: 'train',
      train: 'train.txt',
      validation: 'dev.txt',
      test: null,
    } as const;
    const named = summarise([{ ...record, scenario: { ...record.scenario, dataset } }])!;
    expect(renderMarkdown(reportBlocks(named))).toMatch(
      /^# Layer freezing: model mini, data train.txt, dev.txt\n/,
    );
  });

  it('the card has its name, and the processor is not taken for it', () => {
    const named = textOf({ strategy: 'full', card: 'NVIDIA H100 80GB HBM3' });
    expect(named).toContain('cuda:0: NVIDIA H100 80GB HBM3; processor: Test CPU');
    expect(textOf({ strategy: 'full', card: null })).toContain(
      'cuda:0: a card that the record does not name',
    );
    expect(textOf({ strategy: 'full' })).toContain('cpu: Test CPU');
  });

  it('figures of the paper beside a model of another depth say of which depth they are', () => {
    const other = textOf({ strategy: 'bottom-up:0', layers: 24 }, { strategy: 'bottom-up:12', layers: 24 });
    expect(other).toContain(
      'This model has 24 layers and the paper’s has 12: depths are matched by their share',
    );
    const rows = tablesOf(other).flatMap((table) => table.filter(([name]) => name === 'k = 12'));
    expect(rows[0]).toContain('1.59 (6 of 12)');
    expect(rows[1]).toContain('0.87 (6 of 12)');
    expect(textOf({ strategy: 'bottom-up:6' })).not.toMatch(/of 12\)|matched by their share/);
    const figures = (layers: number) =>
      renderFigures(summarise([0, 6].map((k) => makeRecord({ strategy: `bottom-up:${k}`, layers })))!);
    expect(figures(24)[0]!.caption).toContain('This model has 24 layers');
    expect(figures(12)[0]!.caption).not.toContain('This model has');
  });

  it('a schedule has no bound, and its parameters are those of its end', () => {
    const text = textOf({ strategy: 'bottom-up:0' }, { strategy: 'plateau:9,0', plan: 'bottom-up:9' });
    const [head, ...rows] = tablesOf(text).find(([titles]) => titles?.includes('× bound'))!;
    const row = rows.find(([name]) => name === 'plateau:9,0')!;
    expect(row[head!.indexOf('× bound')]).toBe('none (changes)');
    expect(text).toContain('1.0 M (50.0%, at the end)');
  });
});

describe('terminal table', () => {
  const text = renderTerminal(gridOf());

  it('has a table a strategy, without colours', () => {
    expect(text.match(/k = 6/g)).toHaveLength(2);
    expect(text.match(/│ interleaved/g)).toHaveLength(2);
    expect(text).not.toContain('\u001b');
  });

  it('draws lines of one width', () => {
    const widths = text
      .split('\n')
      .filter((line) => line.startsWith('│') && line.includes('k = '))
      .map((line) => line.length);
    expect(new Set(widths.slice(0, 5)).size).toBe(1);
  });

  it.each([60, 80, 100, 146])('fits %i columns, and every cell of the wide one is still there', (columns) => {
    const kept = gridOf({ strategy: 'bottom-up:8', keptPrefix: 8, borrowed: 30 });
    const comparisons = [comparison({})];
    const summary = summarise(kept.records, { comparisons })!;
    const drawn = (text: string) => text.split('\n').filter((line) => /^[│┌├└]/.test(line));
    const narrow = renderTerminal(summary, columns);
    expect(Math.max(...drawn(narrow).map((line) => line.length))).toBeLessThanOrEqual(columns);
    const words = (text: string) => new Set(drawn(text).flatMap((line) => line.split(/[│\s]+/)));
    const missing = [...words(renderTerminal(summary, 1000))].filter((word) => !words(narrow).has(word));
    expect(missing.filter((word) => !/^[┌├└─┬┼┴┐┤┘]+$/.test(word))).toEqual([]);
  });
});

describe('differences from k = 0', () => {
  const records = gridOf().records;
  const textOf = (...comparisons: Comparison[]) =>
    renderMarkdown(reportBlocks(summarise(records, { comparisons })!));

  it('are told in words, and never as being equal', () => {
    const text = textOf(
      comparison({}),
      comparison({ strategy: 'bottom-up:12', difference: -0.31, low: -0.33, high: -0.29, adjusted: 0.0004 }),
      comparison({ strategy: 'top-down:3', difference: 0.02, low: 0.004, high: 0.03, adjusted: 0.04 }),
    );
    expect(text).toContain('## Differences from k = 0');
    expect(text).toContain(
      'no difference seen (difference −0.0012, 95% interval −0.0043 to +0.0021, p = 0.610)',
    );
    expect(text).toContain('lower (difference −0.3100, 95% interval −0.3300 to −0.2900, p \\< 0.001)');
    expect(text).toContain('higher (difference +0.0200, 95% interval +0.0040 to +0.0300, p = 0.040)');
    expect(text.split('## Differences from k = 0')[1]!.split('\n## ')[0]).not.toMatch(/equal|same quality/);
  });

  it('of one seed are said to rest on sentences alone', () => {
    expect(textOf(comparison({ seeds: 1 }))).toContain('There is one seed, so sentences alone are drawn');
    expect(textOf(comparison({}))).not.toContain('sentences alone');
  });

  it('name the test set and the number of sentences where these differ', () => {
    const text = textOf(comparison({ testSet: 'kk' }), comparison({ trainSize: 50 }));
    expect(text).toMatch(/\| frozen \| sentences \| test set \| score \|/);
    expect(text).toContain('| bottom-up:6 | 50 | first | entity F1 | bottom-up:0 |');
    expect(text).toContain('| bottom-up:6 | all | kk | entity F1 | bottom-up:0 |');
  });

  it('have no part where none was made', () => {
    expect(textOf()).not.toContain('Differences from k = 0');
  });
});

describe('test sets and numbers of training sentences', () => {
  const facts: RecordFacts[] = [0, 6].flatMap((k) =>
    [1, 2].map((seed) => ({ strategy: `bottom-up:${k}`, seed, found: 80 - k - seed })),
  );

  it('have a table each, with a row a scenario and a row a number', () => {
    const whole = facts.map(makeRecord).map((record) => ({
      ...record,
      tests: { en: record.test!, kk: makeRecord({ strategy: 'full', found: 10 }).test! },
    }));
    const small = facts
      .map((fact) => makeRecord({ ...fact, found: 20 }))
      .map((record) => ({
        ...record,
        run: `${record.run}-small`,
        scenario: { ...record.scenario, trainSize: 4 },
        data: { ...record.data, train: { ...record.data.train, sentences: 4 } },
        tests: {},
      }));
    const planned = {
      strategies: ['bottom-up:0', 'bottom-up:6'],
      seeds: [1, 2],
      trainSizes: [4, 7, 'all'] as const,
    };
    const summary = summarise([...small, ...whole], { planned })!;
    expect(summary.scenarios[0]!.scores.accuracy.mean).toBe(
      summarise(whole)!.scenarios[0]!.scores.accuracy.mean,
    );
    const markdown = renderMarkdown(reportBlocks(summary));
    const tables = tablesOf(markdown);
    const transfer = tables.find(([head]) => head?.includes('kk: entity F1'))!;
    expect(transfer.map(([name]) => name)).toEqual(['frozen', 'bottom-up:0', 'bottom-up:6']);
    const sizes = tables.filter(([head]) => head?.[0] === 'training sentences');
    expect(sizes).toHaveLength(2);
    expect(sizes[0]!.map(([size]) => size)).toEqual(['training sentences', '4', '10']);
    expect(markdown).toContain('bottom-up:0, 7 sentences: not run with seeds 1, 2.');
    const every = markdown.split('## Every run')[1]!;
    expect(every).toContain('| bottom-up:0 | 4 sentences | 1 |');
    expect(every).toContain('| bottom-up:0 | all | 1 |');
  });

  it('have no table where there is one of each', () => {
    const text = renderMarkdown(reportBlocks(summarise(facts.map(makeRecord))!));
    expect(text).not.toContain('## Test sets');
    expect(text).not.toContain('Fewer training sentences');
  });
});
