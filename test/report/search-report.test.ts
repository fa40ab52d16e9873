import { describe, expect, it } from 'vitest';
import { rungsOf, unitsOf } from '../../src/experiment/search/rungs.js';
import type { SearchResult } from '../../src/experiment/search/search.js';
import { judge } from '../../src/experiment/search/verdict.js';
import { withFigures } from '../../src/report/blocks.js';
import { renderHtml } from '../../src/report/html.js';
import { renderMarkdown } from '../../src/report/markdown.js';
import { searchReport, searchVerdict } from '../../src/report/search-report.js';
import { makeRecord } from './records.js';

/** Plans of which the deeper ones find a little less; the deepest far less. */
function result(joules?: number): SearchResult {
  const plans = [0, 6, 12].map((k) => `bottom-up:${k}`);
  const runs = plans.map((strategy, index) =>
    [1, 2, 3].map((seed) =>
      makeRecord({
        strategy,
        seed,
        found: [90, 90 - seed, 20][index]!,
        secondsToStop: 60 - 20 * index,
        ...(joules && { joules: joules - 100 * index }),
      }),
    ),
  );
  const verdict = judge(runs);
  return {
    ...verdict,
    plans: verdict.plans.map((plan) => ({ ...plan, rung: 1 })),
    metric: 'macroF1',
    rungs: rungsOf(3, unitsOf([1, 2, 3], null), null),
    test: { 'bottom-up:0': { macroF1: 0.7, entityF1: 0.8 } },
    records: runs.flat(),
  };
}

describe('the report of a search', () => {
  it('names the best and the cheapest, with what all plans are worth', async () => {
    const { blocks } = await searchReport(result());
    const text = renderMarkdown(blocks);
    expect(text).toContain('# How many layers to freeze: model mini, data demo');
    expect(text).toContain('Best by validation macroF1: bottom-up:0');
    const rows = text.split('\n').filter((line) => line.startsWith('| bottom-up:'));
    expect(rows[0]).toMatch(/\| bottom-up:0 \| 0\.\d{4} \| 0\.0000 \| – \|.*\| 0\.8000 \/ 0\.7000 \| best/);
    expect(rows[1]).toMatch(
      /\| bottom-up:6 \| 0\.\d{4} \| 0\.\d{4} \| −0\.\d{4} \(−0\.\d{4} to [−+]0\.\d{4}\) \|/,
    );
    expect(rows[2]).toMatch(/\| – \|/);
    expect(text).not.toContain('Rung');
  });

  it('says what share of the cost the cheapest has', () => {
    const { plans, ...rest } = result();
    const named = { ...rest, plans, cheapest: 'bottom-up:6' };
    expect(searchVerdict(named)).toMatch(
      /bottom-up:6, 0\.\d{4}, at 0\.67 of its steps' cost; difference −0\.\d{4}/,
    );
    expect(searchVerdict({ ...named, cheapest: 'bottom-up:0' })).toContain(
      'It is the cheapest within tolerance, too.',
    );
  });

  it('draws quality against seconds, and against joules where they were measured', async () => {
    const points = (svg: string) => [...svg.matchAll(/class="pf-mark"/g)].length;
    const { blocks, figures } = await searchReport(result());
    expect(figures.map(({ name }) => name)).toEqual(['pareto', 'learning-curves']);
    expect(points(figures[0]!.svg)).toBe(3);
    expect(points((await searchReport(result(900))).figures[0]!.svg)).toBe(6);
    expect(renderHtml(withFigures(blocks, figures))).toContain('<svg');
    expect(figures[0]!.svg).not.toMatch(/NaN|undefined/);
  });

  it('tells the rungs of a halving', async () => {
    const { rungs: _, ...rest } = result();
    const halved = { ...rest, rungs: rungsOf(3, unitsOf([1, 2, 3], null), 3) };
    const text = renderMarkdown((await searchReport(halved)).blocks);
    expect(text).toContain('Rung 1: 3 plans, 1 training each.');
    expect(text).toContain('Rung 2: 2 plans, 3 trainings each.');
  });
});
