import { depthNote } from '../context.js';
import { formatSeconds } from '../format.js';
import { PAPER, paperDatasetTitle, paperRow } from '../paper-tables.js';
import type { ScenarioSummary, Spread } from '../scenario-summary.js';
import type { GridSummary } from '../summary.js';
import { type Chart, drawChart } from './chart.js';
import { learningCurves, lossCurves } from './epoch-curves.js';
import { errorFigure } from './errors.js';
import type { Figure } from './figure.js';
import { type Level, linePanels, type Point, pointOf } from './lines.js';

const K = { label: 'frozen layers k' };
const SCORE = { label: 'score', range: 'detail' } as const;

const ACROSS = 'Lines across: scenarios without a number of layers.';
const BELOW = 'An arrow marks what lies below the axis, with its number.';

/**
 * Draws quality and time against the number of frozen layers where scenarios have such a number, what freezing does to
 * other test sets and with fewer sentences where these were measured, and the learning curves.
 *
 * @returns the same text for the same summary.
 */
export function renderFigures(summary: GridSummary): Figure[] {
  const { scenarios } = summary;
  const hasDepths = scenarios.some(({ k }) => k !== null);
  const hasTimes = scenarios.some(({ k, isBorrowed }) => k !== null && !isBorrowed);
  const charts = [
    ...(hasDepths ? [qualityFigure(summary)] : []),
    ...(hasTimes ? [timeFigure(summary)] : []),
    ...(hasDepths && scenarios.some(({ tests }) => tests.size > 0) ? [transferFigure(summary)] : []),
    ...(summary.sizes.length > 1 ? [sizesFigure(summary)] : []),
    learningCurves(summary.whole),
    lossCurves(summary.whole),
  ];
  const errors = errorFigure(summary.errors, summary.evaluatedOn);
  return [
    ...charts.flatMap((chart) => (chart === null ? [] : [drawChart(chart)])),
    ...(errors === null ? [] : [errors]),
  ];
}

function qualityFigure(summary: GridSummary): Chart {
  const { scenarios, paperDataset, evaluatedOn } = summary;
  const measures = [
    ['macro F1', (scenario: ScenarioSummary) => scenario.scores.macroF1],
    ['entity F1', (scenario: ScenarioSummary) => scenario.scores.entityF1],
  ] as const;
  const points = measures.flatMap(([measure, spread]) => pointsOf(scenarios, measure, spread));
  const levels = measures.flatMap(([measure, spread]) => levelsOf(scenarios, measure, spread));
  const paper = scenarios.flatMap(({ family, k, plan }): Point[] => {
    const row = paperRow(paperDataset, family, k, plan.layers.length);
    if (row === null || k === null) return [];
    return [pointOf(k, `${family}, paper`, 'macro F1', { mean: row.macroF1, sd: null, values: [] })];
  });
  const shares = depthNote(summary);
  return {
    name: 'quality',
    title: 'Quality against frozen layers',
    caption: [
      `On the ${evaluatedOn} split, mean ± standard deviation over seeds.`,
      ...(paper.length === 0
        ? []
        : [`Dotted and hollow: the paper’s, of ${PAPER.model} on ${paperDatasetTitle(paperDataset)}.`]),
      ...(paper.length === 0 || shares === null ? [] : [shares]),
      ...(levels.length === 0 ? [] : [ACROSS]),
      BELOW,
    ].join(' '),
    panels: linePanels({
      points: [...points, ...paper],
      levels,
      x: K,
      y: SCORE,
      // The paper's line has the colour of ours that it stands beside.
      besides: (series) => (series.endsWith(', paper') ? series.slice(0, -', paper'.length) : null),
    }),
  };
}

function timeFigure(summary: GridSummary): Chart {
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
      `deviation over seeds. ${ACROSS}` +
      (isWhole ? '' : ' Left out: scenarios whose runs all read what another run had computed.'),
    panels: linePanels({
      points: measures.flatMap(([measure, spread]) => pointsOf(scenarios, measure, spread)),
      levels: measures.flatMap(([measure, spread]) => levelsOf(scenarios, measure, spread)),
      x: K,
      y: { label: 'seconds', range: 'zero' },
      format: formatSeconds,
    }),
  };
}

function transferFigure({ scenarios }: GridSummary): Chart {
  const ranged = scenarios.filter(({ k }) => k !== null);
  const families = new Set(ranged.map(({ family }) => family));
  const points = (['entityF1', 'macroF1'] as const).flatMap((score) =>
    ranged.flatMap(({ k, family, tests }) =>
      [...tests].map(([name, scores]) =>
        pointOf(
          k!,
          families.size > 1 ? `${name}, ${family}` : name,
          score === 'entityF1' ? 'entity F1' : 'macro F1',
          scores[score],
        ),
      ),
    ),
  );
  return {
    name: 'transfer',
    title: 'Test sets against frozen layers',
    caption:
      'Every test set with the weights that were best on the validation data; mean ± standard deviation over seeds. ' +
      BELOW,
    panels: linePanels({ points, x: K, y: SCORE }),
  };
}

function sizesFigure({ sizes, evaluatedOn }: GridSummary): Chart {
  const points = (['entityF1', 'macroF1'] as const).flatMap((score) =>
    sizes.flatMap(({ sentences, scenarios }) =>
      scenarios.map(({ strategy, scores }) =>
        pointOf(sentences, strategy, score === 'entityF1' ? 'entity F1' : 'macro F1', scores[score]),
      ),
    ),
  );
  return {
    name: 'train-sizes',
    title: 'Quality against training sentences',
    caption: `On the ${evaluatedOn} split, mean ± standard deviation over seeds; the axis across is logarithmic.`,
    panels: linePanels({
      points,
      x: { label: 'training sentences', isLog: true },
      y: { label: 'score', range: 'data' },
    }),
  };
}

type SpreadOf = (scenario: ScenarioSummary) => Spread;

function pointsOf(scenarios: readonly ScenarioSummary[], measure: string, spreadOf: SpreadOf): Point[] {
  return scenarios.flatMap((scenario) =>
    scenario.k === null ? [] : [pointOf(scenario.k, scenario.family, measure, spreadOf(scenario))],
  );
}

function levelsOf(scenarios: readonly ScenarioSummary[], measure: string, spreadOf: SpreadOf): Level[] {
  return scenarios.flatMap((scenario) =>
    scenario.k === null ? [{ series: scenario.strategy, measure, mean: spreadOf(scenario).mean }] : [],
  );
}
