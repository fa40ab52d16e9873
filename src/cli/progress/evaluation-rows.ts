import type { FreezePlan } from '../../contract/freeze-plan.js';
import { formatSelection } from '../../freezing/parts.js';
import type { MetricsLineOf } from '../../training/log/metrics-line.js';
import { lossText } from './live-line.js';

/** An evaluation, and what of the training belongs to it. */
export interface EvaluationRow {
  evaluation: MetricsLineOf<'evaluation'>;
  /** Of the steps since the last evaluation; null where there were none. */
  trainLoss: number | null;
  frozen: string;
}

interface Column {
  head: string;
  width: number;
  /** Where there is no room for all, those with the highest number are left out. */
  priority: number;
  of(row: EvaluationRow): string;
  isLeft?: boolean;
}

const GAP = '  ';

type Evaluation = EvaluationRow['evaluation'];

const score = (head: string, priority: number, of: (metrics: Evaluation['metrics']) => number): Column => ({
  head,
  width: Math.max(head.length, 6),
  priority,
  of: ({ evaluation }) => of(evaluation.metrics).toFixed(4),
});

const SCORES: Column[] = [
  score('macro F1', 2, (metrics) => ('macro' in metrics ? metrics.macro.f1 : Number.NaN)),
  score('entity F1', 3, (metrics) => ('macro' in metrics ? metrics.entities.micro.f1 : Number.NaN)),
  score('accuracy', 6, (metrics) => ('macro' in metrics ? metrics.accuracy : Number.NaN)),
];

const MASKING_SCORES: Column[] = [
  score('perplexity', 2, (metrics) => ('perplexity' in metrics ? metrics.perplexity : Number.NaN)),
];

/** The columns of the evaluations of a run, by the first of them. */
function columnsFor({ metrics }: Evaluation): Column[] {
  return [
    {
      head: 'epoch',
      width: 5,
      priority: 0,
      of: ({ evaluation: { split, epoch } }) => (split === 'test' ? 'test' : String(epoch)),
    },
    { head: 'step', width: 7, priority: 7, of: ({ evaluation }) => String(evaluation.step) },
    {
      head: 'loss',
      width: 6,
      priority: 1,
      of: ({ trainLoss }) => (trainLoss === null ? '' : lossText(trainLoss)),
    },
    {
      head: 'val loss',
      width: 8,
      priority: 1,
      of: ({ evaluation: { loss } }) => (loss === null ? '' : lossText(loss)),
    },
    ...('perplexity' in metrics ? MASKING_SCORES : SCORES),
    {
      head: '',
      width: 4,
      priority: 4,
      of: ({ evaluation: { best, split } }) => (best && split === 'validation' ? 'best' : ''),
    },
    { head: 'val s', width: 7, priority: 8, of: ({ evaluation }) => evaluation.seconds.toFixed(1) },
    { head: 'frozen', width: 7, priority: 5, of: ({ frozen }) => frozen, isLeft: true },
  ];
}

/** Lines of evaluations below each other, with a head over their columns; a narrow terminal has fewer of these. */
export class EvaluationRows {
  readonly #columns: readonly Column[];
  readonly #rest: number;

  /** @param width characters of a line; null for any number */
  constructor(first: Evaluation, width: number | null) {
    const columns = columnsFor(first);
    let room = width ?? Number.POSITIVE_INFINITY;
    const kept = columns
      .toSorted((a, b) => a.priority - b.priority)
      .filter((column) => {
        const needs = column.width + (column.priority === 0 ? 0 : GAP.length);
        if (needs > room) return false;
        room -= needs;
        return true;
      });
    this.#columns = columns.filter((column) => kept.includes(column));
    // What is left goes to the last column, whose texts have different lengths.
    this.#rest = room;
  }

  head(): string {
    return this.#line((column) => column.head);
  }

  row(row: EvaluationRow): string {
    return this.#line((column) => column.of(row));
  }

  #line(cell: (column: Column) => string): string {
    const cells = this.#columns.map((column) => {
      if (!column.isLeft) return cell(column).padStart(column.width);
      const room = column.width + this.#rest;
      const text = cell(column);
      return text.length > room ? `${text.slice(0, room - 1)}…` : text;
    });
    return cells.join(GAP).trimEnd();
  }
}

/** What a plan freezes, in few characters: `none`, `emb`, `emb+0-5`, `emb+0-5+parts`. */
export function frozenText({ embeddings, layers, parts }: FreezePlan): string {
  const frozen = layers.flatMap((isFrozen, layer) => (isFrozen ? [layer] : []));
  const all = frozen.length === layers.length && layers.length > 0;
  const items = [
    ...(embeddings ? ['emb'] : []),
    ...(frozen.length > 0 ? [formatSelection(all ? 'all' : frozen)] : []),
    ...(parts?.some((names) => names.length > 0) ? ['parts'] : []),
  ];
  return items.join('+') || 'none';
}
