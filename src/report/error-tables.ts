import { ERROR_KINDS } from '../evaluation/entity-errors.js';
import type { ErrorAnalysis, ErrorGroup } from '../evaluation/error-analysis.js';
import type { ErrorExamples } from '../experiment/error-examples.js';
import type { ErrorStudy } from '../experiment/error-studies.js';
import { type Block, figure, heading, paragraph, table } from './blocks.js';
import type { Figure } from './figures/figure.js';
import { NONE } from './format.js';
import type { TextTable } from './tables.js';

/** Confusions that a table lists. */
const MOST_CONFUSIONS = 12;

/** What became of the entities, a row a scenario; means over its runs. */
export function errorKindTable(studies: readonly ErrorStudy[]): TextTable {
  return {
    head: ['scenario', 'runs', 'gold', 'predicted', ...ERROR_KINDS, 'F1'],
    rows: studies.map(({ strategy, analysis: { runs, total } }) => [
      strategy,
      `${runs}`,
      count(total.gold),
      count(total.predicted),
      ...ERROR_KINDS.map((kind) => count(total[kind])),
      total.f1.toFixed(4),
    ]),
  };
}

/** F1 of each group of entities, a row a group and a column a scenario, with the number of gold entities. */
export function errorGroupTable(studies: readonly ErrorStudy[], title: string): TextTable {
  const groups = studies.map(({ analysis }) => groupsOf(analysis, title));
  const names = [...new Set(groups.flatMap((of) => of.map(({ name }) => name)))];
  const found = (of: readonly ErrorGroup[], name: string) => of.find((group) => group.name === name);
  return {
    head: [title, 'gold', ...studies.map(({ strategy }) => strategy)],
    rows: names.map((name) => [
      name,
      count(groups.map((of) => found(of, name)?.gold).find((gold) => gold !== undefined) ?? 0),
      ...groups.map((of) => found(of, name)?.f1.toFixed(4) ?? NONE),
    ]),
  };
}

/** The most frequent confusions of types over all scenarios; missed and spurious ones are not confusions. */
export function confusionTable(studies: readonly ErrorStudy[]): TextTable {
  const counts = new Map<string, number[]>();
  for (const [index, { analysis }] of studies.entries()) {
    for (const { gold, predicted, count } of analysis.confusions) {
      if (gold === null || predicted === null) continue;
      const key = `${gold} → ${predicted}`;
      const row = counts.get(key) ?? studies.map(() => 0);
      row[index] = count;
      counts.set(key, row);
    }
  }
  const sum = (row: readonly number[]) => row.reduce((total, value) => total + value, 0);
  const rows = [...counts].sort(([, a], [, b]) => sum(b) - sum(a)).slice(0, MOST_CONFUSIONS);
  return {
    head: ['gold → predicted', ...studies.map(({ strategy }) => strategy)],
    rows: rows.map(([key, row]) => [key, ...row.map(count)]),
  };
}

/**
 * The part of a report that takes errors apart; empty without predictions.
 *
 * @param without titles of groupings that stand elsewhere.
 */
export function errorBlocks(
  studies: readonly ErrorStudy[],
  split: string,
  { figures = [], without = [] }: { figures?: readonly Figure[]; without?: readonly string[] } = {},
): Block[] {
  if (studies.length === 0) return [];
  const groupings = studies[0]!.analysis.groupings.filter(({ title }) => !without.includes(title));
  return [
    heading(2, 'Errors'),
    paragraph(
      `Of the best weights on the ${split} split, means over the runs. ${KIND_NOTE} Gold entities are the correct ones, ` +
        'those with wrong type, boundary or both, and the missed ones together; predictions are the first four and the ' +
        'spurious ones.',
    ),
    ...figures.map(figure),
    table(errorKindTable(studies)),
    ...groupings.flatMap(({ title, description }) => [
      heading(3, `F1 by ${title}`),
      paragraph(description),
      table(errorGroupTable(studies, title)),
    ]),
    ...confusionBlocks(studies),
  ];
}

function confusionBlocks(studies: readonly ErrorStudy[]): Block[] {
  if (confusionTable(studies).rows.length === 0) return [];
  return [
    heading(3, 'Confused types'),
    paragraph(
      'Which type was predicted in the place of which; an overlap in part counts, too. Means over the runs.',
    ),
    { type: 'confusions', studies },
  ];
}

/** Sentences that scenarios get wrong; empty without predictions, or where all are right. */
export function exampleBlocks(examples: ErrorExamples | null): Block[] {
  if (examples === null || examples.wrong === 0) return [];
  const { wrong, sentences, scenarios } = examples;
  const shown = examples.examples.length;
  const chosen =
    shown === wrong
      ? 'all are here'
      : `here are ${shown}, chosen so that every kind of error of every type, and every two scenarios of which one is right, ` +
        'have their share';
  return [
    heading(2, 'Examples of errors'),
    paragraph(
      `${wrong} of ${sentences} sentences are not right in at least one of ${scenarios.length} scenarios; ${chosen}. A scenario answers as ` +
        'most of its runs do; scenarios with the same answer share a line.',
    ),
    { type: 'examples', examples },
  ];
}

const KIND_NOTE =
  'Type: the right words with the wrong type; boundary: overlapping words with the right type; both: overlapping words ' +
  'with the wrong type; missed: nothing overlaps; spurious: nothing gold overlaps.';

function groupsOf({ groupings }: ErrorAnalysis, title: string): readonly ErrorGroup[] {
  return groupings.find((grouping) => grouping.title === title)?.groups ?? [];
}

/** A mean of counts: whole where it is whole. */
export function count(value: number): string {
  return Number.isInteger(value) ? `${value}` : value.toFixed(1);
}
