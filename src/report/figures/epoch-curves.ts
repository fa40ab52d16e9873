import type { Metrics } from '../../evaluation/metrics.js';
import type { RunRecord } from '../../experiment/run-record.js';
import { byDepth } from '../scenario-summary.js';
import type { Chart } from './chart.js';
import type { Panel, Series, Strip } from './panel.js';
import { type SeriesStyle, seriesStyle } from './theme.js';

const SCORES = {
  macroF1: ['macro F1', ({ macro }) => macro.f1],
  weightedF1: ['weighted F1', ({ weighted }) => weighted.f1],
  accuracy: ['accuracy', ({ accuracy }) => accuracy],
  entityF1: ['entity F1', ({ entities }) => entities.micro.f1],
} satisfies Record<string, [string, (metrics: Metrics) => number]>;

const BAND =
  'The darker the ground, the more layers were frozen; their number stands in it, from when to when, in the run of the ' +
  'first seed.';

/** What a curve shows of each epoch, if anything. */
interface Curve {
  name: string;
  style: SeriesStyle;
  valueAfter: (epoch: RunRecord['epochs'][number]) => number | null | undefined;
}

/**
 * The validation score that decided by epoch, a panel a strategy or schedule and a line a seed, before a ground that shows
 * how many layers were frozen; null where no run has two epochs.
 */
export function learningCurves(records: readonly RunRecord[]): Chart | null {
  if (records.every(({ epochs }) => epochs.length < 2)) return null;
  const { earlyStopping } = records[0]!.scenario.training;
  const [metric, scoreOf] = SCORES[earlyStopping === false ? 'macroF1' : earlyStopping.metric];
  const curves = [
    { name: metric, style: seriesStyle(0), valueAfter: ({ validation }) => scoreOf(validation) },
  ] satisfies Curve[];
  return {
    name: 'learning-curves',
    title: 'Learning curves',
    caption: `Validation ${metric} by epoch, a line a seed. ${BAND}`,
    ...epochPanels(records, curves, { label: `validation ${metric}`, range: 'data' }),
  };
}

/**
 * Loss on the training data, with dropout and while it falls, and on the validation data, without, by epoch: a panel a
 * strategy or schedule and a line a seed. Where the second rises while the first falls, training has gone too far. Null
 * where no run has two epochs, or where none measured the validation loss.
 */
export function lossCurves(records: readonly RunRecord[]): Chart | null {
  const measured = records.filter(
    ({ epochs }) =>
      epochs.length > 1 &&
      epochs.some(({ validationLoss }) => validationLoss !== undefined && validationLoss !== null),
  );
  if (measured.length === 0) return null;
  const curves: Curve[] = [
    { name: 'training', style: seriesStyle(0), valueAfter: ({ trainLoss }) => trainLoss },
    { name: 'validation', style: seriesStyle(1), valueAfter: ({ validationLoss }) => validationLoss },
  ];
  return {
    name: 'losses',
    title: 'Training and validation loss',
    caption:
      'Mean cross-entropy by epoch, a line a seed: over the training steps, dropout on, and over the validation data after ' +
      `the epoch, dropout off. A validation loss that rises while the training loss falls tells of overtraining. ${BAND}`,
    legend: curves.map(({ name, style }) => ({ name, style, isLine: true })),
    ...epochPanels(measured, curves, { label: 'loss', range: 'zero' }),
  };
}

function epochPanels(
  records: readonly RunRecord[],
  curves: readonly Curve[],
  y: Panel['y'],
): Pick<Chart, 'panels' | 'plotWidth' | 'plotHeight' | 'isShared'> {
  const strategies = [...new Set(records.map(({ scenario }) => scenario.strategy))].sort(byDepth);
  const panels = strategies.map((strategy): Panel => {
    const runs = records.filter(({ scenario }) => scenario.strategy === strategy);
    return {
      title: strategy,
      x: { label: 'epoch', isWhole: true },
      y,
      strips: stripsOf(runs[0]!),
      series: runs.flatMap((run) => curves.map((curve) => seriesOf(run, curve))),
    };
  });
  return { panels, plotWidth: 130, plotHeight: 140, isShared: true };
}

function seriesOf({ scenario, seed, epochs }: RunRecord, { name, style, valueAfter }: Curve): Series {
  return {
    name: `${name}, seed ${seed}`,
    style,
    labelled: 'legend',
    size: 16,
    marks: epochs.flatMap((epoch) => {
      const value = valueAfter(epoch);
      if (value === null || value === undefined) return [];
      const label = `${scenario.strategy}, seed ${seed}, epoch ${epoch.epoch}: ${name} ${value.toFixed(4)}`;
      return [{ x: epoch.epoch, y: value, low: null, high: null, label }];
    }),
  };
}

/** How many layers were frozen, from one epoch to another, which need not be whole. */
export function stripsOf({ stages, plan, steps, epochs }: RunRecord): Strip[] {
  const parts = stages.length > 0 ? stages : [{ step: 0, plan }];
  const stepsPerEpoch = steps / epochs.length;
  return parts.map((stage, index) => {
    const frozen = stage.plan.layers.filter(Boolean).length;
    return {
      from: stage.step / stepsPerEpoch,
      to: (parts[index + 1]?.step ?? steps) / stepsPerEpoch,
      share: frozen / stage.plan.layers.length,
      text: `${frozen} frozen`,
    };
  });
}
