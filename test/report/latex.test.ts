import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Block, details, facts, heading, paragraph, table } from '../../src/report/blocks.js';
import { reportBlocks } from '../../src/report/document.js';
import { escapeLatex, renderLatex } from '../../src/report/latex.js';
import { summarise } from '../../src/report/summary.js';
import { makeRecord } from './records.js';

const NASTY = 'a_b {50%} & #1 $x$ ^2 ~ \\input{/etc} <i> "q" | −1 ± 2 × 3 → ≥ – …';

/** What a reader of LaTeX takes for commands, with what is escaped left out. */
const bare = (text: string) =>
  text
    .replace(/\\[{}%&#$_]/g, '')
    .replace(/\\text[a-z]+(\{2?\})/g, '')
    .replace(/\$(\\[a-z]+|-)\$/g, '')
    .replace(/\\ldots\{\}/g, '');

describe('LaTeX', () => {
  it('escapes what would be a command', () => {
    expect(bare(escapeLatex(NASTY))).not.toMatch(/[\\{}%&#$_^~<>|"]/);
    expect(escapeLatex('bottom_up & 3%')).toBe('bottom\\_up \\& 3\\%');
    expect(escapeLatex('0.87 ± 0.01')).toBe('0.87 $\\pm$ 0.01');
  });

  it('writes each table once, with rules, a caption of its headings and a label of its own', () => {
    const small = table({ head: ['name', 'F1'], rows: [['k = 0', '0.87']] });
    const report: Block[] = [
      heading(1, 'All'),
      facts([['data', 'demo']]),
      heading(2, 'bottom-up'),
      heading(3, 'Time'),
      small,
      paragraph('Not in it.'),
      heading(2, 'bottom-up'),
      heading(3, 'Time'),
      small,
      details('More', heading(2, 'Rest'), small),
    ];
    const text = renderLatex(report);
    expect([...text.matchAll(/\\caption\{(.*)\}/g)].map(([, caption]) => caption)).toEqual([
      'All',
      'bottom-up: Time',
      'bottom-up: Time',
      'Rest',
    ]);
    const labels = [...text.matchAll(/\\label\{(.*)\}/g)].map(([, label]) => label);
    expect(labels).toEqual(['tab:all', 'tab:bottom-up-time', 'tab:bottom-up-time-2', 'tab:rest']);
    expect(text).toContain(
      '\\begin{tabular}{lr}\n\\toprule\nname & F1 \\\\\n\\midrule\nk = 0 & 0.87 \\\\\n\\bottomrule',
    );
    expect(text).not.toContain('Not in it');
  });

  it('has as many cells in each row as its table has columns', () => {
    const summary = summarise(
      ['bottom-up:0', 'bottom-up:6'].map((strategy) => makeRecord({ strategy, dataset: NASTY })),
    )!;
    const text = renderLatex(reportBlocks(summary));
    const tables = [...text.matchAll(/\\begin\{tabular\}\{(.*)\}\n([\s\S]*?)\\end\{tabular\}/g)];
    expect(tables.length).toBeGreaterThan(4);
    for (const [, form, body] of tables) {
      const columns = form!.startsWith('lp') ? 2 : form!.length;
      for (const row of body!.split('\n').filter((line) => line.endsWith(' \\\\'))) {
        expect(row.split(' & '), row).toHaveLength(columns);
      }
    }
  });

  const engine = ['tectonic', 'pdflatex', 'xelatex'].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  );
  it.skipIf(engine === undefined)('compiles', () => {
    const folder = mkdtempSync(join(tmpdir(), 'permafrost-latex-'));
    try {
      const summary = summarise(
        ['bottom-up:0', 'bottom-up:6'].map((strategy) => makeRecord({ strategy, dataset: NASTY })),
      )!;
      const body = renderLatex(reportBlocks(summary));
      const preamble = '\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n';
      writeFileSync(join(folder, 'all.tex'), `${preamble}${body}\\end{document}\n`);
      const flags = engine === 'tectonic' ? [] : ['-interaction=nonstopmode', '-halt-on-error'];
      execFileSync(engine!, [...flags, 'all.tex'], { cwd: folder, stdio: 'pipe' });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
