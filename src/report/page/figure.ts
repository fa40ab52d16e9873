import type { Figure, FigurePoint } from '../figures/figure.js';
import type { TextTable } from '../tables.js';
import { escapeHtml } from './escape.js';
import { drawTable } from './table.js';

/** A figure, drawn for a page and for a phone, with its caption and the numbers behind its marks as a table. */
export function drawFigure(figure: Figure): string {
  const { title, caption, svg, narrow, points } = figure;
  const name = escapeHtml(title);
  const numbers =
    points.length === 0
      ? ''
      : `\n<details><summary>The numbers of this figure</summary>${drawTable(pointTable(points), `${title}, numbers`)}</details>`;
  return (
    `<figure>\n<div class="plot broad">${svg}</div>\n<div class="plot narrow">${narrow}</div>\n` +
    `<figcaption><b>${name}.</b> ${escapeHtml(caption)}</figcaption>${numbers}\n</figure>`
  );
}

function pointTable(points: readonly FigurePoint[]): TextTable {
  const hasPanels = points.some(({ panel }) => panel !== '');
  const hasIntervals = points.some(({ low }) => low !== null);
  return {
    head: [...(hasPanels ? ['panel'] : []), 'series', 'x', 'y', ...(hasIntervals ? ['from', 'to'] : [])],
    rows: points.map(({ panel, series, x, y, low, high }) => [
      ...(hasPanels ? [panel] : []),
      series,
      `${x}`,
      shown(y),
      ...(hasIntervals ? [low === null ? '–' : shown(low), high === null ? '–' : shown(high)] : []),
    ]),
  };
}

function shown(value: number): string {
  return Number.isInteger(value) ? `${value}` : `${Number(value.toPrecision(5))}`;
}
