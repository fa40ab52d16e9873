import type { RunRecord } from '../../experiment/run-record.js';
import { CONFIG, type Draft } from './figure.js';

/** The measured score of a run after an epoch. */
interface CurvePoint {
  kind: 'score';
  panel: string;
  seed: string;
  x: number;
  score: number;
}

/** What was frozen from one epoch to another, which need not be whole. */
interface FrozenBand {
  kind: 'band';
  panel: string;
  from: number;
  to: number;
  frozen: number;
}

const SCORES = {
  macroF1: ({ macro }) => macro.f1,
  weightedF1: ({ weighted }) => weighted.f1,
  accuracy: ({ accuracy }) => accuracy,
  entityF1: ({ entities }) => entities.micro.f1,
} satisfies Record<string, (metrics: RunRecord['epochs'][number]['validation']) => number>;

/**
 * The validation score that decided by epoch, a panel a strategy or schedule and a line a seed, before a band that shows
 * how many layers were frozen; null where no run has two epochs.
 */
export function learningCurves(records: readonly RunRecord[]): Draft | null {
  if (records.every(({ epochs }) => epochs.length < 2)) return null;
  const { earlyStopping } = records[0]!.scenario.training;
  const metric = earlyStopping === false ? 'macroF1' : earlyStopping.metric;
  const panels = [...new Set(records.map(({ scenario }) => scenario.strategy))];
  const bands = panels.flatMap((panel) =>
    bandsOf(records.find(({ scenario }) => scenario.strategy === panel)!, panel),
  );
  const values = [...bands, ...records.flatMap((record) => curveOf(record, SCORES[metric]))];
  const x = {
    field: 'x',
    type: 'quantitative',
    title: 'epoch',
    axis: { tickMinStep: 1 },
  } as const;
  const numLayers = records[0]!.plan.layers.length;
  const depths = [...new Set(bands.map(({ frozen }) => frozen))].sort((a, b) => a - b);
  return {
    name: 'learning-curves',
    title: 'Learning curves',
    caption:
      `Validation ${metric} by epoch, a line a seed. The band shows how many layers were frozen from when to when, in the ` +
      'run of the first seed.',
    spec: {
      data: { values },
      facet: { field: 'panel', type: 'nominal', title: null, sort: panels, header: { labelFontSize: 12 } },
      columns: 4,
      spec: {
        width: 170,
        height: 120,
        layer: [
          {
            transform: [{ filter: "datum.kind === 'band'" }],
            mark: { type: 'rect', opacity: 0.45 },
            encoding: {
              x: { ...x, field: 'from' },
              x2: { field: 'to' },
              color: {
                field: 'frozen',
                type: 'ordinal',
                title: 'frozen layers',
                scale: { domain: depths, range: depths.map((depth) => shade(depth / numLayers)) },
              },
            },
          },
          {
            transform: [{ filter: "datum.kind === 'score'" }],
            mark: { type: 'line', point: { size: 14 }, color: '#333333', strokeWidth: 1.2 },
            encoding: {
              x,
              y: { field: 'score', type: 'quantitative', title: metric, scale: { zero: false } },
              detail: { field: 'seed', type: 'nominal' },
            },
          },
        ],
      },
      config: CONFIG,
    },
  };
}

/** From white, nothing frozen, to blue, everything. */
function shade(share: number): string {
  const [white, blue] = [255, [91, 155, 208]];
  return `rgb(${blue.map((value) => Math.round(white + share * (value - white))).join(',')})`;
}

function curveOf(
  { scenario, seed, epochs }: RunRecord,
  scoreOf: (metrics: RunRecord['epochs'][number]['validation']) => number,
): CurvePoint[] {
  return epochs.map(({ epoch, validation }) => ({
    kind: 'score',
    panel: scenario.strategy,
    seed: `${seed}`,
    x: epoch,
    score: scoreOf(validation),
  }));
}

function bandsOf({ stages, plan, steps, epochs }: RunRecord, panel: string): FrozenBand[] {
  const parts = stages.length > 0 ? stages : [{ step: 0, plan }];
  const stepsPerEpoch = steps / epochs.length;
  return parts.map((stage, index) => ({
    kind: 'band',
    panel,
    from: stage.step / stepsPerEpoch,
    to: (parts[index + 1]?.step ?? steps) / stepsPerEpoch,
    frozen: stage.plan.layers.filter(Boolean).length,
  }));
}
