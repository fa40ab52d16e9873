import { area, line } from 'd3-shape';
import { type Axis, domainOf, drawBelow, drawLeft, type Scale, scaleOf, startNote } from './axis.js';
import { element, escapeXml, move, textAt } from './svg.js';
import {
  type Box,
  fitText,
  HEADING,
  placeBeside,
  SMALL,
  spreadLabels,
  TEXT,
  textWidth,
} from './text-layout.js';
import { filled, marker, type SeriesStyle, seriesFill, seriesStroke, stroked } from './theme.js';

/** One number of a series, with its interval. */
export interface Mark {
  x: number;
  y: number;
  low: number | null;
  high: number | null;
  /** In words, for those who point at it. */
  label: string;
}

export interface Series {
  name: string;
  style: SeriesStyle;
  /** In the order in which the line goes. */
  marks: readonly Mark[];
  /** Whether a line joins the marks. @default true */
  isLine?: boolean;
  /** Whether it has no place on the axis across: its only mark is drawn as a line from side to side. */
  isLevel?: boolean;
  /** Where its name stands: at the end of the line, beside each point, or in the legend alone. @default 'end' */
  labelled?: 'end' | 'beside' | 'legend';
  /** Area of its points in square pixels. @default 44 */
  size?: number;
}

/** A stretch of the axis across that differs from what is beside it. */
export interface Strip {
  from: number;
  to: number;
  /** From 0, nothing, to 1. */
  share: number;
  text: string;
}

/** One pair of axes with what is drawn between them. */
export interface Panel {
  title: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
  strips?: readonly Strip[];
}

/** Area of a point in square pixels, where a series has no other. */
const POINT = 44;

/** What a panel shares with its neighbours. */
export interface PanelFrame {
  /** All of it, texts included. */
  cell: Box;
  /** Room for names at the right. */
  right: number;
  domains: { x: [number, number]; y: [number, number] };
  hasLeftTexts: boolean;
  hasLabels: boolean;
  /** Takes a mark into the figure's data; returns its number. */
  record: (series: Series, mark: Mark) => number;
}

export const MARGIN = { left: 46, top: 40, bottom: 40 };

/** The numbers that panels which share an axis run between. */
export function domainsOf(panels: readonly Panel[]): PanelFrame['domains'] {
  const [{ x, y }] = panels as [Panel];
  const series = panels.flatMap((panel) => panel.series);
  const xs = [
    ...series.flatMap(({ isLevel, marks }) => (isLevel === true ? [] : marks.map((mark) => mark.x))),
    ...panels.flatMap(({ strips = [] }) => strips.flatMap(({ from, to }) => [from, to])),
  ];
  const marks = series.flatMap((of) => of.marks);
  const across: [number, number] =
    xs.length === 0
      ? [0, 1]
      : domainOf(
          x,
          xs.map((value) => ({ y: value, low: null, high: null })),
        );
  // A line that ends at the frame needs no room beyond it.
  const isExact = x.ticks !== undefined || x.isWhole === true;
  return {
    x: isExact && xs.length > 0 ? [Math.min(...xs), Math.max(...xs)] : across,
    y: domainOf(y, marks),
  };
}

