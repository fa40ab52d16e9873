import type { LabelSet } from '../data/label-set.js';
import { ErrorCounter, type ErrorKindCounts, type PairedEntity } from './entity-errors.js';
import { spanReader } from './entity-spans.js';
import { type Metrics, MetricsCounts } from './metrics.js';
import type { EvaluationCounts } from './word-tags.js';

/** Gold tags that a model has no label for. */
export interface UnknownGold {
  words: number;
  /** Entities with such a word, which the model cannot find, by their types. */
  entities: { [type: string]: number };
}

/** What is known when all sentences are scored. */
export interface EvaluationReport {
  metrics: Metrics;
  errors: ErrorKindCounts;
  unknown: UnknownGold;
  /** Mean cross-entropy over the words that a model saw; null where it saw none, or there was no model. */
  loss: number | null;
}

/** Sums of an evaluation: sentences come one by one, and none is kept. */
export class EvaluationSum {
  readonly #metrics = new MetricsCounts();
  readonly #errors = new ErrorCounter();
  readonly #spansOf = spanReader({});
  readonly #unknownEntities = new Map<string, number>();
  #unknownWords = 0;
  #lossSum = 0;
  #labelled = 0;

  /**
   * Counts a sentence.
   *
   * @param labels those of the model; without them no gold tag is unknown.
   * @returns what became of its entities, in the order of its words.
   */
  add(gold: readonly string[], predicted: readonly string[], labels?: LabelSet): PairedEntity[] {
    this.#metrics.add(gold, predicted);
    if (labels) this.#countUnknown(gold, labels);
    return this.#errors.add(gold, predicted);
  }

  /** Counts what is only known of several sentences together: words that were not seen, and the loss. */
  addBlock(
    { truncatedWords, wordsWithoutTokens }: EvaluationCounts,
    lossSum: number,
    labelled: number,
  ): void {
    this.#metrics.addLost({ truncatedWords, wordsWithoutTokens });
    this.#lossSum += lossSum;
    this.#labelled += labelled;
  }

  report(): EvaluationReport {
    return {
      metrics: this.#metrics.report(),
      errors: { ...this.#errors.counts },
      unknown: { words: this.#unknownWords, entities: Object.fromEntries(this.#unknownEntities) },
      loss: this.#labelled === 0 ? null : this.#lossSum / this.#labelled,
    };
  }

  #countUnknown(gold: readonly string[], labels: LabelSet): void {
    const isUnknown = (tag: string) => labels.id(tag) === undefined;
    const words = gold.filter(isUnknown).length;
    if (words === 0) return;
    this.#unknownWords += words;
    for (const { type, start, end } of this.#spansOf(gold)) {
      if (!gold.slice(start, end).some(isUnknown)) continue;
      this.#unknownEntities.set(type, (this.#unknownEntities.get(type) ?? 0) + 1);
    }
  }
}
