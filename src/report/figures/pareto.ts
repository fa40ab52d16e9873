import type { SearchResult } from '../../experiment/search/search.js';
import { CONFIG, type Draft } from './figure.js';

interface Mark {
  plan: string;
  /** `seconds`, or `joules` where every plan was measured. */
  measure: string;
  cost: number;
  score: number;
  low: number;
  high: number;
  kind: 'best' | 'cheapest' | 'best and cheapest' | 'not worse at its cost' | 'dominated';
}

const KINDS: Readonly<Record<Mark['kind'], string>> = {
  best: '#d1601e',
  cheapest: '#2f8f4e',
  'best and cheapest': '#8a4fb0',
  'not worse at its cost': '#1f6fb4',
  dominated: '#9a9a9a',
};

/** Quality against seconds, and against joules where they were measured, of the plans of the last rung. */
export function paretoFigure({ best, cheapest, plans, metric, rungs }: SearchResult): Draft {
  const whole = plans.filter(({ rung }) => rung === rungs.length);
  const hasEnergy = whole.every(({ joules }) => joules !== null);
  const measures = [
    ['seconds', ({ seconds }: (typeof whole)[number]) => seconds] as const,
    ...(hasEnergy ? [['joules', ({ joules }: (typeof whole)[number]) => joules!] as const] : []),
  ];
  const marks = measures.flatMap(([measure, costOf]) =>
    whole.map((plan): Mark => {
      const { notation, mean, standardError } = plan;
      const isDominated = whole.some(
        (other) =>
          costOf(other) <= costOf(plan) &&
          other.mean >= mean &&
          (costOf(other) < costOf(plan) || other.mean > mean),
      );
      const kind =
        notation === best && notation === cheapest
          ? 'best and cheapest'
          : notation === best
            ? 'best'
            : notation === cheapest
              ? 'cheapest'
              : isDominated
                ? 'dominated'
                : 'not worse at its cost';
      const reach = standardError ?? 0;
      return {
        plan: notation,
        measure,
        cost: costOf(plan),
        score: mean,
        low: mean - reach,
        high: mean + reach,
        kind,
      };
    }),
  );
  const kinds = (Object.keys(KINDS) as Mark['kind'][]).filter((kind) =>
    marks.some((mark) => mark.kind === kind),
  );
  const x = { field: 'cost', type: 'quantitative', title: null, scale: { zero: false } } as const;
  const y = {
    field: 'score',
    type: 'quantitative',
    title: `validation ${metric}`,
    scale: { zero: false },
  } as const;
  const colour = {
    field: 'kind',
    type: 'nominal',
    title: null,
    scale: { domain: kinds, range: kinds.map((kind) => KINDS[kind]) },
    legend: { orient: 'bottom' },
  } as const;
  return {
    name: 'pareto',
    title: 'Quality against cost',
    caption:
      'Mean validation score ± one standard error against mean seconds, and joules where they were measured, of training ' +
      'and validation; outputs of frozen layers that several runs read are computed once, and the seconds of that count ' +
      'for nobody. A plan is dominated where another one is no worse and no dearer.',
    spec: {
      data: { values: marks },
      facet: { field: 'measure', type: 'nominal', title: null, sort: null, header: { labelFontSize: 13 } },
      spec: {
        width: 400,
        height: 280,
        layer: [
          {
            transform: [{ filter: 'datum.high > datum.low' }],
            mark: 'rule',
            encoding: {
              x,
              y: {
                field: 'low',
                type: 'quantitative',
                title: `validation ${metric}`,
                scale: { zero: false },
              },
              y2: { field: 'high' },
              color: colour,
            },
          },
          { mark: { type: 'point', filled: true, size: 50 }, encoding: { x, y, color: colour } },
          {
            mark: { type: 'text', dx: 7, align: 'left', fontSize: 10 },
            encoding: { x, y, text: { field: 'plan', type: 'nominal' } },
          },
        ],
      },
      resolve: { scale: { x: 'independent' } },
      config: CONFIG,
    },
  };
}