export function drawPanel(panel: Panel, frame: PanelFrame): string {
  const { cell, right } = frame;
  const plot: Box = {
    x: cell.x + MARGIN.left,
    y: cell.y + MARGIN.top,
    width: cell.width - MARGIN.left - right,
    height: cell.height - MARGIN.top - MARGIN.bottom,
  };
  const inset = panel.strips === undefined ? 10 : 0;
  const xs = scaleOf(panel.x, widened(frame.domains.x), [plot.x + inset, plot.x + plot.width - inset], 6);
  if (inset === 0) xs.domain(widened(frame.domains.x));
  const ys = scaleOf(panel.y, frame.domains.y, [plot.y + plot.height, plot.y]);
  const inner = { x: plot.x - 8, y: plot.y - 8, width: plot.width + 16, height: plot.height + 8 };
  const note = startNote(panel.y, ys);
  const levels = panel.series.filter(({ isLevel }) => isLevel === true);
  const series = panel.series.filter(({ isLevel }) => isLevel !== true);
  const heading = panel.title === '' ? panel.y.label : panel.title;
  const under = [...(panel.title === '' ? [] : [`↑ ${panel.y.label}`]), ...(note === '' ? [] : [note])].join(
    ', ',
  );
  return [
    textAt(cell.x + MARGIN.left, cell.y + 13, fitText(heading, cell.width - MARGIN.left - 4, HEADING), {
      ...filled('ink'),
      'font-size': HEADING,
      'font-weight': 600,
    }),
    ...(under === '' || !(frame.hasLabels || note !== '')
      ? []
      : [
          textAt(cell.x + MARGIN.left, cell.y + 28, fitText(under, cell.width - MARGIN.left - 4, SMALL), {
            ...filled('muted'),
            'font-size': SMALL,
          }),
        ]),
    ...(panel.strips ?? []).map((strip) => drawStrip(strip, xs, plot)),
    drawLeft(panel.y, ys, plot, frame.hasLeftTexts),
    drawBelow(panel.x, xs, plot, frame.hasLabels),
    element(
      // A document of its own, since it shows nothing beyond its sides.
      'svg',
      { ...inner, viewBox: `${inner.x} ${inner.y} ${inner.width} ${inner.height}` },
      ...levels.map(({ style, marks }) =>
        element('line', {
          ...seriesStroke({ ...style, dash: 5 }),
          x1: plot.x,
          x2: plot.x + plot.width,
          y1: ys(marks[0]!.y),
          y2: ys(marks[0]!.y),
          'stroke-width': 1.3,
        }),
      ),
      ...series.map((of) => drawInterval(of, xs, ys)),
      ...series.map((of) => drawLine(of, xs, ys)),
    ),
    ...drawMarks(panel, frame, xs, ys, plot),
    drawEndNames(panel.series, xs, ys, plot, right),
    drawNamesBeside(panel.series, xs, ys, plot, right),
  ].join('');
}

