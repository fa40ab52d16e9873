import type { Comparison } from '../experiment/comparisons.js';
import type { RunRecord } from '../experiment/run-record.js';
import { portionText } from '../experiment/scenario.js';
import {
  differenceText,
  formatCount,
  formatFactor,
  formatPercent,
  formatSeconds,
  formatSpread,
  NONE,
  scoreFormat,
  scoreName,
} from './format.js';
import { PAPER } from './paper-tables.js';
import {
  hasBorrowed,
  reportedMetrics,
  type ScenarioSummary,
  type ScoreName,
  type Spread,
  SUPPORT_THRESHOLD,
  secondsPerLaterEpoch,
} from './scenario-summary.js';
import type { GridSummary, StrategyRow, StrategyTable } from './summary.js';

/** A table as text, before it is drawn: the first column is a name, the others are figures. */
export interface TextTable {
  head: string[];
  rows: string[][];
}

interface Column<Row> {
  title: string;
  cell: (row: Row) => string;
}

function textTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): TextTable {
  return {
    head: columns.map(({ title }) => title),
    rows: rows.map((row) => columns.map(({ cell }) => cell(row))),
  };
}

/** What a row freezes: `k = 6` within its strategy's table, else the notation. */
export function rowName({ k, strategy }: ScenarioSummary): string {
  return k === null ? strategy : `k = ${k}`;
}

const nameColumn: Column<StrategyRow> = { title: 'frozen', cell: ({ scenario }) => rowName(scenario) };

/** Stands behind seconds that lack work which another run did. */
const BORROWED = ' (cache of another run)';

/** A time or energy of a scenario, marked where no run of it did all of its work. */
function measured({ isBorrowed }: ScenarioSummary, text: string): string {
  return isBorrowed ? `${text}${BORROWED}` : text;
}

function timeCell(time: (scenario: ScenarioSummary) => Spread): (row: StrategyRow) => string {
  return ({ scenario }) => measured(scenario, formatSpread(time(scenario), formatSeconds));
}

/** Seconds of epochs with what they are as factors, each factor beside its bound. */
function epochColumns(withPrefixKept: boolean): {
  seconds: Column<StrategyRow>[];
  factors: Column<StrategyRow>[];
} {
  const bound: Column<StrategyRow> = {
    title: '× bound',
    cell: ({ scenario: { bound } }) => (bound === null ? NO_BOUND : formatFactor(bound.speedup)),
  };
  if (!withPrefixKept) {
    return {
      seconds: [{ title: 's/epoch', cell: timeCell(({ secondsPerEpoch }) => secondsPerEpoch) }],
      factors: [
        { title: '× faster, epoch', cell: ({ fasterPerEpoch }) => formatFactor(fasterPerEpoch) },
        bound,
      ],
    };
  }
  return {
    seconds: [
      { title: 's, first epoch', cell: timeCell(({ secondsFirstEpoch }) => secondsFirstEpoch) },
      {
        title: 's, later epochs',
        // What is kept is read in them by every run, whoever computed it.
        cell: ({ scenario }) => formatSpread(scenario.secondsPerLaterEpoch, formatSeconds),
      },
    ],
    factors: [
      { title: '× faster, first epoch', cell: ({ fasterFirstEpoch }) => formatFactor(fasterFirstEpoch) },
      bound,
      {
        title: '× faster, later epochs',
        cell: ({ fasterPerLaterEpoch }) => formatFactor(fasterPerLaterEpoch),
      },
      {
        title: '× bound, prefix kept',
        cell: ({ scenario: { bound: of } }) =>
          of === null ? NO_BOUND : formatFactor(of.speedupWithPrefixKept),
      },
    ],
  };
}

/** Stands where a schedule would have a bound: arithmetic tells one of a plan that stays. */
const NO_BOUND = 'none (changes)';

