import { spanReader } from './entity-spans.js';
import { requireSameSentences } from './error-analysis.js';
import type { Prediction } from './predictions.js';

/** A sentence that one of two scenarios gets right and the other does not. */
export interface DifferentSentence {
  source: string;
  words: readonly string[];
  gold: readonly string[];
  /** Tags by a run of the first scenario, and of the second, that answers as most runs of it do. */
  first: readonly string[];
  second: readonly string[];
}

/** How the sentences of a split fall to two scenarios. */
export interface SentenceComparison {
  sentences: number;
  bothRight: number;
  neitherRight: number;
  onlyFirst: DifferentSentence[];
  onlySecond: DifferentSentence[];
}

/**
 * Finds the sentences that only one of two scenarios gets right: all of its entities and no others, in more than half of
 * the scenario's runs.
 *
 * @param first predictions of a split by each run of the first scenario, and `second` of the second.
 * @throws INVALID_OPTION where one has no run, or where they are not of the same sentences
 */
export function compareSentences(
  first: readonly (readonly Prediction[])[],
  second: readonly (readonly Prediction[])[],
): SentenceComparison {
  requireSameSentences(first);
  requireSameSentences(second);
  requireSameSentences([first[0]!, second[0]!]);
  const comparison: SentenceComparison = {
    sentences: first[0]!.length,
    bothRight: 0,
    neitherRight: 0,
    onlyFirst: [],
    onlySecond: [],
  };
  for (const [index, { source, words, gold }] of first[0]!.entries()) {
    const [a, b] = [majorityAnswer(first, index), majorityAnswer(second, index)];
    if (a.isRight && b.isRight) comparison.bothRight++;
    else if (!a.isRight && !b.isRight) comparison.neitherRight++;
    else {
      const sentence = { source, words, gold, first: a.predicted, second: b.predicted };
      (a.isRight ? comparison.onlyFirst : comparison.onlySecond).push(sentence);
    }
  }
  return comparison;
}

/**
 * Whether more than half of the runs get a sentence right, and what one of those that answer so says.
 *
 * @param runs predictions of the same sentences.
 */
export function majorityAnswer(
  runs: readonly (readonly Prediction[])[],
  index: number,
): { isRight: boolean; predicted: readonly string[] } {
  const answers = runs.map((run) => run[index]!);
  const right = answers.filter(isRight);
  const most = 2 * right.length > runs.length;
  return {
    isRight: most,
    predicted: (most ? right : answers.filter((answer) => !isRight(answer)))[0]!.predicted,
  };
}

const spansOf = spanReader({});

function isRight({ gold, predicted }: Prediction): boolean {
  const [expected, got] = [spansOf(gold), spansOf(predicted)];
  return (
    expected.length === got.length &&
    expected.every(
      ({ type, start, end }, i) => type === got[i]!.type && start === got[i]!.start && end === got[i]!.end,
    )
  );
}
