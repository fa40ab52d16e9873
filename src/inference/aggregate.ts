import { PermafrostError } from '../errors/error.js';
import { best } from '../evaluation/probabilities.js';
import type { DecodedWords } from '../evaluation/word-scores.js';
import type { AggregationStrategy, Entity, ScoredTokens } from './entity.js';

/** How scored tokens become entities. */
export interface AggregateOptions {
  /** Label of each column of the scores. */
  labels: readonly string[];
  strategy: AggregationStrategy;
  /** Labels (`none`) or types (all other strategies) that are left out. @default ['O'] */
  ignoreLabels?: readonly string[];
  /** Chooses the labels of all words together. @default each word's by itself */
  decode?: DecodeWords;
}

/** Labels of a text's words. @param probabilities of the labels of each word, shape [words, labels] */
export type DecodeWords = (probabilities: Float32Array) => DecodedWords;

/** A token or a word with the label that it got. */
interface Member {
  label: number;
  score: number;
  start: number;
  end: number;
}

/**
 * Puts tokens together to entities.
 *
 * A member joins the group before it where both have one type and its label is not `B-`; types are compared whole, so
 * that every prefix but `B-` and `I-` is part of the type. A group's score is the mean of its members' and its type
 * what follows the first hyphen of its first label, as in Transformers 4.57 and 5
 * (pipelines/token_classification.py).
 *
 * @returns entities in the order of the text
 * @throws INVALID_OPTION where the scores do not have a row for each token and a column for each label
 */
export function aggregate(
  tokens: ScoredTokens,
  { labels, strategy, ignoreLabels = ['O'], decode }: AggregateOptions,
): Entity[] {
  requireShape(tokens, labels);
  const ignored = new Set(ignoreLabels);
  const entity = (type: string, score: number, start: number, end: number): Entity => ({
    type,
    score,
    start,
    end,
    text: tokens.text.slice(start, end),
  });
  const members =
    strategy === 'none' || strategy === 'simple' ? eachToken(tokens) : eachWord(tokens, strategy, decode);
  if (strategy === 'none') {
    return members
      .filter(({ label }) => !ignored.has(labels[label]!))
      .map(({ label, score, start, end }) => entity(labels[label]!, score, start, end));
  }
  return groupsOf(members, labels).flatMap((group) => {
    const first = group[0]!;
    const type = afterHyphen(labels[first.label]!);
    if (ignored.has(type)) return [];
    const score = group.reduce((sum, member) => sum + member.score, 0) / group.length;
    return [entity(type, score, first.start, group.at(-1)!.end)];
  });
}

function eachToken({ starts, ends, scores }: ScoredTokens): Member[] {
  const columns = scores.length / starts.length;
  return Array.from({ length: starts.length }, (_, token) => ({
    ...best(scores.subarray(token * columns, (token + 1) * columns)),
    start: starts[token]!,
    end: ends[token]!,
  }));
}

function eachWord(
  tokens: ScoredTokens,
  strategy: 'first' | 'average' | 'max',
  decode: DecodeWords | undefined,
): Member[] {
  const { starts, ends, words, scores } = tokens;
  const columns = scores.length / starts.length;
  const found: { row: Float32Array; start: number; end: number }[] = [];
  for (let begin = 0; begin < starts.length; ) {
    let end = begin + 1;
    while (end < starts.length && words[end] === words[begin]) end++;
    const rows = scores.subarray(begin * columns, end * columns);
    const row = strategy === 'average' ? meanRow(rows, columns) : rowOf(rows, columns, strategy);
    found.push({ row, start: starts[begin]!, end: ends[end - 1]! });
    begin = end;
  }
  if (decode === undefined) return found.map(({ row, start, end }) => ({ ...best(row), start, end }));
  const all = new Float32Array(found.length * columns);
  for (const [word, { row }] of found.entries()) all.set(row, word * columns);
  const decoded = decode(all);
  return found.map(({ start, end }, word) => {
    const label = decoded.labels[word]!;
    return { label, score: decoded.probabilities[word * columns + label]!, start, end };
  });
}

/** The first row, or with `max` the one whose best score is highest. */
function rowOf(rows: Float32Array, columns: number, strategy: 'first' | 'max'): Float32Array {
  let found = rows.subarray(0, columns);
  if (strategy === 'first') return found;
  for (let row = columns; row < rows.length; row += columns) {
    const candidate = rows.subarray(row, row + columns);
    if (best(candidate).score > best(found).score) found = candidate;
  }
  return found;
}

function meanRow(rows: Float32Array, columns: number): Float32Array {
  const mean = new Float32Array(columns);
  for (let i = 0; i < rows.length; i++) mean[i % columns]! += rows[i]!;
  return mean.map((sum) => sum / (rows.length / columns));
}

function groupsOf(members: readonly Member[], labels: readonly string[]): Member[][] {
  const groups: Member[][] = [];
  let type: string | null = null;
  for (const member of members) {
    const label = labels[member.label]!;
    const own = label.replace(/^[BI]-/, '');
    if (own === type && !label.startsWith('B-')) groups.at(-1)!.push(member);
    else groups.push([member]);
    type = own;
  }
  return groups;
}

function afterHyphen(label: string): string {
  return label.slice(label.indexOf('-') + 1);
}

function requireShape({ starts, ends, words, scores }: ScoredTokens, labels: readonly string[]): void {
  const expected = starts.length * labels.length;
  if (ends.length === starts.length && words.length === starts.length && scores.length === expected) return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `aggregate: expected ends and words of ${starts.length} tokens and ${expected} scores (${labels.length} labels ` +
      `a token), got ${ends.length}, ${words.length} and ${scores.length}.`,
    { tokens: starts.length, labels: labels.length, scores: scores.length },
  );
}