/** The paper's figure with the depth that it is of, where the paper's model has another number of layers. */
function paperCell(row: StrategyRow, text: string | null): string {
  if (text === null) return NONE;
  const isShare = row.paper !== null && row.scenario.plan.layers.length !== PAPER.numLayers;
  return isShare ? `${text} (${row.paper!.frozen} of ${PAPER.numLayers})` : text;
}

const fasterInPaper = (row: StrategyRow) =>
  paperCell(row, row.fasterInPaper === null ? null : formatFactor(row.fasterInPaper));

/** Times, and factors against k = 0: measured, allowed by arithmetic, the paper's. */
export function timeTable(table: StrategyTable, withPrefixKept: boolean): TextTable {
  const { seconds, factors } = epochColumns(withPrefixKept);
  return textTable(
    [
      nameColumn,
      { title: 's to stop', cell: timeCell(({ secondsToStop }) => secondsToStop) },
      ...seconds,
      { title: 'epochs', cell: ({ scenario }) => formatSpread(scenario.epochs, scoreFormat(1)) },
      ...factors,
      { title: '× faster, to stop', cell: ({ fasterToStop }) => formatFactor(fasterToStop) },
      { title: '× paper', cell: fasterInPaper },
      { title: '× by eq. 5', cell: ({ fasterByEquation5 }) => formatFactor(fasterByEquation5) },
      {
        title: 'tokens/s',
        cell: ({ scenario }) =>
          measured(
            scenario,
            formatSpread(scenario.tokensPerSecond, (rate) => rate.toFixed(0)),
          ),
      },
    ],
    table.rows,
  );
}

/** Energy of training and validation; null where no scenario was measured. */
export function energyTable(table: StrategyTable): TextTable | null {
  if (table.rows.every(({ scenario }) => scenario.energy === null)) return null;
  type Energy = NonNullable<ScenarioSummary['energy']>;
  const column = (
    title: string,
    spread: (energy: Energy) => Spread | null,
    format: (value: number) => string,
  ): Column<StrategyRow> => ({
    title,
    cell: ({ scenario }) => {
      const found = scenario.energy && spread(scenario.energy);
      return found === null ? NONE : measured(scenario, formatSpread(found, format));
    },
  });
  return textTable(
    [
      nameColumn,
      column(
        'kJ',
        ({ joules }) => joules,
        (joules) => formatSeconds(joules / 1000),
      ),
      column('J per 1,000 tokens', ({ joulesPer1000Tokens }) => joulesPer1000Tokens, formatSeconds),
      column('W', ({ watts }) => watts, scoreFormat(1)),
      column('W idle', ({ idleWatts }) => idleWatts, scoreFormat(1)),
      column(
        'g CO2e',
        ({ emissions }) => emissions,
        (kilograms) => (kilograms * 1000).toPrecision(3),
      ),
    ],
    table.rows,
  );
}

/** Scores beside the paper's, and what learns. */
export function qualityTable(table: StrategyTable): TextTable {
  const score = (title: string, name: ScoreName): Column<StrategyRow> => ({
    title,
    cell: ({ scenario }) => formatSpread(scenario.scores[name], scoreFormat(4)),
  });
  const paper = (name: 'accuracy' | 'macroF1' | 'weightedF1'): Column<StrategyRow> => ({
    title: 'paper',
    cell: (row) => paperCell(row, row.paper?.[name].toFixed(2) ?? null),
  });
  return textTable(
    [
      nameColumn,
      score('accuracy', 'accuracy'),
      paper('accuracy'),
      score('macro F1', 'macroF1'),
      paper('macroF1'),
      score('macro F1 without O', 'macroF1WithoutO'),
      score(`macro F1, support ≥ ${SUPPORT_THRESHOLD}`, 'macroF1Supported'),
      score('weighted F1', 'weightedF1'),
      paper('weightedF1'),
      score('entity F1', 'entityF1'),
      score('entity F1, strict', 'entityF1Strict'),
      { title: 'parameters that learn', cell: ({ scenario }) => trainableText(scenario) },
    ],
    table.rows,
  );
}

