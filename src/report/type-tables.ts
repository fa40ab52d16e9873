import { sortedByCodePoint } from '../evaluation/scores.js';
import { groupBy } from '../experiment/group-by.js';
import { type Block, details, heading, paragraph, table } from './blocks.js';
import { formatSpread, NONE, scoreFormat } from './format.js';
import { reportedMetrics, spread } from './scenario-summary.js';
import type { GridSummary } from './summary.js';
import type { TextTable } from './tables.js';

type ScoreOfType = 'precision' | 'recall' | 'f1';

/** A score of each entity type, a row a type and a column a scenario, with the number of gold entities; rarest last. */
export function typeTable({ whole, scenarios }: GridSummary, score: ScoreOfType): TextTable {
  const byStrategy = groupBy(whole, ({ scenario }) => scenario.strategy);
  const columns = scenarios.map(({ strategy }) =>
    byStrategy.get(strategy)!.map((record) => reportedMetrics(record).entities.types),
  );
  const runs = columns.flat();
  const types = sortedByCodePoint([...new Set(runs.flatMap((types) => Object.keys(types)))]);
  const support = (type: string) => runs.find((of) => of[type] !== undefined)![type]!.support;
  const scoreOf = (runs: (typeof columns)[number], type: string) =>
    // A type that a run neither predicts nor has in its gold tags has no score there.
    runs.flatMap((types) => types[type]?.[score] ?? []);
  return {
    head: ['type', 'entities', ...scenarios.map(({ strategy }) => strategy)],
    rows: types
      .sort((a, b) => support(b) - support(a))
      .map((type) => [
        type,
        `${support(type)}`,
        ...columns.map((runs) => {
          const values = scoreOf(runs, type);
          return values.length === 0 ? NONE : formatSpread(spread(values), scoreFormat(3));
        }),
      ]),
  };
}

/** Scores by type, entity by entity. */
export function typeBlocks(summary: GridSummary): Block[] {
  const f1 = typeTable(summary, 'f1');
  if (f1.rows.length === 0) return [];
  return [
    heading(2, 'Scores by type'),
    paragraph(
      `F1 over whole entities on the ${summary.evaluatedOn} split, mean ± standard deviation over seeds. A score of a type ` +
        'with few entities moves by much when one of them is found.',
    ),
    table(f1),
    details('Precision by type', table(typeTable(summary, 'precision'))),
    details('Recall by type', table(typeTable(summary, 'recall'))),
  ];
}
