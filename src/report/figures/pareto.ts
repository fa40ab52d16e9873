import type { SearchResult } from '../../experiment/search/search.js';
import { formatSeconds, metricName } from '../format.js';
import type { Chart } from './chart.js';
import type { Panel, Series } from './panel.js';
import type { SeriesStyle } from './theme.js';

type Kind = 'best' | 'cheapest' | 'best and cheapest' | 'not worse at its cost' | 'dominated';
type Plan = SearchResult['plans'][number];

const KINDS: Readonly<Record<Kind, SeriesStyle>> = {
  best: { colour: 2, marker: 5, dash: 0 },
  cheapest: { colour: 3, marker: 3, dash: 0 },
  'best and cheapest': { colour: 4, marker: 4, dash: 0 },
  'not worse at its cost': { colour: 1, marker: 0, dash: 0 },
  dominated: { colour: 7, marker: 0, dash: 0, isHollow: true },
};

/** Quality against seconds, and against joules where they were measured, of the plans of the last rung. */
export function paretoFigure({ best, cheapest, plans, metric, rungs }: SearchResult): Chart {
  const whole = plans.filter(({ rung }) => rung === rungs.length);
  const score = metricName(metric);
  const hasEnergy = whole.every(({ joules }) => joules !== null);
  const measures = [
    ['seconds', 's', ({ seconds }: Plan) => seconds] as const,
    ...(hasEnergy ? [['joules', 'J', ({ joules }: Plan) => joules!] as const] : []),
  ];
  const panels = measures.map(([measure, unit, costOf]): Panel => {
    const kindOf = (plan: Plan): Kind => {
      const [isBest, isCheapest] = [plan.notation === best, plan.notation === cheapest];
      if (isBest || isCheapest)
        return isBest && isCheapest ? 'best and cheapest' : isBest ? 'best' : 'cheapest';
      const isDominated = whole.some(
        (other) =>
          costOf(other) <= costOf(plan) &&
          other.mean >= plan.mean &&
          (costOf(other) < costOf(plan) || other.mean > plan.mean),
      );
      return isDominated ? 'dominated' : 'not worse at its cost';
    };
    const series = whole.map((plan): Series => {
      const { notation, mean, standardError } = plan;
      const reach = standardError === null || standardError === 0 ? null : standardError;
      const kind = kindOf(plan);
      const deviation = reach === null ? '' : ` ± ${reach.toFixed(4)}`;
      return {
        name: notation,
        style: KINDS[kind],
        isLine: false,
        labelled: 'beside',
        size: 60,
        marks: [
          {
            x: costOf(plan),
            y: mean,
            low: reach === null ? null : mean - reach,
            high: reach === null ? null : mean + reach,
            label: `${notation} (${kind}): validation ${score} ${mean.toFixed(4)}${deviation}, ${formatSeconds(costOf(plan))} ${unit}`,
          },
        ],
      };
    });
    return {
      title: `Against ${measure}`,
      x: { label: `${measure} (${unit})`, range: 'zero' },
      y: { label: `validation ${score}`, range: 'detail' },
      // What is named chooses the place of its name first.
      series: [...series].sort((a, b) => order(a) - order(b)),
    };
  });
  const used = new Set(panels.flatMap(({ series }) => series.map(({ style }) => style)));
  return {
    name: 'pareto',
    title: 'Quality against cost',
    caption:
      'Mean validation score ± one standard error against mean seconds, and joules where they were measured, of training ' +
      'and validation; outputs of frozen layers that several runs read are computed once, and the seconds of that count ' +
      'for nobody. A plan is dominated where another one is no worse and no dearer.',
    panels,
    plotWidth: 260,
    plotHeight: 280,
    legend: Object.entries(KINDS)
      .filter(([, style]) => used.has(style))
      .map(([name, style]) => ({ name, style, isLine: false })),
  };
}

function order({ style }: Series): number {
  return Object.values(KINDS).indexOf(style);
}
