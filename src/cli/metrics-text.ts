import { ERROR_KINDS, type ErrorKindCounts } from '../evaluation/entity-errors.js';
import type { UnknownGold } from '../evaluation/evaluation-sum.js';
import type { Metrics } from '../evaluation/metrics.js';
import { drawTable } from '../report/terminal.js';

interface Scores {
  precision: number;
  recall: number;
  f1: number;
  support: number;
}

/** The scores of one evaluation as tables for a terminal: tokens by label, entities by type. */
export function metricsText(split: string, metrics: Metrics): string {
  const { counts } = metrics;
  const tokens = scoreTable('token label', [
    ...Object.entries(metrics.labels),
    ['macro', metrics.macro],
    ['macro without O', metrics.withoutO.macro],
    ['weighted', metrics.weighted],
  ]);
  const entities = scoreTable('entity type', [
    ...Object.entries(metrics.entities.types),
    ['micro', metrics.entities.micro],
    ['macro', metrics.entities.macro],
    ['micro, strict', metrics.entitiesStrict.micro],
  ]);
  const lost = counts.truncatedWords + counts.wordsWithoutTokens;
  const notes = lost > 0 ? `, ${lost} of them without a prediction (cut or vanished: counted as O)` : '';
  return [
    `${split}: ${counts.sentences} sentences, ${counts.words} words${notes}`,
    `accuracy ${metrics.accuracy.toFixed(4)}`,
    tokens,
    entities,
  ].join('\n');
}

/** The same with what became of the entities, and what no model could find. */
export function evaluationText(
  file: string,
  metrics: Metrics,
  errors: ErrorKindCounts,
  unknown?: UnknownGold,
): string {
  const kinds = drawTable({
    head: ['entities', ...ERROR_KINDS],
    rows: [['', ...ERROR_KINDS.map((kind) => String(errors[kind]))]],
  });
  const missed = Object.entries(unknown?.entities ?? {});
  if (missed.length === 0) return `${metricsText(file, metrics)}\n${kinds}`;
  const total = missed.reduce((sum, [, count]) => sum + count, 0);
  const named = missed.map(([type, count]) => `${type} ${count}`).join(', ');
  return `${metricsText(file, metrics)}\n${kinds}\nof types that the model has no label for: ${total} gold entities (${named}), none of which it can find`;
}

function scoreTable(title: string, rows: [string, Scores][]): string {
  return drawTable({
    head: [title, 'precision', 'recall', 'F1', 'support'],
    rows: rows.map(([name, { precision, recall, f1, support }]) => [
      name,
      precision.toFixed(4),
      recall.toFixed(4),
      f1.toFixed(4),
      String(support),
    ]),
  });
}
