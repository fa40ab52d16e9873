import type { Figure, FigurePoint } from './figure.js';
import { domainsOf, drawPanel, endNamesWidth, MARGIN, type Mark, type Panel, type Series } from './panel.js';
import { element, escapeXml, move, textAt } from './svg.js';
import { TEXT, textWidth } from './text-layout.js';
import { filled, marker, type SeriesStyle, STYLE, seriesStroke } from './theme.js';

/** Widths in pixels at which a figure is drawn: a page, a phone. */
export const WIDE = 920;
export const NARROW = 380;

/** A figure of one or more panels. */
export interface Chart extends Pick<Figure, 'name' | 'title' | 'caption'> {
  panels: readonly Panel[];
  /** Least width of a panel's plot, which says how many stand side by side. @default 240 */
  plotWidth?: number;
  /** @default 230 */
  plotHeight?: number;
  /** Whether all panels have the same axes; then only the outer ones have texts. @default false */
  isShared?: boolean;
  /** What the looks mean, where no name stands beside them. */
  legend?: readonly { name: string; style: SeriesStyle; isLine: boolean }[];
}

/** Draws a figure. @returns the same text for the same chart */
export function drawChart(chart: Chart): Figure {
  const { panels } = chart;
  const points: FigurePoint[] = [];
  for (const panel of panels)
    for (const of of panel.series) for (const mark of of.marks) points.push(pointOf(panel, of, mark));
  return figureOf(chart, points, (width, content) => drawPanels(chart, width, content));
}

/**
 * A figure at both widths, with what it says in words.
 *
 * @param draw adds its parts to `content` and returns the height
 */
export function figureOf(
  { name, title, caption }: Pick<Figure, 'name' | 'title' | 'caption'>,
  points: FigurePoint[],
  draw: (width: number, content: string[]) => number,
): Figure {
  const description = describe(caption, points);
  const drawn = (width: number, id: string) =>
    drawDocument({ id, title, description }, width, (content) => draw(width, content));
  return {
    name,
    title,
    caption,
    description,
    points,
    svg: drawn(WIDE, `pf-${name}`),
    narrow: drawn(NARROW, `pf-${name}-narrow`),
  };
}

function pointOf(panel: Panel, { name, isLevel }: Series, { x, y, low, high, label }: Mark): FigurePoint {
  return {
    panel: panel.title || panel.y.label,
    series: name,
    x: isLevel === true ? '' : x,
    y,
    low,
    high,
    label,
  };
}

/** Points that a description names; all of them stand in the tables. */
const DESCRIBED = 40;

/** A figure in words: its caption, then its numbers. */
export function describe(caption: string, points: readonly FigurePoint[]): string {
  const shown = points.slice(0, DESCRIBED).map(({ label }) => label);
  const rest = points.length > DESCRIBED ? `; and ${points.length - DESCRIBED} more` : '';
  return points.length === 0 ? caption : `${caption} ${shown.join('; ')}${rest}.`;
}

/**
 * The SVG around a figure's content.
 *
 * @param draw adds parts to `content` and returns the height
 */
export function drawDocument(
  { id, title, description }: { id: string; title: string; description: string },
  width: number,
  draw: (content: string[]) => number,
): string {
  const content: string[] = [];
  const height = draw(content);
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      class: 'pf',
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-desc`,
      viewBox: `0 0 ${width} ${Math.ceil(height)}`,
      width,
      height: Math.ceil(height),
      'font-family': 'system-ui, sans-serif',
    },
    element('title', { id: `${id}-title` }, escapeXml(title)),
    element('desc', { id: `${id}-desc` }, escapeXml(description)),
    element('style', {}, STYLE),
    element('rect', { ...filled('paper'), width: '100%', height: '100%' }),
    ...content,
  );
}

function drawPanels(chart: Chart, width: number, content: string[]): number {
  const { panels, plotWidth = 240, plotHeight = 230, isShared = false, legend = [] } = chart;
  const right = endNamesWidth(panels, width > NARROW ? 190 : 156);
  const least = MARGIN.left + plotWidth + right;
  const columns = Math.max(1, Math.min(panels.length, Math.floor(width / least)));
  const cell = { width: width / columns, height: MARGIN.top + plotHeight + MARGIN.bottom };
  const top = drawLegend(legend, width, content);
  const domains = isShared ? domainsOf(panels) : null;
  let marks = 0;
  for (const [index, panel] of panels.entries()) {
    const [column, row] = [index % columns, Math.floor(index / columns)];
    content.push(
      drawPanel(panel, {
        cell: { ...cell, x: column * cell.width, y: top + row * cell.height },
        right,
        domains: domains ?? domainsOf([panel]),
        hasLeftTexts: !isShared || column === 0,
        hasLabels: !isShared || column === 0,
        record: () => marks++,
      }),
    );
  }
  return top + Math.ceil(panels.length / columns) * cell.height;
}

/** What the looks mean, in lines above the panels. @returns the height that it takes */
export function drawLegend(
  legend: readonly { name: string; style: SeriesStyle; isLine: boolean }[],
  width: number,
  content: string[],
): number {
  if (legend.length === 0) return 4;
  let [x, y] = [8, 14];
  for (const { name, style, isLine } of legend) {
    const needed = 36 + textWidth(name) + 14;
    if (x > 8 && x + needed > width) [x, y] = [8, y + TEXT + 8];
    content.push(
      ...(isLine
        ? [element('line', { ...seriesStroke(style), x1: x, x2: x + 26, y1: y, y2: y, 'stroke-width': 1.8 })]
        : []),
      element('g', { transform: move(x + 13, y) }, marker(style)),
      textAt(x + 32, y + 4, name, { ...filled('ink'), 'font-size': TEXT }),
    );
    x += needed;
  }
  return y + 18;
}
