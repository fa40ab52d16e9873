import { describe, expect, it } from 'vitest';
import { detailRange } from '../../src/report/figures/axis.js';
import { drawBars } from '../../src/report/figures/bars.js';
import { drawChart } from '../../src/report/figures/chart.js';
import type { Figure } from '../../src/report/figures/figure.js';
import { renderFigures } from '../../src/report/figures/grid-figures.js';
import { linePanels } from '../../src/report/figures/lines.js';
import {
  type Box,
  overlaps,
  placeBeside,
  spreadLabels,
  textWidth,
} from '../../src/report/figures/text-layout.js';
import { seriesStyle } from '../../src/report/figures/theme.js';
import { summarise } from '../../src/report/summary.js';
import { makeRecord } from './records.js';

/** Lines that all end at nearly the same height. */
function crowded(names: readonly string[]): Figure {
  const points = names.flatMap((series, index) =>
    [0, 3, 6, 9, 12].map((x) => {
      const mean = 0.9 + 0.0001 * index - 0.001 * x;
      return { x, series, measure: 'entity F1', mean, low: mean - 0.002, high: mean + 0.002 };
    }),
  );
  const panels = linePanels({ points, x: { label: 'k' }, y: { label: 'score', range: 'detail' } });
  return drawChart({ name: 'crowded', title: 'A title', caption: 'A caption.', panels });
}

/** The texts of a figure that stand in no group that is moved, with the room that they take. */
function textBoxes(svg: string): (Box & { text: string })[] {
  const outside = svg.replace(/<g [^>]*class="pf-mark"[\s\S]*?<\/g>/g, '');
  return [...outside.matchAll(/<text x="([-\d.]+)" y="([-\d.]+)"([^>]*)>([^<]*)<\/text>/g)].map(
    ([, x, y, rest, text]) => {
      const size = Number(/font-size="(\d+)"/.exec(rest!)![1]);
      const width = textWidth(text!, size);
      const anchor = /text-anchor="(\w+)"/.exec(rest!)?.[1];
      const left = Number(x) - (anchor === 'end' ? width : anchor === 'middle' ? width / 2 : 0);
      return { text: text!, x: left, y: Number(y) - 0.8 * size, width, height: size };
    },
  );
}

const k = (depths: readonly number[], found: (k: number) => number) =>
  summarise(depths.map((depth) => makeRecord({ strategy: `bottom-up:${depth}`, found: found(depth) })))!;

describe('a figure', () => {
  it('stands alone: named, described, light and dark, without a reference to anything', () => {
    const { svg, narrow, description } = crowded(['a', 'b']);
    for (const drawn of [svg, narrow]) {
      expect(drawn).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^>]*role="img"/);
      const [, ids] = /aria-labelledby="([^"]*)"/.exec(drawn)!;
      expect(ids!.split(' ').map((id) => new RegExp(`<(\\w+) id="${id}">`).exec(drawn)?.[1])).toEqual([
        'title',
        'desc',
      ]);
      expect(drawn).toContain('@media(prefers-color-scheme:dark)');
      expect(drawn.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/url\(|href|http|<script|@import/);
      expect(drawn).not.toMatch(/NaN|undefined|null|Infinity/);
      // A program without CSS variables has plain colours.
      for (const [tag] of drawn.matchAll(/<(?:text|path|line|rect) [^>]*>/g))
        expect(tag).toMatch(/ (fill|stroke)="/);
    }
    expect(svg.match(/ id="[^"]*"/g)).not.toEqual(narrow.match(/ id="[^"]*"/g));
    expect(description).toMatch(/^A caption\. a, k 0: entity F1 0\.9000 ± 0\.0020; /);
  });

  it('lets a page paint it, by a variable for each colour that it uses', () => {
    const { svg } = crowded(['a', 'b']);
    const [style] = /<style>[\s\S]*<\/style>/.exec(svg)!;
    const used = [...svg.matchAll(/class="pf-(ink|muted|grid|paper)(?:-line)?"/g)].map(([, role]) => role!);
    for (const role of new Set(used)) expect(style).toContain(`--${role}:var(--pf-${role},`);
    for (const colour of [1, 2]) expect(style).toContain(`--c${colour}:var(--pf-${colour},`);
  });

  it.each(['svg', 'narrow'] as const)(
    '%s: has no texts over each other where twelve lines end together',
    (form) => {
      const boxes = textBoxes(
        crowded(Array.from({ length: 12 }, (_, index) => `auto-freeze:${index}/20`))[form],
      );
      expect(boxes.length).toBeGreaterThan(20);
      for (const [index, box] of boxes.entries()) {
        for (const other of boxes.slice(index + 1)) {
          expect(overlaps(box, other), `${box.text} over ${other.text}`).toBe(false);
        }
      }
      const width = form === 'svg' ? 920 : 380;
      for (const { x, width: own, text } of boxes) expect(x + own, text).toBeLessThanOrEqual(width + 1);
    },
  );

  it('tells series apart by shape and dash as well as by colour', () => {
    const looks = Array.from({ length: 49 }, (_, index) => seriesStyle(index));
    expect(new Set(looks.map(({ colour, marker }) => `${colour} ${marker}`)).size).toBe(49);
    expect(new Set(looks.slice(0, 7).map(({ marker }) => marker)).size).toBe(7);
    expect(new Set(looks.slice(0, 7).map(({ dash }) => dash)).size).toBe(7);
  });

  it('shows names as they are, not as markup', () => {
    const { svg, description } = crowded(['<b onclick="x">&\u0007']);
    expect(svg).not.toContain('<b');
    expect(svg).not.toContain('\u0007');
    expect(svg).toContain('&lt;b onclick=&quot;x&quot;&gt;&amp;');
    expect(description).toContain('<b onclick');
  });
});