/** The times and scores that one looks for first, for a terminal. */
export function overviewTable(table: StrategyTable, withPrefixKept: boolean): TextTable {
  const score = (title: string, name: ScoreName): Column<StrategyRow> => ({
    title,
    cell: ({ scenario }) => formatSpread(scenario.scores[name], scoreFormat(3)),
  });
  const { seconds, factors } = epochColumns(withPrefixKept);
  return textTable(
    [
      nameColumn,
      score('macro F1', 'macroF1'),
      { title: 'paper', cell: (row) => paperCell(row, row.paper?.macroF1.toFixed(2) ?? null) },
      score('entity F1', 'entityF1'),
      ...seconds,
      ...factors.map((column) => ({ ...column, title: column.title.replace('faster, ', '') })),
      { title: 'epochs', cell: ({ scenario }) => scoreFormat(1)(scenario.epochs.mean) },
      { title: 's to stop', cell: timeCell(({ secondsToStop }) => secondsToStop) },
      { title: '× to stop', cell: ({ fasterToStop }) => formatFactor(fasterToStop) },
      { title: '× paper', cell: fasterInPaper },
      score('accuracy', 'accuracy'),
      score('weighted F1', 'weightedF1'),
      { title: 'learns', cell: ({ scenario }) => formatCount(scenario.trainableParameters) },
    ],
    table.rows,
  );
}

/** F1 of the labels with the fewest gold words, one column a scenario; null where there is no such label. */
export function rareLabelTable(table: StrategyTable, limit = 8): TextTable | null {
  const supports = new Map<string, number>();
  for (const { scenario } of table.rows) {
    for (const [label, { support }] of scenario.labels) if (support > 0) supports.set(label, support);
  }
  supports.delete('O');
  const rarest = [...supports].sort((a, b) => a[1] - b[1]).slice(0, limit);
  if (rarest.length === 0) return null;
  return {
    head: ['label', 'words', ...table.rows.map(({ scenario }) => rowName(scenario))],
    rows: rarest.map(([label, support]) => [
      label,
      `${support}`,
      ...table.rows.map(({ scenario }) => {
        const found = scenario.labels.get(label);
        return found === undefined ? NONE : formatSpread(found.f1, scoreFormat(3));
      }),
    ]),
  };
}

function runTime(time: (record: RunRecord) => number): (record: RunRecord) => string {
  return (record) => `${formatSeconds(time(record))}${hasBorrowed(record) ? BORROWED : ''}`;
}

/** One row a run, nothing averaged. */
export function runTable({ records }: Pick<GridSummary, 'records'>): TextTable {
  const hasPortions = records.some(({ scenario }) => portionText(scenario) !== '');
  return textTable(
    [
      { title: 'strategy', cell: ({ scenario }) => scenario.strategy },
      ...(hasPortions
        ? [{ title: 'of', cell: ({ scenario }: RunRecord) => portionText(scenario) || 'all' }]
        : []),
      { title: 'seed', cell: ({ seed }) => `${seed}` },
      { title: 's to stop', cell: runTime(({ secondsToStop }) => secondsToStop) },
      ...(records.some(({ prefixStore }) => prefixStore !== null)
        ? [
            { title: 's, first epoch', cell: runTime(({ epochs }) => epochs[0]!.trainSeconds) },
            {
              title: 's, later epochs',
              cell: (record: RunRecord) =>
                record.epochs.length > 1 ? formatSeconds(secondsPerLaterEpoch(record)) : NONE,
            },
          ]
        : [{ title: 's/epoch', cell: runTime(({ secondsPerEpoch }) => secondsPerEpoch) }]),
      { title: 'epochs', cell: ({ epochs }) => `${epochs.length}` },
      { title: 'best epoch', cell: ({ bestEpoch }) => `${bestEpoch}` },
      { title: 'last loss', cell: ({ losses }) => losses.last.toFixed(4) },
      { title: 'accuracy', cell: (record) => reportedMetrics(record).accuracy.toFixed(4) },
      { title: 'macro F1', cell: (record) => reportedMetrics(record).macro.f1.toFixed(4) },
      { title: 'weighted F1', cell: (record) => reportedMetrics(record).weighted.f1.toFixed(4) },
      { title: 'entity F1', cell: (record) => reportedMetrics(record).entities.micro.f1.toFixed(4) },
    ],
    records,
  );
}

