import type { Sentence } from '../data/sentence.js';
import { PermafrostError } from '../errors/error.js';
import { ERROR_KINDS, type ErrorKind, pairEntities } from './entity-errors.js';
import { type EntitySpan, spanReader } from './entity-spans.js';
import type { Prediction } from './predictions.js';
import { scoresOf, sortedByCodePoint } from './scores.js';

/** Entities of one group, means over the runs. */
export interface ErrorCounts extends Record<ErrorKind, number> {
  gold: number;
  predicted: number;
}

/** The entities that have a property in common, the gold ones and the predicted ones each by itself. */
export interface ErrorGroup extends ErrorCounts {
  name: string;
  /** Share of the group's predictions that are correct, and of its gold entities that are found; 0 without any. */
  precision: number;
  recall: number;
  f1: number;
}

/** A property of entities, by which they are grouped. */
export interface ErrorGrouping {
  title: string;
  /** What the groups are, one sentence. */
  description: string;
  groups: ErrorGroup[];
}

/** How often predictions of one type stood in the place of entities of another; means over the runs. */
export interface TypeConfusion {
  /** Null where no entity is. */
  gold: string | null;
  predicted: string | null;
  count: number;
}

/** The errors of one scenario. */
export interface ErrorAnalysis {
  /** Runs that the figures are means of. */
  runs: number;
  sentences: number;
  total: ErrorGroup;
  groupings: ErrorGrouping[];
  /** The most frequent first; agreement is not listed. */
  confusions: TypeConfusion[];
}

/** What errors are looked at by, beside the predictions. */
export interface ErrorAnalysisOptions {
  /** Training sentences: which surface forms and types the model has seen. */
  train?: readonly Sentence[];
  /** Number of tokens that a word is cut into. */
  countTokens?: (word: string) => number;
}

/**
 * Takes apart the errors in the predictions of one scenario.
 *
 * @param runs predictions of one split by each of the scenario's runs, such as those of several seeds.
 * @throws INVALID_OPTION where there is no run, or where the runs are not of the same sentences
 */
export function analyseErrors(
  runs: readonly (readonly Prediction[])[],
  options: ErrorAnalysisOptions = {},
): ErrorAnalysis {
  requireSameSentences(runs);
  const properties = propertiesOf(options);
  const total = new GroupCounter();
  const counters = properties.map(() => new Map<string, GroupCounter>());
  const confusions = new Map<string, TypeConfusion>();
  const spansOf = spanReader({});
  for (const { words, gold, predicted } of runs.flat()) {
    for (const pair of pairEntities(spansOf(gold), spansOf(predicted))) {
      total.add(pair.kind, pair.gold !== null, pair.predicted !== null);
      for (const [i, { groupOf }] of properties.entries()) {
        const [ofGold, ofPredicted] = [pair.gold, pair.predicted].map((span) => span && groupOf(words, span));
        if (ofGold === ofPredicted) counterOf(counters[i]!, ofGold!).add(pair.kind, true, true);
        else {
          if (ofGold != null) counterOf(counters[i]!, ofGold).add(pair.kind, true, false);
          if (ofPredicted != null) counterOf(counters[i]!, ofPredicted).add(pair.kind, false, true);
        }
      }
      countConfusion(confusions, pair.gold?.type ?? null, pair.predicted?.type ?? null);
    }
  }
  return {
    runs: runs.length,
    sentences: runs[0]!.length,
    total: total.group('all', runs.length),
    groupings: properties.map(({ title, description, order }, i) => ({
      title,
      description,
      groups: order([...counters[i]!.keys()]).map((name) => counters[i]!.get(name)!.group(name, runs.length)),
    })),
    confusions: [...confusions.values()]
      .map(({ count, ...types }) => ({ ...types, count: count / runs.length }))
      .sort((a, b) => b.count - a.count || (nameOf(a) < nameOf(b) ? -1 : 1)),
  };
}

interface Property {
  title: string;
  description: string;
  groupOf(words: readonly string[], span: EntitySpan): string;
  order(names: string[]): string[];
}

function propertiesOf({ train, countTokens }: ErrorAnalysisOptions): Property[] {
  return [
    LENGTH,
    ...(train ? [surfaceProperty(train), typeFrequencyProperty(train)] : []),
    ...(countTokens ? [fragmentationProperty(countTokens)] : []),
    BY_TYPE,
  ];
}

const LENGTHS = ['1', '2', '3', '4 and more'];
const LENGTH: Property = {
  title: 'words of the entity',
  description: 'Entities by the number of their words.',
  groupOf: (_, { start, end }) => LENGTHS[Math.min(end - start, LENGTHS.length) - 1]!,
  order: (names) => LENGTHS.filter((name) => names.includes(name)),
};

/** Title of the grouping by type. */
export const TYPE = 'type';

const BY_TYPE: Property = {
  title: TYPE,
  description: 'Entities by their type: a prediction of another type counts in the row of its own.',
  groupOf: (_, { type }) => type,
  order: sortedByCodePoint,
};

const SEEN = ['seen as this type', 'seen as another type', 'never seen'];