describe('the axis of quality', () => {
  const quality = (found: (k: number) => number) => renderFigures(k([0, 3, 6, 9, 12], found))[0]!;

  it('has the range in which scores differ, says that it does not start at 0, and names what lies below', () => {
    const { svg, points, caption } = quality((depth) => (depth === 12 ? 2 : 95 - depth / 3));
    expect(svg).toMatch(/axis from 0\.\d+, not 0/);
    const deepest = points.find(
      ({ x, panel, series }) => x === 12 && panel === 'entity F1' && series === 'bottom-up',
    )!;
    expect(svg).toContain(`↓ ${deepest.y.toPrecision(2)}`);
    expect(caption).toContain('An arrow marks what lies below the axis');
  });

  it('leaves nothing out where scores fall evenly', () => {
    expect(quality((depth) => 95 - 7 * depth).svg).not.toContain('↓');
  });

  it('starts at 0 for times, of which one reads ratios', () => {
    const time = renderFigures(k([0, 6], () => 50)).find(({ name }) => name === 'time')!;
    expect(time.svg).not.toContain('not 0');
  });
});

describe('detailRange', () => {
  it.each([
    [
      [0.07, 0.65, 0.69, 0.71, 0.72],
      [0.65, 0.72],
    ],
    // As wide a fall at every step: none is left out.
    [
      [0.1, 0.3, 0.5, 0.7],
      [0.1, 0.7],
    ],
    // Half of all is too much to leave out.
    [
      [0.1, 0.1, 0.1, 0.9, 0.9],
      [0.1, 0.9],
    ],
    // A small gap above nothing that differs.
    [
      [0.88, 0.9, 0.9],
      [0.88, 0.9],
    ],
    [[0.5], [0.5, 0.5]],
  ])('of %j is %j', (values, range) => {
    expect(detailRange(values)).toEqual(range);
  });
});

describe('labels', () => {
  it('keep a distance, stay in their bounds, and move no more than they must', () => {
    const heights = spreadLabels([50, 10, 51, 52, 200], 15, [0, 100]);
    const sorted = [...heights].sort((a, b) => a - b);
    for (const [index, height] of sorted.slice(1).entries())
      expect(height - sorted[index]!).toBeGreaterThanOrEqual(15 - 1e-9);
    expect(sorted[0]).toBeGreaterThanOrEqual(0);
    expect(sorted.at(-1)).toBeLessThanOrEqual(100);
    expect(heights[1]).toBe(10);
    // The three that want the middle stand around it, in their order.
    expect(heights[0]).toBeLessThan(heights[2]!);
    expect(heights[2]).toBeCloseTo(51, 9);
  });

  it('stand beside their points without touching points or each other, or nowhere', () => {
    const points = [0, 1, 2, 3, 4, 5].map((index) => ({ x: 100 + 4 * index, y: 100 + index, width: 60 }));
    const within = { x: 0, y: 0, width: 300, height: 200 };
    const boxes = placeBeside(points, { radius: 5, height: 13, within });
    const placed = boxes.filter((box) => box !== null);
    expect(placed.length).toBeGreaterThan(2);
    for (const [index, box] of placed.entries()) {
      expect(placed.slice(index + 1).some((other) => overlaps(box, other))).toBe(false);
      expect(points.some(({ x, y }) => overlaps(box, { x: x - 5, y: y - 5, width: 10, height: 10 }))).toBe(
        false,
      );
    }
  });
});

describe('bars', () => {
  it('have a part for each value, its number in it where there is room, and the sum behind', () => {
    const { svg, points } = drawBars({
      name: 'bars',
      title: 'Bars',
      caption: 'Counts.',
      axis: { label: 'entities' },
      parts: ['type', 'missed'],
      rows: [
        { name: 'bottom-up:0', values: [100, 1] },
        { name: 'bottom-up:12', values: [300.5, 0] },
      ],
    });
    expect(points.map(({ label }) => label)).toEqual([
      'bottom-up:0, type: 100 entities',
      'bottom-up:0, missed: 1 entities',
      'bottom-up:12, type: 300.5 entities',
      'bottom-up:12, missed: 0 entities',
    ]);
    const widths = [...svg.matchAll(/<title>[^<]*entities<\/title><rect [^>]*width="([\d.]+)"/g)].map(
      ([, width]) => Number(width),
    );
    expect(widths).toHaveLength(4);
    expect(widths[2]! + 1.5).toBeCloseTo(3.005 * (widths[0]! + 1.5), 1);
    expect(svg).toContain('>300.5</text>');
    expect(svg).toContain('>101</text>');
    expect(svg).not.toContain('>1</text>');
  });
});
