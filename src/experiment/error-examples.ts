import { majorityAnswer } from '../evaluation/compare-sentences.js';
import { type ErrorKind, pairEntities } from '../evaluation/entity-errors.js';
import { type EntitySpan, spanReader } from '../evaluation/entity-spans.js';
import type { Prediction } from '../evaluation/predictions.js';

/** What is wrong with one entity of an answer. */
export interface EntityError {
  kind: Exclude<ErrorKind, 'correct'>;
  /** Type of the gold entity; null where there is none. */
  gold: string | null;
  predicted: string | null;
}

/** An answer that is not the gold one. */
export interface WrongAnswer {
  predicted: readonly EntitySpan[];
  errors: readonly EntityError[];
}

/** A sentence that at least one scenario gets wrong, with what each answers. */
export interface ErrorExample {
  source: string;
  words: readonly string[];
  gold: readonly EntitySpan[];
  /** The distinct wrong answers. */
  answers: readonly WrongAnswer[];
  /** Index of each scenario's answer, in the order of the scenarios; null where it is right. */
  answerOf: readonly (number | null)[];
}

/** A bounded choice of the sentences that scenarios get wrong. */
export interface ErrorExamples {
  scenarios: readonly string[];
  /** Of the split. */
  sentences: number;
  /** Sentences that at least one scenario gets wrong. */
  wrong: number;
  /** First those that some scenario gets right; both parts in the order of the split. */
  examples: readonly ErrorExample[];
}

/** Sentences that a report shows. */
export const MOST_EXAMPLES = 240;

interface Sentence {
  source: string;
  words: readonly string[];
  gold: readonly EntitySpan[];
}

/**
 * Gathers the wrong answers of scenarios, one scenario after another, so that the predictions of one alone are in memory.
 * A scenario answers as most of its runs do.
 */
export class ExampleCollector {
  #sentences: readonly Sentence[] = [];
  readonly #wrong = new Map<string, ReadonlyMap<number, readonly EntitySpan[]>>();
  readonly #spansOf = spanReader({});

  /**
   * Adds a scenario; one that was measured on other sentences than the first is left out.
   *
   * @param runs predictions of one split by each run.
   */
  add(scenario: string, runs: readonly (readonly Prediction[])[]): void {
    const [first = []] = runs;
    if (this.#wrong.size === 0) {
      this.#sentences = first.map(({ source, words, gold }) => ({
        source,
        words,
        gold: this.#spansOf(gold),
      }));
    } else if (!this.#hasSentences(first)) return;
    const wrong = new Map<number, readonly EntitySpan[]>();
    for (const index of first.keys()) {
      const { isRight, predicted } = majorityAnswer(runs, index);
      if (!isRight) wrong.set(index, this.#spansOf(predicted));
    }
    this.#wrong.set(scenario, wrong);
  }

  /**
   * Chooses sentences so that every kind of error of every type, and every two scenarios of which one is right and one is
   * wrong, have their share.
   *
   * @returns null without predictions; the same choice for the same predictions.
   */
  choose(most: number = MOST_EXAMPLES): ErrorExamples | null {
    if (this.#wrong.size === 0) return null;
    const scenarios = [...this.#wrong.keys()];
    const indexes = new Set([...this.#wrong.values()].flatMap((wrong) => [...wrong.keys()]));
    const all = [...indexes].sort((a, b) => a - b).map((index) => this.#example(index));
    const chosen = spread(all, most);
    const isDisputed = ({ answerOf }: ErrorExample) => answerOf.includes(null);
    const examples = [...chosen.filter(isDisputed), ...chosen.filter((example) => !isDisputed(example))];
    return { scenarios, sentences: this.#sentences.length, wrong: all.length, examples };
  }

  #hasSentences(others: readonly Prediction[]): boolean {
    return (
      others.length === this.#sentences.length &&
      this.#sentences.every(({ words }, i) => words.length === others[i]!.words.length)
    );
  }

  #example(index: number): ErrorExample {
    const sentence = this.#sentences[index]!;
    const known = new Map<string, number>();
    const answers: WrongAnswer[] = [];
    const answerOf = [...this.#wrong.values()].map((wrong) => {
      const predicted = wrong.get(index);
      if (predicted === undefined) return null;
      const key = JSON.stringify(predicted);
      if (!known.has(key)) {
        known.set(key, answers.length);
        answers.push({ predicted, errors: errorsOf(sentence.gold, predicted) });
      }
      return known.get(key)!;
    });
    return { ...sentence, answers, answerOf };
  }
}

function errorsOf(gold: readonly EntitySpan[], predicted: readonly EntitySpan[]): EntityError[] {
  return pairEntities(gold, predicted).flatMap(({ kind, ...pair }) =>
    kind === 'correct'
      ? []
      : [{ kind, gold: pair.gold?.type ?? null, predicted: pair.predicted?.type ?? null }],
  );
}

/** Takes one example after another from groups that have the fewest yet; in the order of the split. */
function spread(examples: readonly ErrorExample[], most: number): ErrorExample[] {
  if (examples.length <= most) return [...examples];
  const groups = new Map<string, ErrorExample[]>();
  for (const example of examples) {
    for (const key of groupsOf(example)) {
      const group = groups.get(key) ?? [];
      if (group.length < most) group.push(example);
      groups.set(key, group);
    }
  }
  const taken = new Set<ErrorExample>();
  const shares = new Map<string, number>();
  for (let round = 1; taken.size < most; round++) {
    for (const [key, group] of groups) {
      if ((shares.get(key) ?? 0) >= round) continue;
      const next = group.find((example) => !taken.has(example));
      if (next === undefined) {
        groups.delete(key);
        continue;
      }
      taken.add(next);
      for (const other of groupsOf(next)) shares.set(other, (shares.get(other) ?? 0) + 1);
      if (taken.size === most) break;
    }
  }
  return examples.filter((example) => taken.has(example));
}

function groupsOf({ answers, answerOf }: ErrorExample): Set<string> {
  const groups = new Set<string>();
  for (const [right, answer] of answerOf.entries()) {
    if (answer !== null) continue;
    for (const [wrong, other] of answerOf.entries()) if (other !== null) groups.add(`${right} ${wrong}`);
  }
  for (const { errors } of answers) {
    for (const { kind, gold, predicted } of errors) groups.add(`${kind} ${gold ?? predicted}`);
  }
  return groups;
}