function surfaceProperty(train: readonly Sentence[]): Property {
  const types = new Map<string, Set<string>>();
  eachEntity(train, (words, span) => {
    const form = surfaceOf(words, span);
    types.set(form, (types.get(form) ?? new Set()).add(span.type));
  });
  return {
    title: 'surface form in training',
    description:
      'Entities by whether the same words, upper and lower case apart, are an entity of the same type in the training data.',
    groupOf(words, span) {
      const known = types.get(surfaceOf(words, span));
      return SEEN[known === undefined ? 2 : known.has(span.type) ? 0 : 1]!;
    },
    order: (names) => SEEN.filter((name) => names.includes(name)),
  };
}

const FREQUENCIES = ['1000 and more', '100 to 999', '10 to 99', '1 to 9', 'none'];

function typeFrequencyProperty(train: readonly Sentence[]): Property {
  const counts = new Map<string, number>();
  eachEntity(train, (_, { type }) => counts.set(type, (counts.get(type) ?? 0) + 1));
  return {
    title: 'training entities of the type',
    description: 'Entities by how many entities of their type the training data have.',
    groupOf(_, { type }) {
      const count = counts.get(type) ?? 0;
      return FREQUENCIES[[1000, 100, 10, 1, 0].findIndex((least) => count >= least)]!;
    },
    order: (names) => FREQUENCIES.filter((name) => names.includes(name)),
  };
}

const FRAGMENTS = ['1', 'above 1 to 2', 'above 2 to 3', 'above 3'];

function fragmentationProperty(countTokens: (word: string) => number): Property {
  const known = new Map<string, number>();
  const tokensOf = (word: string) => {
    const count = known.get(word) ?? countTokens(word);
    known.set(word, count);
    return count;
  };
  return {
    title: 'tokens a word',
    description: 'Entities by the tokens that each of their words is cut into, on average.',
    groupOf(words, { start, end }) {
      const tokens = words.slice(start, end).reduce((sum, word) => sum + tokensOf(word), 0);
      return FRAGMENTS[[1, 2, 3, Infinity].findIndex((most) => tokens / (end - start) <= most)]!;
    },
    order: (names) => FRAGMENTS.filter((name) => names.includes(name)),
  };
}

function eachEntity(
  sentences: readonly Sentence[],
  visit: (words: readonly string[], span: EntitySpan) => void,
): void {
  const spansOf = spanReader({});
  for (const { words, tags } of sentences) for (const span of spansOf(tags)) visit(words, span);
}

function surfaceOf(words: readonly string[], { start, end }: EntitySpan): string {
  return words.slice(start, end).join(' ').toLowerCase();
}

class GroupCounter {
  readonly #counts: ErrorCounts = {
    gold: 0,
    predicted: 0,
    ...(Object.fromEntries(ERROR_KINDS.map((kind) => [kind, 0])) as Record<ErrorKind, number>),
  };

  add(kind: ErrorKind, isGold: boolean, isPredicted: boolean): void {
    if (isGold) this.#counts.gold++;
    if (isPredicted) this.#counts.predicted++;
    // A pair in two groups is an error of the group of its gold entity.
    if (isGold || kind === 'spurious') this.#counts[kind]++;
  }

  group(name: string, runs: number): ErrorGroup {
    const { gold, predicted, correct } = this.#counts;
    const { precision, recall, f1 } = scoresOf({ correct, predicted, gold });
    const means = Object.fromEntries(Object.entries(this.#counts).map(([key, count]) => [key, count / runs]));
    return { name, ...(means as unknown as ErrorCounts), precision, recall, f1 };
  }
}

function counterOf(counters: Map<string, GroupCounter>, name: string): GroupCounter {
  const counter = counters.get(name) ?? new GroupCounter();
  counters.set(name, counter);
  return counter;
}

function countConfusion(
  confusions: Map<string, TypeConfusion>,
  gold: string | null,
  predicted: string | null,
): void {
  if (gold === predicted) return;
  const key = nameOf({ gold, predicted });
  const confusion = confusions.get(key) ?? { gold, predicted, count: 0 };
  confusion.count++;
  confusions.set(key, confusion);
}

function nameOf({ gold, predicted }: Pick<TypeConfusion, 'gold' | 'predicted'>): string {
  return JSON.stringify([gold, predicted]);
}

/** @throws INVALID_OPTION */
export function requireSameSentences(runs: readonly (readonly Prediction[])[]): void {
  const [first, ...others] = runs;
  if (first === undefined) {
    throw new PermafrostError(
      'INVALID_OPTION',
      'errors: expected the predictions of at least one run, got none.',
      {
        option: 'runs',
      },
    );
  }
  for (const other of others) {
    const at = first.findIndex(
      ({ words, gold }, i) =>
        !sameList(words, other[i]?.words ?? []) || !sameList(gold, other[i]?.gold ?? []),
    );
    if (at < 0 && other.length === first.length) continue;
    const where = first[at < 0 ? first.length - 1 : at]!.source;
    throw new PermafrostError(
      'INVALID_OPTION',
      `errors: expected predictions of the same sentences with the same gold tags, got others at ${where} and ` +
        `${other[at < 0 ? first.length : at]?.source ?? 'the end'}. Compare runs on one split of one dataset.`,
      { option: 'runs', source: where },
    );
  }
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
