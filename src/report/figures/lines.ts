import type { Spread } from '../scenario-summary.js';
import type { Axis } from './axis.js';
import type { Panel, Series } from './panel.js';
import { seriesStyle } from './theme.js';

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
  x: Omit<Axis, 'ticks'>;
  y: Axis;
  /** How a value is written in the words of a point. @default four digits after the point */
  format?: (value: number) => string;
  /** The series that a dashed one stands beside, in its colour; null for a series of its own. @default none */
  besides?: (series: string) => string | null;
}

/** Where a figure over seeds stands, with its deviation. */
export function pointOf(x: number, series: string, measure: string, { mean, sd }: Spread): Point {
  return { x, series, measure, mean, low: mean - (sd ?? 0), high: mean + (sd ?? 0) };
}

/** One panel a measure: lines with their intervals, and lines across. */
export function linePanels(options: LinesOptions): Panel[] {
  const { points, levels = [], besides = () => null, format = (value) => value.toFixed(4) } = options;
  const names = [...new Set([...points, ...levels].map(({ series }) => series))];
  const own = names.filter((name) => besides(name) === null);
  const styleOf = (name: string) => {
    const beside = besides(name);
    const style = seriesStyle(own.indexOf(beside ?? name));
    return beside === null ? style : { ...style, dash: 2, isHollow: true };
  };
  const ticks = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const reach = ({ mean, high }: Point) => (high > mean ? ` ± ${format(high - mean)}` : '');
  const measures = [...new Set(points.map(({ measure }) => measure))];
  return measures.map((measure): Panel => {
    const series = names.flatMap((name): Series[] => {
      const of = points.filter((point) => point.measure === measure && point.series === name);
      const level = levels.find((found) => found.measure === measure && found.series === name);
      if (of.length > 0) {
        const marks = [...of]
          .sort((a, b) => a.x - b.x)
          .map((point) => ({
            x: point.x,
            y: point.mean,
            low: point.high > point.low ? point.low : null,
            high: point.high > point.low ? point.high : null,
            label: `${name}, ${options.x.label} ${point.x}: ${measure} ${format(point.mean)}${reach(point)}`,
          }));
        return [{ name, style: styleOf(name), marks }];
      }
      if (level === undefined) return [];
      const label = `${name}: ${measure} ${format(level.mean)}`;
      const mark = { x: 0, y: level.mean, low: null, high: null, label };
      return [{ name, style: styleOf(name), marks: [mark], isLevel: true }];
    });
    return { title: measure, x: { ...options.x, ticks }, y: options.y, series };
  });
}
