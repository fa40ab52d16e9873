import { ERROR_KINDS } from '../../evaluation/entity-errors.js';
import type { ErrorStudy } from '../../experiment/error-studies.js';
import { COLOURS, CONFIG, type Draft } from './figure.js';

/** Errors by kind, a bar a scenario; null without predictions. */
export function errorFigure(studies: readonly ErrorStudy[], split: string): Draft | null {
  if (studies.length === 0) return null;
  const kinds = ERROR_KINDS.filter((kind) => kind !== 'correct');
  const values = studies.flatMap(({ strategy, analysis: { total } }) =>
    kinds.map((kind, order) => ({ strategy, kind, order, count: total[kind] })),
  );
  return {
    name: 'errors',
    title: 'Errors by kind',
    caption: `On the ${split} split, mean over seeds. A gold entity with a wrong type, boundary or both counts once.`,
    spec: {
      data: { values },
      width: Math.max(240, 44 * studies.length),
      height: 240,
      mark: { type: 'bar' },
      encoding: {
        x: { field: 'strategy', type: 'nominal', title: null, sort: null, axis: { labelAngle: -40 } },
        y: { field: 'count', type: 'quantitative', title: 'entities', stack: 'zero' },
        color: {
          field: 'kind',
          type: 'nominal',
          title: null,
          scale: { domain: [...kinds], range: COLOURS.slice(0, kinds.length) },
          legend: { orient: 'bottom' },
        },
        order: { field: 'order', type: 'quantitative' },
      },
      config: CONFIG,
    },
  };
}
