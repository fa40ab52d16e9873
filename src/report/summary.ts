import { isDeepStrictEqual } from 'node:util';
import type { EvaluationCounts } from '../evaluation/word-tags.js';
import type { Comparison } from '../experiment/comparisons.js';
import type { ErrorExamples } from '../experiment/error-examples.js';
import type { ErrorStudy } from '../experiment/error-studies.js';
import { groupBy } from '../experiment/group-by.js';
import type { RunRecord } from '../experiment/run-record.js';
import type { Portion } from '../experiment/scenario.js';
import {
  closestPaperDataset,
  type PaperDataset,
  type PaperRow,
  paperRow,
  paperSpeedup,
} from './paper-tables.js';
import {
  hasBorrowed,
  reportedMetrics,
  type ScenarioSummary,
  summariseScenario,
  timesFaster,
} from './scenario-summary.js';

/** What was to be run; whatever of it has no record is listed as not run. */
export interface PlannedGrid {
  strategies: readonly string[];
  seeds: readonly number[];
  /** @default ['all'] */
  trainSizes?: readonly (number | 'all')[];
}

export interface SummaryOptions {
  planned?: PlannedGrid;
  /** The paper's dataset that ours stands beside. @default chosen by the dataset's name */
  paperDataset?: PaperDataset;
  /** Comparisons with k = 0, from `compareWithBaseline`. @default none */
  comparisons?: readonly Comparison[];
  /** The errors of the runs on the most training sentences. @default none */
  errors?: readonly ErrorStudy[];
  /** Sentences that these get wrong, from an `ExampleCollector`. @default none */
  examples?: ErrorExamples | null;
  /** The command that trains what is shown. @default none */
  command?: string;
}

/** Every scenario on one number of training sentences. */
export interface SizeSummary {
  /** Training sentences. */
  sentences: number;
  scenarios: ScenarioSummary[];
}

/** One row of a table in the paper's form. Factors say how many times faster than the table's k = 0. */
export interface StrategyRow {
  scenario: ScenarioSummary;
  /** Measured, by seconds of training steps an epoch; null without k = 0. */
  fasterPerEpoch: number | null;
  /** The same in the first epoch, in which outputs that are kept are computed. */
  fasterFirstEpoch: number | null;
  /** The same from the second epoch on, when outputs that are kept are there. */
  fasterPerLaterEpoch: number | null;
  /** Measured, by seconds until training stopped; null without k = 0. */
  fasterToStop: number | null;
  /** By the paper's equation 5 (time in proportion to the parameters that learn); null without k = 0, and for a schedule. */
  fasterByEquation5: number | null;
  /** The paper's own factor, until its stop. */
  fasterInPaper: number | null;
  paper: PaperRow | null;
}

/** A table in the paper's form: one strategy by k, then what has no k. */
export interface StrategyTable {
  strategy: string;
  /** Notation of the scenario that is k = 0 of this table; null where it was not run. */
  baseline: string | null;
  rows: StrategyRow[];
}

/** Two scenarios that freeze the same: their metrics should agree, their times show how far a time can be trusted. */
export interface TwinCheck {
  strategies: [string, string];
  seed: number;
  /** Whether every epoch's losses and metrics are equal to the bit. */
  isEqual: boolean;
  /** Seconds an epoch of the second over those of the first; null where one of them read what another run computed. */
  timeRatio: number | null;
}

/** All that the renderings of a grid show. */
export interface GridSummary {
  /** Every run, in the order given. */
  records: readonly RunRecord[];
  /** Those on the most training sentences, which all tables show but that of the numbers of sentences. */
  whole: readonly RunRecord[];
  scenarios: ScenarioSummary[];
  /** Ascending; one entry where all runs have the same number of training sentences. */
  sizes: SizeSummary[];
  comparisons: readonly Comparison[];
  errors: readonly ErrorStudy[];
  examples: ErrorExamples | null;
  command: string | null;
  tables: StrategyTable[];
  twins: TwinCheck[];
  notRun: ({ strategy: string; seed: number } & Pick<Portion, 'trainSize'>)[];
  paperDataset: PaperDataset;
  evaluatedOn: 'test' | 'validation';
  /** Of the evaluated split. */
  counts: EvaluationCounts;
}

/**
 * Sums up the runs of one grid; null where nothing was run.
 *
 * @param records runs of one dataset and one model that differ in strategy, seed and number of training sentences only.
 */
