import { PermafrostError } from '../errors/error.js';
import type { AggregationStrategy, Entity, ScoredTokens } from './entity.js';

/** How scored tokens become entities. */
export interface AggregateOptions {
  /** Label of each column of the scores. */
  labels: readonly string[];
  strategy: AggregationStrategy;
  /** Labels (`none`) or types (all other strategies) that are left out. @default ['O'] */
  ignoreLabels?: readonly string[];
}

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
  { labels, strategy, ignoreLabels = ['O'] }: AggregateOptions,
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
    strategy === 'none' || strategy === 'simple' ? eachToken(tokens) : eachWord(tokens, strategy);
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
    ...best(scores, token, columns),
    start: starts[token]!,
    end: ends[token]!,
  }));
}

function eachWord(tokens: ScoredTokens, strategy: 'first' | 'average' | 'max'): Member[] {
  const { starts, ends, words, scores } = tokens;
  const columns = scores.length / starts.length;
  const members: Member[] = [];
  for (let begin = 0; begin < starts.length; ) {
    let end = begin + 1;
    while (end < starts.length && words[end] === words[begin]) end++;
    const label =
      strategy === 'average'
        ? best(meanRow(scores.subarray(begin * columns, end * columns), columns), 0, columns)
        : bestOfRows(scores, begin, strategy === 'first' ? begin + 1 : end, columns);
    members.push({ ...label, start: starts[begin]!, end: ends[end - 1]! });
    begin = end;
  }
  return members;
}

/** The best label of the row whose best score is highest. */
function bestOfRows(scores: Float32Array, begin: number, end: number, columns: number) {
  let found = best(scores, begin, columns);
  for (let row = begin + 1; row < end; row++) {
    const candidate = best(scores, row, columns);
    if (candidate.score > found.score) found = candidate;
  }
  return found;
}

function meanRow(rows: Float32Array, columns: number): Float32Array {
  const mean = new Float32Array(columns);
  for (let i = 0; i < rows.length; i++) mean[i % columns]! += rows[i]!;
  return mean.map((sum) => sum / (rows.length / columns));
}

/** The column of the highest score of a row, the first one on a tie. */
export function best(scores: Float32Array, row: number, columns: number): { label: number; score: number } {
  const start = row * columns;
  let at = start;
  for (let i = start + 1; i < start + columns; i++) if (scores[i]! > scores[at]!) at = i;
  return { label: at - start, score: scores[at]! };
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
