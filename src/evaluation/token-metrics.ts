import type { EntityReport } from './entity-metrics.js';
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

/** The label of words outside entities. */
export const OUTSIDE = 'O';

/** Scores over words, every label (`B-PER`, `I-PER`, `O` …) a class of its own. */
export interface TokenReport {
  /** Share of words with the right label. */
  accuracy: number;
  /** Unweighted mean over all labels, O included. */
  macro: Scores;
  /** Mean over all labels, O included, weighted by support. */
  weighted: Scores;
  /** The same means over the labels other than O. */
  withoutO: { macro: Scores; weighted: Scores };
  /** Every label that is gold or predicted somewhere, by code point. */
  labels: { [label: string]: Scores };
}

/**
 * Scores predicted tags word by word, as scikit-learn's `classification_report` with `zero_division=0` does.
 *
 * Without any sentence all scores and supports are 0, never NaN: tell the cases apart by the support.
 *
 * @param gold tags of each sentence, shape [sentences][words].
 * @param predicted tags of the same words, same shape.
 * @throws INVALID_OPTION where the shapes differ, with the index of the sentence.
 */
export function tokenReport(
  gold: readonly (readonly string[])[],
  predicted: readonly (readonly string[])[],
): TokenReport {
  checkAligned(gold, predicted);
  const counts = new TokenCounts();
  for (const [sentence, tags] of gold.entries()) counts.add(tags, predicted[sentence]!);
  return counts.report();
}

/** Counts of words by label, of which a report comes at any time: sentences may come one by one. */
export class TokenCounts {
  readonly #counts = new Map<string, ClassCounts>();
  #words = 0;
  #correct = 0;

  /** @param predicted tags of the same words */
  add(gold: readonly string[], predicted: readonly string[]): void {
    this.#words += gold.length;
    for (let word = 0; word < gold.length; word++) {
      const goldCount = countsOf(this.#counts, gold[word]!);
      const predictedCount = countsOf(this.#counts, predicted[word]!);
      goldCount.gold++;
      predictedCount.predicted++;
      if (goldCount === predictedCount) {
        goldCount.correct++;
        this.#correct++;
      }
    }
  }

  report(): TokenReport {
    const labels: [string, Scores][] = sortedByCodePoint(this.#counts.keys()).map((label) => [
      label,
      scoresOf(this.#counts.get(label)!),
    ]);
    const all = labels.map(([, scores]) => scores);
    const inside = labels.filter(([label]) => label !== OUTSIDE).map(([, scores]) => scores);
    return {
      accuracy: this.#words === 0 ? 0 : this.#correct / this.#words,
      macro: macroAverage(all),
      weighted: weightedAverage(all),
      withoutO: { macro: macroAverage(inside), weighted: weightedAverage(inside) },
      labels: Object.fromEntries(labels),
    };
  }
}

/** A macro average over some of the classes. */
export interface SelectedMacro extends Scores {
  /** Number of classes in the average. */
  classes: number;
}

/**
 * Macro average over the labels or types with at least `minSupport` gold items.
 *
 * A class with one gold item moves the plain macro average by a whole class's worth on a single decision.
 */
export function macroAtLeast(
  report: Pick<TokenReport, 'labels'> | Pick<EntityReport, 'types'>,
  minSupport: number,
): SelectedMacro {
  const rows = Object.values('labels' in report ? report.labels : report.types);
  const kept = rows.filter(({ support }) => support >= minSupport);
  return { ...macroAverage(kept), classes: kept.length };
}
