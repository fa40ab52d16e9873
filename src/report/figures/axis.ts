import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from 'd3-scale';
import { element, textAt } from './svg.js';
import { type Box, SMALL, textWidth } from './text-layout.js';
import { filled, stroked } from './theme.js';

/** What an axis shows. */
export interface Axis {
  /** Quantity, with its unit where it has one. */
  label: string;
  isLog?: boolean;
  /** Where ticks are; else at round numbers. */
  ticks?: readonly number[];
  /** Whether only whole numbers have ticks. */
  isWhole?: boolean;
  /**
   * `zero`: from 0, for what is compared by ratio; `data`: what there is; `detail`: the range in which most values
   * differ, where a few lie far below it.
   */
  range?: 'zero' | 'data' | 'detail';
}

export type Scale = ScaleContinuousNumeric<number, number>;

/** A gap between scores that hides what differs above it. */
const WIDE_GAP = 0.05;

/**
 * The range in which most values differ: without those that lie below the widest gap, where this is wider than twice the
 * range of all above it, and these are at least half.
 */
export function detailRange(values: readonly number[]): [low: number, high: number] {
  const sorted = [...values].sort((a, b) => a - b);
  const high = sorted.at(-1)!;
  const gap = (i: number) => sorted[i]! - sorted[i - 1]!;
  let widest = 1;
  for (let i = 2; i < sorted.length; i++) if (gap(i) > gap(widest)) widest = i;
  const isFar = sorted.length > 1 && gap(widest) > Math.max(WIDE_GAP, 2 * (high - sorted[widest]!));
  return [isFar && 2 * widest <= sorted.length ? sorted[widest]! : sorted[0]!, high];
}

/** A value with its interval. */
export interface Interval {
  y: number;
  low: number | null;
  high: number | null;
}

/** The numbers that an axis runs between, before they are rounded to its ticks. */
export function domainOf(axis: Axis, items: readonly Interval[]): [number, number] {
  const [least] = axis.range === 'detail' ? detailRange(items.map(({ y }) => y)) : [Number.NEGATIVE_INFINITY];
  const shown = items.filter(({ y }) => y >= least);
  const low = Math.min(...shown.map((item) => item.low ?? item.y));
  const high = Math.max(...shown.map((item) => item.high ?? item.y));
  if (axis.isLog === true) return [Math.min(...shown.map(({ y }) => y)), high];
  if (axis.range === 'zero') return [Math.min(0, low), high > 0 ? high : 1];
  const spare = high > low ? 0.04 * (high - low) : 0.5 * Math.abs(high) || 0.5;
  // Shares and scores have no room beyond 0 and 1.
  const isShare = low >= 0 && high <= 1;
  return isShare ? [Math.max(0, low - spare), Math.min(1, high + spare)] : [low - spare, high + spare];
}

/** A scale from values to pixels; `room` is as many ticks as are wanted. */
export function scaleOf(
  axis: Axis,
  domain: readonly [number, number],
  pixels: readonly [number, number],
  room = 5,
): Scale {
  if (axis.isLog === true) return scaleLog().domain(domain).range(pixels);
  const scale = scaleLinear().domain(domain).range(pixels);
  return axis.ticks === undefined ? scale.nice(room) : scale;
}

/** Ticks with their texts. */
export function ticksOf(axis: Axis, scale: Scale, room: number): { value: number; text: string }[] {
  const found = axis.ticks ?? (axis.isLog === true ? logTicks(scale) : scale.ticks(room));
  const values = axis.isWhole === true ? found.filter(Number.isInteger) : found;
  const isPlain = axis.isLog === true || axis.isWhole === true || axis.ticks !== undefined;
  const format = isPlain ? plain : scale.tickFormat(room);
  return values.map((value) => ({ value, text: format(value).replace('−', '-').replace('-', '−') }));
}

/** Powers of ten; where there are fewer than three of them, twice and five times these, too. */
function logTicks(scale: Scale): number[] {
  const all = scale.ticks();
  const of = (mantissas: readonly number[]) =>
    all.filter((value) => mantissas.includes(Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9))));
  const powers = of([1]);
  return powers.length < 3 ? of([1, 2, 5]) : powers;
}

function plain(value: number): string {
  return Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(0)
    : value.toLocaleString('en-US', { maximumSignificantDigits: 6 });
}

/** Leaves out ticks whose texts would touch, the first and last come first. */
function apart<Tick extends { value: number; text: string }>(ticks: readonly Tick[], scale: Scale): Tick[] {
  const kept: Tick[] = [];
  const reach = ({ text }: Tick) => textWidth(text, SMALL) / 2 + 3;
  for (const tick of ticks) {
    const isFree = kept.every(
      (other) => Math.abs(scale(tick.value) - scale(other.value)) >= reach(tick) + reach(other),
    );
    if (isFree) kept.push(tick);
  }
  return kept;
}

/** The axis below a plot with its label at the right end. */
export function drawBelow(axis: Axis, scale: Scale, plot: Box, hasLabel = true): string {
  const bottom = plot.y + plot.height;
  const ticks = apart(
    ticksOf(axis, scale, Math.max(2, Math.floor(plot.width / (axis.isWhole === true ? 24 : 60)))),
    scale,
  );
  return [
    element('line', { ...stroked('muted'), x1: plot.x, x2: plot.x + plot.width, y1: bottom, y2: bottom }),
    ...ticks.map(({ value, text }) => {
      const x = scale(value);
      return (
        element('line', { ...stroked('muted'), x1: x, x2: x, y1: bottom, y2: bottom + 4 }) +
        textAt(x, bottom + 16, text, { ...filled('muted'), 'font-size': SMALL, 'text-anchor': 'middle' })
      );
    }),
    ...(hasLabel
      ? [
          textAt(plot.x + plot.width, bottom + 32, `${axis.label} →`, {
            ...filled('muted'),
            'font-size': SMALL,
            'text-anchor': 'end',
          }),
        ]
      : []),
  ].join('');
}

/** Lines across a plot at the ticks, with their texts to the left. */
export function drawLeft(axis: Axis, scale: Scale, plot: Box, hasTexts = true): string {
  return ticksOf(axis, scale, Math.max(2, Math.floor(plot.height / 36)))
    .map(({ value, text }) => {
      const y = scale(value);
      const line = element('line', { ...stroked('grid'), x1: plot.x, x2: plot.x + plot.width, y1: y, y2: y });
      if (!hasTexts) return line;
      return (
        line +
        textAt(plot.x - 7, y + 4, text, { ...filled('muted'), 'font-size': SMALL, 'text-anchor': 'end' })
      );
    })
    .join('');
}

/** Whether a reader could take heights for ratios and be wrong; the words that say so. */
export function startNote(axis: Axis, scale: Scale): string {
  if (axis.isLog === true) return 'logarithmic axis';
  const [low] = scale.domain() as [number, number];
  if (low === 0) return '';
  const text = scale.tickFormat(10)(low);
  return `axis from ${text.replace('−', '-').replace('-', '−')}, not 0`;
}
