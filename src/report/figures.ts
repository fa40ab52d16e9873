import type { TopLevelSpec } from 'vega-lite';
import { PAPER, paperDatasetTitle, paperRow } from './paper-tables.js';
import type { ScenarioSummary, Spread } from './scenario-summary.js';
import type { GridSummary } from './summary.js';

/** A figure as a file of its own, or within a page. */
export interface Figure {
  /** File name without its end. */
  name: string;
  title: string;
  /** What is shown, one sentence. */
  caption: string;
  svg: string;
}

/** One mark: the figure of one scenario, or of the paper's row that it stands beside. */
interface Point {
  k: number;
  series: string;
  measure: string;
  mean: number;
  low: number;
  high: number;
}

/** A scenario without a k, drawn as a line across. */
interface Level {
  series: string;
  measure: string;
  mean: number;
}

/**
 * Draws quality and time against the number of frozen layers; no figures where no scenario has such a number.
 *
 * @returns the same text for the same summary.
 */
export async function renderFigures(summary: GridSummary): Promise<Figure[]> {
  if (summary.scenarios.every(({ k }) => k === null)) return [];
  const hasTimes = summary.scenarios.some(({ k, isBorrowed }) => k !== null && !isBorrowed);
  const figures = [qualityFigure(summary), ...(hasTimes ? [timeFigure(summary)] : [])];
  return Promise.all(figures.map(async ({ spec, ...figure }) => ({ ...figure, svg: await drawSvg(spec) })));
}

type Draft = Omit<Figure, 'svg'> & { spec: TopLevelSpec };

function qualityFigure({ scenarios, paperDataset, evaluatedOn }: GridSummary): Draft {
  const measures = [
    ['macro F1', (scenario: ScenarioSummary) => scenario.scores.macroF1],
    ['entity F1', (scenario: ScenarioSummary) => scenario.scores.entityF1],
  ] as const;
  const points = measures.flatMap(([measure, spread]) => pointsOf(scenarios, measure, spread));
  const levels = measures.flatMap(([measure, spread]) => levelsOf(scenarios, measure, spread));
  const paper = scenarios.flatMap(({ family, k, plan }): Point[] => {
    const row = paperRow(paperDataset, family, k, plan.layers.length);
    if (row === null || k === null) return [];
    const series = `${family}, paper (${paperDatasetTitle(paperDataset)})`;
    return [{ k, series, measure: 'macro F1', mean: row.macroF1, low: row.macroF1, high: row.macroF1 }];
  });
  return {
    name: 'quality',
    title: 'Quality against frozen layers',
    caption:
      `On the ${evaluatedOn} split, mean ± standard deviation over seeds; dashed: the paper's, of ${PAPER.model}. ` +
      'Lines across: scenarios without a number of layers.',
    spec: plot([...points, ...paper], levels, 'score'),
  };
}

function timeFigure(summary: GridSummary): Draft {
  const scenarios = summary.scenarios.filter(({ isBorrowed }) => !isBorrowed);
  const isWhole = scenarios.length === summary.scenarios.length;
  const measures = [
    ['seconds an epoch', (scenario: ScenarioSummary) => scenario.secondsPerEpoch],
    ['seconds to the stop', (scenario: ScenarioSummary) => scenario.secondsToStop],
  ] as const;
  return {
    name: 'time',
    title: 'Time against frozen layers',
    caption:
      'An epoch is its training steps alone; to the stop, training and validation of every epoch. Mean ± standard ' +
      'deviation over seeds. Lines across: scenarios without a number of layers.' +
      (isWhole ? '' : ' Left out: scenarios whose runs all read what another run had computed.'),
    spec: plot(
      measures.flatMap(([measure, spread]) => pointsOf(scenarios, measure, spread)),
      measures.flatMap(([measure, spread]) => levelsOf(scenarios, measure, spread)),
      'seconds',
    ),
  };
}

type SpreadOf = (scenario: ScenarioSummary) => Spread;

function pointsOf(scenarios: readonly ScenarioSummary[], measure: string, spreadOf: SpreadOf): Point[] {
  return scenarios.flatMap((scenario) => {
    if (scenario.k === null) return [];
    const { mean, sd } = spreadOf(scenario);
    return [
      {
        k: scenario.k,
        series: scenario.family,
        measure,
        mean,
        low: mean - (sd ?? 0),
        high: mean + (sd ?? 0),
      },
    ];
  });
}

function levelsOf(scenarios: readonly ScenarioSummary[], measure: string, spreadOf: SpreadOf): Level[] {
  return scenarios.flatMap((scenario) =>
    scenario.k === null ? [{ series: scenario.strategy, measure, mean: spreadOf(scenario).mean }] : [],
  );
}

/** One panel a measure: lines with their deviations by k, and lines across. */
function plot(points: Point[], levels: Level[], unit: string): TopLevelSpec {
  const series = [...new Set([...points, ...levels].map((item) => item.series))];
  const isPaper = (name: string) => name.includes(', paper');
  // The paper's line has the colour of ours that it stands beside.
  const colours = ['#1f6fb4', '#d1601e', '#2f8f4e', '#8a4fb0', '#5a5a5a', '#b0336b'];
  const own = series.filter((name) => !isPaper(name));
  const colourOf = (name: string) => colours[own.indexOf(name.split(', paper')[0]!) % colours.length]!;
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
    scale: { domain: series, range: series.map((name) => (isPaper(name) ? [4, 3] : [1, 0])) },
  } as const;
  const y = { field: 'mean', type: 'quantitative', title: unit, scale: { zero: true } } as const;
  const k = { field: 'k', type: 'quantitative', title: 'frozen layers k' } as const;
  const ticks = [...new Set(points.map((point) => point.k))].sort((a, b) => a - b);
  const data = [...points, ...levels.map((level) => ({ ...level, k: null }))];
  return {
    data: { values: data },
    facet: { field: 'measure', type: 'nominal', title: null, sort: null, header: { labelFontSize: 13 } },
    spec: {
      width: 330,
      height: 230,
      layer: [
        {
          transform: [{ filter: 'datum.k === null' }],
          mark: { type: 'rule', strokeDash: [1, 2] },
          encoding: { y, color: colour },
        },
        {
          transform: [{ filter: 'datum.k !== null' }],
          mark: { type: 'line' },
          encoding: { x: { ...k, axis: { values: ticks, format: 'd' } }, y, color: colour, strokeDash: dash },
        },
        {
          transform: [{ filter: 'datum.k !== null && datum.high > datum.low' }],
          mark: { type: 'rule' },
          encoding: {
            x: k,
            y: { field: 'low', type: 'quantitative', title: unit },
            y2: { field: 'high' },
            color: colour,
          },
        },
        {
          transform: [{ filter: 'datum.k !== null' }],
          mark: { type: 'point', filled: true, size: 36 },
          encoding: { x: k, y, color: colour },
        },
      ],
    },
    resolve: { scale: { y: 'independent' } },
    config: { font: 'sans-serif', background: 'white', view: { stroke: '#cccccc' } },
  };
}

/** Vega weighs more than all else of a report, so it is loaded when a figure is drawn. */
async function drawSvg(spec: TopLevelSpec): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
