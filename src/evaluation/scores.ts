import { PermafrostError } from '../errors/error.js';

/** Precision, recall and their harmonic mean, each from 0 to 1, and the number of gold items they rest on. */
export interface Scores {
  precision: number;
  recall: number;
  f1: number;
  /** Number of gold tokens or entities. */
  support: number;
}

/** What of one class was gold, predicted, and both at once. */
export interface ClassCounts {
  correct: number;
  predicted: number;
  gold: number;
}

/** The counts of a class, made on first sight. */
export function countsOf(counts: Map<string, ClassCounts>, name: string): ClassCounts {
  let found = counts.get(name);
  if (found === undefined) {
    found = { correct: 0, predicted: 0, gold: 0 };
    counts.set(name, found);
  }
  return found;
}

/** Scores of one class; 0 wherever the denominator is 0 (scikit-learn's `zero_division=0`). */
export function scoresOf({ correct, predicted, gold }: ClassCounts): Scores {
  const precision = predicted === 0 ? 0 : correct / predicted;
  const recall = gold === 0 ? 0 : correct / gold;
  const f1 = precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
  return { precision, recall, f1, support: gold };
}

/** Unweighted mean over classes, classes without support included; zeros where there is no class. */
export function macroAverage(classes: readonly Scores[]): Scores {
  const weight = classes.length === 0 ? 0 : 1 / classes.length;
  return combine(classes, () => weight);
}

/** Mean over classes weighted by their support; zeros where nothing has support. */
export function weightedAverage(classes: readonly Scores[]): Scores {
  const total = classes.reduce((sum, { support }) => sum + support, 0);
  return combine(classes, ({ support }) => (total === 0 ? 0 : support / total));
}

function combine(classes: readonly Scores[], weightOf: (scores: Scores) => number): Scores {
  const result: Scores = { precision: 0, recall: 0, f1: 0, support: 0 };
  for (const scores of classes) {
    const weight = weightOf(scores);
    result.precision += weight * scores.precision;
    result.recall += weight * scores.recall;
    result.f1 += weight * scores.f1;
    result.support += scores.support;
  }
  return result;
}

/** Sorts names as scikit-learn and seqeval list them: by code points. */
export function sortedByCodePoint(names: Iterable<string>): string[] {
  // UTF-8 bytes sort as code points do; UTF-16 units, JavaScript's default, do not beyond U+FFFF.
  const keyed = Array.from(names, (name) => ({ name, key: Buffer.from(name, 'utf8') }));
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ name }) => name);
}

/**
 * Checks that predictions and gold tags stand side by side.
 *
 * @throws INVALID_OPTION with the index of the first sentence that differs in length.
 */
export function checkAligned(
  gold: readonly (readonly string[])[],
  predicted: readonly (readonly string[])[],
): void {
  if (gold.length !== predicted.length) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `Scoring: expected as many predicted as gold sentences, got ${predicted.length} predicted and ${gold.length} gold.`,
      { option: 'predicted', expected: gold.length, got: predicted.length },
    );
  }
  const sentence = gold.findIndex((tags, index) => tags.length !== predicted[index]!.length);
  if (sentence >= 0) {
    const [expected, got] = [gold[sentence]!.length, predicted[sentence]!.length];
    throw new PermafrostError(
      'INVALID_OPTION',
      `Scoring: sentence ${sentence} (counted from 0) has ${expected} gold and ${got} predicted tags. ` +
        'Give one predicted tag for each word.',
      { option: 'predicted', sentence, expected, got },
    );
  }
}