export function summarise(records: readonly RunRecord[], options: SummaryOptions = {}): GridSummary | null {
  const first = records[0];
  if (first === undefined) return null;
  const strategies = new Set(records.map(({ scenario }) => scenario.strategy));
  const order = [...new Set([...(options.planned?.strategies ?? []), ...strategies])];
  const bySize = [...groupBy(records, trainSizeOf)].sort(([a], [b]) => a - b);
  const sizes = bySize.map(([sentences, runs]): SizeSummary => {
    const byStrategy = groupBy(runs, ({ scenario }) => scenario.strategy);
    const found = order.flatMap((strategy) => byStrategy.get(strategy) ?? []);
    const groups = [...groupBy(found, ({ scenario }) => scenario.strategy).values()];
    return { sentences, scenarios: groups.map(summariseScenario) };
  });
  const whole = runsOnMost(records);
  const { scenarios } = sizes.at(-1)!;
  const paperDataset = options.paperDataset ?? closestPaperDataset(first.scenario.dataset.name);
  return {
    records,
    whole,
    scenarios,
    sizes,
    comparisons: options.comparisons ?? [],
    errors: options.errors ?? [],
    examples: options.examples ?? null,
    command: options.command ?? null,
    tables: strategyTables(scenarios, paperDataset),
    twins: twinChecks(whole, order),
    notRun: missingRuns(records, options.planned),
    paperDataset,
    evaluatedOn: first.test === null ? 'validation' : 'test',
    counts: reportedMetrics(first).counts,
  };
}

/** The runs on the most training sentences, which most tables show. */
export function runsOnMost(records: readonly RunRecord[]): RunRecord[] {
  const most = Math.max(...records.map(trainSizeOf));
  return records.filter((record) => trainSizeOf(record) === most);
}

function trainSizeOf({ data }: RunRecord): number {
  return data.train.sentences;
}

function strategyTables(scenarios: readonly ScenarioSummary[], dataset: PaperDataset): StrategyTable[] {
  const families = [...new Set(scenarios.filter(({ k }) => k !== null).map(({ family }) => family))];
  const others = scenarios.filter(({ k }) => k === null);
  if (families.length === 0)
    return others.length === 0 ? [] : [strategyTable('other', others, null, dataset)];
  return families.map((family) => {
    const ranged = scenarios.filter((scenario) => scenario.family === family).sort((a, b) => a.k! - b.k!);
    // k = 0 is the same configuration in both directions, so the other one may stand in.
    const baseline = ranged.find(({ k }) => k === 0) ?? scenarios.find(({ k }) => k === 0) ?? null;
    return strategyTable(family, [...ranged, ...others], baseline, dataset);
  });
}

function strategyTable(
  strategy: string,
  scenarios: readonly ScenarioSummary[],
  baseline: ScenarioSummary | null,
  dataset: PaperDataset,
): StrategyTable {
  const rows = scenarios.map((scenario): StrategyRow => {
    const numLayers = scenario.plan.layers.length;
    return {
      scenario,
      fasterPerEpoch: timesFaster(scenario, baseline, 'secondsPerEpoch'),
      fasterFirstEpoch: timesFaster(scenario, baseline, 'secondsFirstEpoch'),
      fasterPerLaterEpoch: timesFaster(scenario, baseline, 'secondsPerLaterEpoch'),
      fasterToStop: timesFaster(scenario, baseline, 'secondsToStop'),
      fasterByEquation5:
        baseline === null || scenario.isSchedule || scenario.trainableParameters === 0
          ? null
          : baseline.trainableParameters / scenario.trainableParameters,
      fasterInPaper: paperSpeedup(dataset, scenario.family, scenario.k, numLayers),
      paper: paperRow(dataset, scenario.family, scenario.k, numLayers),
    };
  });
  return { strategy, baseline: baseline?.strategy ?? null, rows };
}

function twinChecks(records: readonly RunRecord[], order: readonly string[]): TwinCheck[] {
  const sorted = [...records].sort(
    (a, b) => order.indexOf(a.scenario.strategy) - order.indexOf(b.scenario.strategy),
  );
  const groups = groupBy(sorted, ({ plan, seed }) => JSON.stringify([plan, seed])).values();
  return [...groups].flatMap(([first, ...rest]) =>
    rest.map((other): TwinCheck => {
      const ratio = other.secondsPerEpoch / first!.secondsPerEpoch;
      return {
        strategies: [first!.scenario.strategy, other.scenario.strategy],
        seed: other.seed,
        isEqual: isDeepStrictEqual(outcome(first!), outcome(other)),
        timeRatio: Number.isFinite(ratio) && !hasBorrowed(first!) && !hasBorrowed(other) ? ratio : null,
      };
    }),
  );
}

/** What must not depend on the clock. */
function outcome({ losses, epochs, bestEpoch, test }: RunRecord): unknown {
  return { losses, bestEpoch, test, validation: epochs.map(({ validation }) => validation) };
}

function missingRuns(records: readonly RunRecord[], planned: PlannedGrid | undefined): GridSummary['notRun'] {
  if (planned === undefined) return [];
  const { strategies, seeds, trainSizes = ['all'] } = planned;
  const key = (run: GridSummary['notRun'][number]) => JSON.stringify([run.strategy, run.seed, run.trainSize]);
  const done = new Set(records.map(({ scenario, seed }) => key({ ...scenario, seed })));
  const all = trainSizes.flatMap((size) =>
    strategies.flatMap((strategy) =>
      seeds.map((seed) => ({ strategy, seed, ...(size !== 'all' && { trainSize: size }) })),
    ),
  );
  return all.filter((run) => !done.has(key(run)));
}
