import { type EntitySpan, type SpanOptions, spanReader } from './entity-spans.js';
import {
  type ClassCounts,
  checkAligned,
  countsOf,
  macroAverage,
  type Scores,
  scoresOf,
  sortedByCodePoint,
  weightedAverage,
} from './scores.js';

/** Scores over whole entities: right only where type, first and last word agree. */
export interface EntityReport {
  /** Over all entities at once. */
  micro: Scores;
  /** Unweighted mean over types. */
  macro: Scores;
  /** Mean over types weighted by support. */
  weighted: Scores;
  /** Every type that is gold or predicted somewhere, by code point. */
  types: { [type: string]: Scores };
}

/**
 * Scores predicted entities as seqeval's `classification_report` with `zero_division=0` does.
 *
 * Where there is no entity at all the averages are 0 (seqeval: NaN for the macro average), and likewise without any
 * sentence (seqeval: an exception): tell the cases apart by the support.
 *
 * @param gold tags of each sentence, shape [sentences][words].
 * @param predicted tags of the same words, same shape.
 * @throws INVALID_OPTION where the shapes differ, with the index of the sentence.
 */
export function entityReport(
  gold: readonly (readonly string[])[],
  predicted: readonly (readonly string[])[],
  options: SpanOptions = {},
): EntityReport {
  checkAligned(gold, predicted);
  const counts = new EntityCounts(options);
  for (const [sentence, tags] of gold.entries()) counts.add(tags, predicted[sentence]!);
  return counts.report();
}

/** Counts of entities by type, of which a report comes at any time: sentences may come one by one. */
export class EntityCounts {
  readonly #spansOf: (tags: readonly string[]) => EntitySpan[];
  readonly #counts = new Map<string, ClassCounts>();

  constructor(options: SpanOptions = {}) {
    this.#spansOf = spanReader(options);
  }

  /** @param predicted tags of the same words */
  add(gold: readonly string[], predicted: readonly string[]): void {
    countSpans(this.#counts, this.#spansOf(gold), this.#spansOf(predicted));
  }

  report(): EntityReport {
    const types: [string, Scores][] = sortedByCodePoint(this.#counts.keys()).map((type) => [
      type,
      scoresOf(this.#counts.get(type)!),
    ]);
    const scores = types.map(([, typeScores]) => typeScores);
    return {
      micro: scoresOf(totalOf(this.#counts.values())),
      macro: macroAverage(scores),
      weighted: weightedAverage(scores),
      types: Object.fromEntries(types),
    };
  }
}

function countSpans(
  counts: Map<string, ClassCounts>,
  gold: readonly EntitySpan[],
  predicted: readonly EntitySpan[],
): void {
  for (const { type } of gold) countsOf(counts, type).gold++;
  let next = 0;
  for (const span of predicted) {
    const typeCounts = countsOf(counts, span.type);
    typeCounts.predicted++;
    // Ends ascend in both lists, so one walk along both finds every match.
    while (next < gold.length && gold[next]!.end < span.end) next++;
    const match = gold[next];
    if (match?.end === span.end && match.start === span.start && match.type === span.type)
      typeCounts.correct++;
  }
}

function totalOf(counts: Iterable<ClassCounts>): ClassCounts {
  const total: ClassCounts = { correct: 0, predicted: 0, gold: 0 };
  for (const { correct, predicted, gold } of counts) {
    total.correct += correct;
    total.predicted += predicted;
    total.gold += gold;
  }
  return total;
}
