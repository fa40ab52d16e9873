import { describe, expect, it } from 'vitest';
import { figuresOf, withFigures } from '../../src/report/blocks.js';
import { reportBlocks } from '../../src/report/document.js';
import { renderFigures } from '../../src/report/figures/grid-figures.js';
import { renderHtml } from '../../src/report/html.js';
import { renderMarkdown } from '../../src/report/markdown.js';
import { SCENARIOS, syntheticGrid } from './grid.js';

const summary = syntheticGrid({ seeds: 2, corpus: 'demo', sentences: 60 });
const blocks = reportBlocks(summary, renderFigures(summary));
const markdown = renderMarkdown(blocks);
const html = renderHtml(blocks);

/** The text of one section of report.md. */
const sectionOf = (title: string) => markdown.split(`\n## ${title}\n`)[1]!.split('\n## ')[0]!;
const rowsOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));

describe('a report with predictions', () => {
  it('says the same sections as text and as a page', () => {
    const titles = [...markdown.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    const onPage = [...html.matchAll(/<h2 id="[^"]*">([^<]*)<\/h2>/g)].map(([, title]) => title);
    expect(titles).toEqual(onPage);
    expect(titles).toContain('Examples of errors');
    expect(titles.slice(-4)).toEqual([
      'What was not run',
      'What was trained',
      'Every run',
      'How to read the tables',
    ]);
  });

  it('has scores by type with the number of entities, the rarest last', () => {
    const [head, , ...rows] = rowsOf(sectionOf('Scores by type').split('<details>')[0]!);
    expect(head).toEqual(['type', 'entities', ...SCENARIOS]);
    const { types } = summary.whole[0]!.test!.entities;
    expect(rows.map(([type]) => type).sort()).toEqual(Object.keys(types).sort());
    const supports = rows.map(([, entities]) => Number(entities));
    expect(supports).toEqual([...supports].sort((a, b) => b - a));
    expect(supports[0]).toBe(types[rows[0]![0]!]!.support);
    const f1 = summary.whole
      .filter(({ scenario }) => scenario.strategy === SCENARIOS[0])
      .map(({ test }) => test!.entities.types[rows[0]![0]!]!.f1);
    const mean = f1.reduce((sum, value) => sum + value, 0) / f1.length;
    expect(rows[0]![2]).toMatch(new RegExp(`^${mean.toFixed(3)} ± `));
  });

  it('has ten examples as text, with who answers what, and says how many there are', () => {
    const text = sectionOf('Examples of errors');
    const { wrong, examples, sentences } = summary.examples!;
    expect(text).toContain(
      `${wrong} of ${sentences} sentences are not right in at least one of 11 scenarios`,
    );
    const rows = rowsOf(text).slice(2);
    expect(rows).toHaveLength(10);
    expect(rows[0]![0]).toBe(examples[0]!.source);
    expect(rows[0]![1]).toContain('[');
    expect(html.match(/<li data-a=/g)).toHaveLength(examples.length);
  });

  it('places every figure once, and those without a place behind the title', () => {
    const figures = renderFigures(summary);
    expect(
      figuresOf(blocks)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(figures.map(({ name }) => name).sort());
    const [, second] = withFigures(reportBlocks(summary), figures);
    expect(second).toEqual({ type: 'figure', figure: figures[0] });
  });

  it('has the command that repeats it, and the energy that it took', () => {
    expect(markdown).toContain("```sh\npermafrost paper --preset demo-kk --out 'a grid'\n```");
    expect(html).toContain("<code>permafrost paper --preset demo-kk --out 'a grid'</code>");
    expect(sectionOf('Energy')).toContain('| k = 12 |');
    expect(sectionOf('Energy')).not.toContain('Not measured');
  });
});