/** A domain of one number has no width to draw in. */
function widened([low, high]: readonly [number, number]): [number, number] {
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

function drawStrip({ from, to, share, text }: Strip, xs: Scale, plot: Box): string {
  const [x, width] = [xs(from), xs(to) - xs(from)];
  return (
    element('rect', {
      fill: filled('muted').fill,
      class: 'pf-strip',
      x,
      y: plot.y,
      width: Math.max(0, width),
      height: plot.height,
      opacity: 0.04 + 0.26 * share,
    }) +
    (textWidth(text, SMALL) + 6 > width
      ? ''
      : textAt(x + 4, plot.y + plot.height - 6, text, { ...filled('muted'), 'font-size': SMALL }))
  );
}

/** The intervals as one band along a line, or as a stroke through each point that no line joins. */
function drawInterval({ style, marks, isLine = true }: Series, xs: Scale, ys: Scale): string {
  const with_ = marks.filter(({ low, high }) => low !== null && high !== null && high > low);
  if (isLine && with_.length > 1 && with_.length === marks.length) {
    const d = area<Mark>(
      ({ x }) => xs(x),
      ({ low }) => ys(low!),
      ({ high }) => ys(high!),
    ).digits(1)(with_)!;
    return element('path', {
      ...seriesFill(style),
      class: `pf-fill-${style.colour} pf-interval`,
      d,
      opacity: 0.16,
    });
  }
  return with_
    .map(({ x, low, high }) =>
      element('line', {
        ...seriesStroke({ ...style, dash: 0 }),
        class: `pf-line-${style.colour} pf-interval`,
        x1: xs(x),
        x2: xs(x),
        y1: ys(low!),
        y2: ys(high!),
        'stroke-width': 1.3,
      }),
    )
    .join('');
}

function drawLine({ style, marks, isLine = true, size = POINT }: Series, xs: Scale, ys: Scale): string {
  if (!isLine || marks.length < 2) return '';
  const d = line<Mark>(
    ({ x }) => xs(x),
    ({ y }) => ys(y),
  ).digits(1)(marks)!;
  return element('path', { ...seriesStroke(style), d, 'stroke-width': size < POINT ? 1.2 : 1.8 });
}

/** Heights at which marks below the axis stand, those of one place above each other in the order of their series. */
function rowsBelow(all: readonly Series[], ys: Scale, bottom: number): Map<Mark, number> {
  const rows = new Map<Mark, number>();
  const taken = new Map<number, number>();
  // From the lowest row up, so that the first series stands highest.
  for (const { isLevel, marks } of [...all].reverse()) {
    for (const mark of marks) {
      if (isLevel === true || ys(mark.y) <= bottom + 1) continue;
      const row = taken.get(mark.x) ?? 0;
      taken.set(mark.x, row + 1);
      rows.set(mark, bottom - 10 - 15 * row);
    }
  }
  return rows;
}

/** Points within the axes; those below stand at the lower edge with their number. */
function drawMarks({ series }: Panel, { record }: PanelFrame, xs: Scale, ys: Scale, plot: Box): string[] {
  const rows = rowsBelow(series, ys, plot.y + plot.height);
  return series.flatMap((of) =>
    of.marks.map((mark) => {
      const attributes = { class: 'pf-mark', 'data-point': `${record(of, mark)}` };
      const title = element('title', {}, escapeXml(mark.label));
      const shape = marker(of.style, of.size);
      const x = of.isLevel === true ? plot.x + plot.width : xs(mark.x);
      const row = rows.get(mark);
      if (row === undefined)
        return element('g', { ...attributes, transform: move(x, ys(mark.y)) }, title, shape);
      const name = of.labelled === 'beside' ? `${of.name} ` : '';
      const text = `${name}↓ ${mark.y.toPrecision(2)}`;
      const at = Math.min(x, plot.x + plot.width - textWidth(text, SMALL) - 8);
      return element(
        'g',
        { ...attributes, transform: move(at, row) },
        title,
        shape,
        textAt(8, 4, text, { ...filled('ink'), 'font-size': SMALL }),
      );
    }),
  );
}

/** Names at the right of a plot, each at the height where its series ends, moved apart where they would touch. */
function drawEndNames(all: readonly Series[], xs: Scale, ys: Scale, plot: Box, right: number): string {
  const named = all.filter(({ labelled = 'end', marks }) => labelled === 'end' && marks.length > 0);
  const bottom = plot.y + plot.height;
  const rows = rowsBelow(all, ys, bottom);
  const ends = named.map(({ marks, isLevel }) => {
    const last = marks.reduce((a, b) => (b.x > a.x ? b : a));
    const row = rows.get(last);
    return {
      x: isLevel === true || row !== undefined ? plot.x + plot.width : xs(last.x),
      y: row ?? ys(last.y),
    };
  });
  const heights = spreadLabels(
    ends.map(({ y }) => y),
    TEXT + 3,
    [plot.y + 2, Math.max(bottom, plot.y + 2 + (TEXT + 3) * (named.length - 1))],
  );
  const x = plot.x + plot.width + 16;
  return named
    .map(({ name, style }, index) => {
      const [end, y] = [ends[index]!, heights[index]!];
      return (
        element('path', {
          ...stroked('muted'),
          d: `M${(end.x + 5).toFixed(1)},${end.y.toFixed(1)}L${x},${y.toFixed(1)}`,
          'stroke-width': 0.7,
          opacity: 0.7,
        }) +
        element('g', { transform: move(x + 6, y) }, marker(style, 36)) +
        textAt(x + 15, y + 4, fitText(name, right - 34), { ...filled('ink'), 'font-size': TEXT })
      );
    })
    .join('');
}

/** Room that names at the right need. */
export function endNamesWidth(panels: readonly Panel[], most: number): number {
  const names = panels.flatMap(({ series }) =>
    series.filter(({ labelled = 'end' }) => labelled === 'end').map(({ name }) => name),
  );
  return names.length === 0 ? 10 : Math.min(most, 36 + Math.max(...names.map((name) => textWidth(name))));
}

function drawNamesBeside(all: readonly Series[], xs: Scale, ys: Scale, plot: Box, right: number): string {
  const marks = all
    .filter(({ labelled }) => labelled === 'beside')
    .flatMap(({ name, marks: [first] }) =>
      first === undefined || ys(first.y) > plot.y + plot.height + 1
        ? []
        : [{ name, x: xs(first.x), y: ys(first.y) }],
    );
  const boxes = placeBeside(
    marks.map(({ name, ...at }) => ({ ...at, width: textWidth(name, SMALL) })),
    {
      radius: 5,
      height: SMALL + 2,
      within: { ...plot, y: plot.y - 6, width: plot.width + right, height: plot.height + 6 },
    },
  );
  return marks
    .map(({ name, x, y }, index) => {
      const box = boxes[index];
      if (box === null || box === undefined) return '';
      const middle = box.y + box.height / 2;
      const near = Math.max(box.x, Math.min(x, box.x + box.width));
      // A name that had to give way is tied to its point.
      const tie =
        Math.abs(middle - y) < 4
          ? ''
          : element('line', {
              ...stroked('muted'),
              x1: x,
              y1: y,
              x2: near,
              y2: middle,
              'stroke-width': 0.7,
              opacity: 0.7,
            });
      return tie + textAt(box.x, box.y + SMALL - 1, name, { ...filled('ink'), 'font-size': SMALL });
    })
    .join('');
}