/** Scenarios that freeze the same, compared; null where there are none. */
export function twinTable({ twins }: GridSummary): TextTable | null {
  if (twins.length === 0) return null;
  return textTable(
    [
      { title: 'same configuration', cell: ({ strategies }) => strategies.join(' and ') },
      { title: 'seed', cell: ({ seed }) => `${seed}` },
      { title: 'losses and metrics', cell: ({ isEqual }) => (isEqual ? 'equal to the bit' : 'differ') },
      { title: 'ratio of s/epoch', cell: ({ timeRatio }) => formatFactor(timeRatio) },
    ],
    twins,
  );
}

function trainableText({ trainableParameters, totalParameters, isSchedule }: ScenarioSummary): string {
  const share = formatPercent(trainableParameters / totalParameters);
  return `${formatCount(trainableParameters)} (${share}${isSchedule ? ', at the end' : ''})`;
}

/** Entity and macro F1 on every test set that has a name; null where there is none. */
export function transferTable({ scenarios }: GridSummary): TextTable | null {
  const names = [...new Set(scenarios.flatMap(({ tests }) => [...tests.keys()]))];
  if (names.length === 0) return null;
  const column = (name: string, title: string, score: ScoreName): Column<ScenarioSummary> => ({
    title: `${name}: ${title}`,
    cell: ({ tests }) => {
      const scores = tests.get(name);
      return scores === undefined ? NONE : formatSpread(scores[score], scoreFormat(4));
    },
  });
  return textTable(
    [
      { title: 'frozen', cell: ({ strategy }) => strategy },
      ...names.flatMap((name) => [
        column(name, 'entity F1', 'entityF1'),
        column(name, 'macro F1', 'macroF1'),
      ]),
    ],
    scenarios,
  );
}

/** A score by number of training sentences, a column a scenario; null where all runs have the same number. */
export function sizesTable({ sizes }: GridSummary, score: ScoreName): TextTable | null {
  if (sizes.length < 2) return null;
  const strategies = [
    ...new Set(sizes.flatMap(({ scenarios }) => scenarios.map(({ strategy }) => strategy))),
  ];
  return {
    head: ['training sentences', ...strategies],
    rows: sizes.map(({ sentences, scenarios }) => [
      `${sentences}`,
      ...strategies.map((strategy) => {
        const found = scenarios.find((scenario) => scenario.strategy === strategy);
        return found === undefined ? NONE : formatSpread(found.scores[score], scoreFormat(4));
      }),
    ]),
  };
}

/** Every comparison with k = 0, in words; null where none was made. */
export function comparisonTable({ comparisons }: GridSummary): TextTable | null {
  if (comparisons.length === 0) return null;
  const hasSets = comparisons.some(({ testSet }) => testSet !== null);
  const hasSizes = new Set(comparisons.map(({ trainSize }) => trainSize)).size > 1;
  return textTable<Comparison>(
    [
      { title: 'frozen', cell: ({ strategy }) => strategy },
      ...(hasSizes
        ? [{ title: 'sentences', cell: ({ trainSize }: Comparison) => `${trainSize ?? 'all'}` }]
        : []),
      ...(hasSets ? [{ title: 'test set', cell: ({ testSet }: Comparison) => testSet ?? 'first' }] : []),
      { title: 'score', cell: ({ score }) => scoreName(score) },
      { title: 'against', cell: ({ baseline }) => baseline },
      { title: 'seeds', cell: ({ seeds }) => `${seeds}` },
      { title: 'what is seen', cell: differenceText },
    ],
    comparisons,
  );
}
