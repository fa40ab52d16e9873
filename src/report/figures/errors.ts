import { ERROR_KINDS } from '../../evaluation/entity-errors.js';
import type { ErrorStudy } from '../../experiment/error-studies.js';
import { byDepth } from '../scenario-summary.js';
import { drawBars } from './bars.js';
import type { Figure } from './figure.js';

/** Errors by kind, a bar a scenario; null without predictions. */
export function errorFigure(studies: readonly ErrorStudy[], split: string): Figure | null {
  if (studies.length === 0) return null;
  const parts = ERROR_KINDS.filter((kind) => kind !== 'correct');
  return drawBars({
    name: 'errors',
    title: 'Errors by kind',
    caption: `On the ${split} split, mean over seeds. A gold entity with a wrong type, boundary or both counts once.`,
    axis: { label: 'entities' },
    parts,
    rows: [...studies]
      .sort((a, b) => byDepth(a.strategy, b.strategy))
      .map(({ strategy, analysis: { total } }) => ({
        name: strategy,
        values: parts.map((kind) => total[kind]),
      })),
  });
}
