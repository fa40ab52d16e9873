import { z } from 'zod';
import { EntityCounts, type EntityReport } from './entity-metrics.js';
import { checkAligned } from './scores.js';
import { TokenCounts, type TokenReport } from './token-metrics.js';
import type { EvaluationCounts } from './word-tags.js';

const count = z.int().nonnegative();
const share = z
  .number()
  .min(0)
  .max(1 + 1e-9);

const scoresSchema = z.strictObject({ precision: share, recall: share, f1: share, support: count });

const entityReportSchema = z.strictObject({
  micro: scoresSchema,
  macro: scoresSchema,
  weighted: scoresSchema,
  types: z.record(z.string(), scoresSchema),
});

/** Form of {@link Metrics} in a record; equal before and after a round trip through JSON. */
export const metricsSchema = z.strictObject({
  accuracy: share,
  macro: scoresSchema,
  weighted: scoresSchema,
  withoutO: z.strictObject({ macro: scoresSchema, weighted: scoresSchema }),
  labels: z.record(z.string(), scoresSchema),
  entities: entityReportSchema,
  entitiesStrict: entityReportSchema,
  counts: z.strictObject({
    sentences: count,
    words: count,
    truncatedWords: count,
    wordsWithoutTokens: count,
  }),
});

/** Every variant of the scores of one evaluation, and what they rest on. */
export interface Metrics extends TokenReport {
  /** As seqeval's default mode reads tags. */
  entities: EntityReport;
  /** As seqeval's strict IOB2 mode reads tags. */
  entitiesStrict: EntityReport;
  counts: EvaluationCounts;
}

/** Whether every word was predicted to be O, and some are not. */
export function isAllOutside({ labels, counts: { words } }: Metrics): boolean {
  const outside = labels.O;
  if (!outside || outside.recall < 1 || outside.precision === 0) return false;
  return Math.round(outside.support / outside.precision) === words && outside.support < words;
}

/**
 * Scores predicted tags in every variant.
 *
 * @param gold tags of each sentence, truncated words included, shape [sentences][words].
 * @param predicted tags of the same words, `O` where the model could not predict, same shape.
 * @param lost words that the model could not predict; sentences and words are counted here. @default none
 * @throws INVALID_OPTION where the shapes differ, with the index of the sentence.
 */
export function computeMetrics(
  gold: readonly (readonly string[])[],
  predicted: readonly (readonly string[])[],
  lost: Partial<EvaluationCounts> = {},
): Metrics {
  checkAligned(gold, predicted);
  const counts = new MetricsCounts();
  for (const [sentence, tags] of gold.entries()) counts.add(tags, predicted[sentence]!);
  counts.addLost(lost);
  return counts.report();
}

/** What {@link Metrics} come from: sentences may come one by one, and none is kept. */
export class MetricsCounts {
  readonly #tokens = new TokenCounts();
  readonly #entities = new EntityCounts({ strict: false });
  readonly #strict = new EntityCounts({ strict: true });
  readonly #counts: EvaluationCounts = { sentences: 0, words: 0, truncatedWords: 0, wordsWithoutTokens: 0 };

  /** @param predicted tags of the same words */
  add(gold: readonly string[], predicted: readonly string[]): void {
    for (const counts of [this.#tokens, this.#entities, this.#strict]) counts.add(gold, predicted);
    this.#counts.sentences++;
    this.#counts.words += gold.length;
  }

  /** Counts words that the model could not predict. */
  addLost({ truncatedWords = 0, wordsWithoutTokens = 0 }: Partial<EvaluationCounts>): void {
    this.#counts.truncatedWords += truncatedWords;
    this.#counts.wordsWithoutTokens += wordsWithoutTokens;
  }

  report(): Metrics {
    return {
      ...this.#tokens.report(),
      entities: this.#entities.report(),
      entitiesStrict: this.#strict.report(),
      counts: { ...this.#counts },
    };
  }
}
