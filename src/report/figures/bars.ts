import { scaleLinear } from 'd3-scale';
import { type Axis, drawBelow } from './axis.js';
import { drawLegend, figureOf } from './chart.js';
import type { Figure, FigurePoint } from './figure.js';
import { element, escapeXml, textAt } from './svg.js';
import { fitText, SMALL, TEXT, textWidth } from './text-layout.js';
import { filled, seriesFill, seriesStyle } from './theme.js';

/** Bars from left to right, each of parts that add up. */
export interface Bars extends Pick<Figure, 'name' | 'title' | 'caption'> {
  /** What the lengths are, with the unit. */
  axis: Axis;
  /** Names of the parts, in their order. */
  parts: readonly string[];
  rows: readonly { name: string; values: readonly number[] }[];
}

const ROW = 24;

/** Draws stacked bars. @returns the same text for the same bars */
export function drawBars(bars: Bars): Figure {
  const { parts, rows, axis } = bars;
  const points = rows.flatMap((row) =>
    parts.map((part, index): FigurePoint => {
      const value = row.values[index]!;
      const label = `${row.name}, ${part}: ${numberText(value)} ${axis.label}`;
      return { panel: axis.label, series: part, x: row.name, y: value, low: null, high: null, label };
    }),
  );
  return figureOf(bars, points, (width, content) => drawRows(bars, points, width, content));
}

function drawRows(
  { axis, parts, rows }: Bars,
  points: readonly FigurePoint[],
  width: number,
  content: string[],
): number {
  const legend = parts.map((name, index) => ({
    name,
    style: { ...seriesStyle(index), marker: 1 },
    isLine: false,
  }));
  const top = drawLegend(legend, width, content);
  const left = Math.min(width / 3, 16 + Math.max(...rows.map(({ name }) => textWidth(name))));
  const plot = { x: left, y: top, width: width - left - 48, height: rows.length * ROW + 4 };
  const sums = rows.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
  const xs = scaleLinear()
    .domain([0, Math.max(...sums) || 1])
    .range([plot.x, plot.x + plot.width]);
  content.push(drawBelow(axis, xs, plot));
  let point = 0;
  for (const [row, { name, values }] of rows.entries()) {
    const y = top + 3 + row * ROW;
    content.push(
      textAt(left - 8, y + ROW / 2 + 2, fitText(name, left - 12), {
        ...filled('ink'),
        'font-size': TEXT,
        'text-anchor': 'end',
      }),
    );
    let at = 0;
    for (const [part, value] of values.entries()) {
      const [x, end] = [xs(at), xs(at + value)];
      at += value;
      const text = numberText(value);
      const size = Math.max(0, end - x - 1.5);
      content.push(
        element(
          'g',
          { class: 'pf-mark', 'data-point': `${point}` },
          element('title', {}, escapeXml(points[point]!.label)),
          element('rect', { ...seriesFill(seriesStyle(part)), x, y, width: size, height: ROW - 6 }),
          textWidth(text, SMALL) + 4 > size
            ? ''
            : textAt(x + size / 2, y + ROW / 2 + 1, text, {
                ...filled('paper'),
                'font-size': SMALL,
                'text-anchor': 'middle',
              }),
        ),
      );
      point++;
    }
    content.push(
      textAt(xs(at) + 5, y + ROW / 2 + 1, numberText(at), { ...filled('muted'), 'font-size': SMALL }),
    );
  }
  return plot.y + plot.height + 40;
}

/** A mean of counts: whole where it is whole. */
function numberText(value: number): string {
  return Number.isInteger(value) ? `${value}` : value.toFixed(1);
}
