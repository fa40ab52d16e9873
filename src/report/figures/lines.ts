import type { TopLevelSpec } from 'vega-lite';
import type { Spread } from '../scenario-summary.js';
import { COLOURS, CONFIG } from './figure.js';

/** One mark: a figure of one series at one place. */
export interface Point {
  x: number;
  series: string;
  /** Which panel it stands in. */
  measure: string;
  mean: number;
  low: number;
  high: number;
}

/** A series that has no place, drawn as a line across. */
export interface Level {
  series: string;
  measure: string;
  mean: number;
}

export interface LinesOptions {
  points: readonly Point[];
  levels?: readonly Level[];
  x: string;
  y: string;
  /** Whether the axis across is logarithmic. @default false */
  isLog?: boolean;
  /** The series that a dashed one stands beside, in its colour; null for a series of its own. @default none */
  besides?: (series: string) => string | null;
}

/** Where a figure over seeds stands, with its deviation. */
export function pointOf(x: number, series: string, measure: string, { mean, sd }: Spread): Point {
  return { x, series, measure, mean, low: mean - (sd ?? 0), high: mean + (sd ?? 0) };
}

/** One panel a measure: lines with their deviations, and lines across. */
export function linesPlot(options: LinesOptions): TopLevelSpec {
  const { points, levels = [], isLog = false, besides = () => null } = options;
  const series = [...new Set([...points, ...levels].map((item) => item.series))];
  const own = series.filter((name) => besides(name) === null);
  const colourOf = (name: string) => COLOURS[own.indexOf(besides(name) ?? name) % COLOURS.length]!;
  const colour = {
    field: 'series',
    type: 'nominal',
    title: null,
    scale: { domain: series, range: series.map(colourOf) },
    legend: { orient: 'bottom', columns: 3, labelLimit: 260 },
  } as const;
  const dash = {
    field: 'series',
    type: 'nominal',
    title: null,
    scale: { domain: series, range: series.map((name) => (besides(name) === null ? [1, 0] : [4, 3])) },
  } as const;
  const y = { field: 'mean', type: 'quantitative', title: options.y, scale: { zero: true } } as const;
  const x = {
    field: 'x',
    type: 'quantitative',
    title: options.x,
    scale: { type: isLog ? 'log' : 'linear' },
  } as const;
  const ticks = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const data = [...points, ...levels.map((level) => ({ ...level, x: null }))];
  return {
    data: { values: data },
    facet: { field: 'measure', type: 'nominal', title: null, sort: null, header: { labelFontSize: 13 } },
    spec: {
      width: 330,
      height: 230,
      layer: [
        {
          transform: [{ filter: 'datum.x === null' }],
          mark: { type: 'rule', strokeDash: [1, 2] },
          encoding: { y, color: colour },
        },
        {
          transform: [{ filter: 'datum.x !== null' }],
          mark: { type: 'line' },
          encoding: { x: { ...x, axis: { values: ticks, format: 'd' } }, y, color: colour, strokeDash: dash },
        },
        {
          transform: [{ filter: 'datum.x !== null && datum.high > datum.low' }],
          mark: { type: 'rule' },
          encoding: {
            x,
            y: { field: 'low', type: 'quantitative', title: options.y },
            y2: { field: 'high' },
            color: colour,
          },
        },
        {
          transform: [{ filter: 'datum.x !== null' }],
          mark: { type: 'point', filled: true, size: 36 },
          encoding: { x, y, color: colour },
        },
      ],
    },
    resolve: { scale: { y: 'independent' } },
    config: CONFIG,
  };
}
