import { z } from 'zod';
import { parseOptions } from '../../errors/option-error.js';
import { mean } from '../../evaluation/statistics.js';
import { type GridRun, gridRuns } from '../grid.js';
import type { GridEvent } from '../grid-events.js';
import { type Round, type RunPlan, type RunRoundsOptions, runRounds } from '../rounds.js';
import type { RunRecord } from '../run-record.js';
import { scenarioOf } from '../scenario.js';
import type { TrainingSettings } from '../training-settings.js';
import type { Workspace } from '../workspace.js';
import { countRuns, type Rung, rungsOf, type Unit, unitsOf } from './rungs.js';
import { judge, type SearchedPlan, survivors, type Verdict } from './verdict.js';

/** Which plans are compared, on what, and where. */
export interface SearchOptions extends RunRoundsOptions {
  /** Notations of strategies and schedules, each once. */
  strategies: readonly string[];
  /** Every plan is trained with each of them. */
  seeds: readonly number[];
  /** Parts of training and validation data that take turns in validating. @default the data's own validation split */
  folds?: number;
  /** Which part of the plans each rung of successive halving keeps: one in so many. @default every plan is trained in full */
  halving?: number;
}

/** One plan of a search, and how far it came. */
export interface RankedPlan extends SearchedPlan {
  /** 1-based rung of its last trainings. */
  rung: number;
}

/** Test scores of a plan: means over seeds and folds. */
export interface HeldOutScores {
  macroF1: number;
  entityF1: number;
}

/** What a search answers. */
export interface SearchResult extends Pick<Verdict, 'best' | 'cheapest'> {
  /** The validation score that decided. */
  metric: string;
  /** In the order given; with halving, each by the trainings of the last rung that it came to. */
  plans: RankedPlan[];
  rungs: readonly Rung[];
  /** Of the best and the cheapest plan alone; null where there is no test split. */
  test: Record<string, HeldOutScores> | null;
  /** Of every training, in the order in which they came up. */
  records: RunRecord[];
}

/** What a search tells while it is under way; told apart by `type`. */
export type SearchEvent =
  | GridEvent
  /** Last event. */
  | { type: 'search-done'; result: SearchResult };

const countsSchema = z.object({
  strategies: z.array(z.string()).min(1),
  seeds: z.array(z.int().nonnegative()).min(1),
  folds: z.int().min(2).optional(),
  halving: z.int().min(2).optional(),
});

/**
 * Finds how many layers to freeze (the paper's equation 6): the plan with the best validation score, and the cheapest
 * whose mean is within max(0.002, one paired standard error) of it.
 *
 * All plans have the same seeds and folds, and share the kept outputs of frozen layers. Only the two that are named see
 * the test sets, with the weights that they had at their best. Goes on in its directory as a grid does.
 *
 * @throws what {@link runRounds} throws; INVALID_OPTION, INVALID_PLAN.
 */
export async function* search(options: SearchOptions): AsyncGenerator<SearchEvent, SearchResult> {
  const { strategies, seeds, folds, halving } = options;
  parseOptions(countsSchema, { strategies, seeds, folds, halving }, 'search');
  const result = yield* runRounds(options, new SearchPlan(options));
  yield { type: 'search-done', result };
  return result;
}

class SearchPlan implements RunPlan<SearchResult> {
  readonly about = { kind: 'search', planned: null } as const;
  readonly total: number;
  readonly #workspace: Workspace;
  readonly #strategies: readonly string[];
  readonly #rungs: Rung[];

  constructor({ workspace, strategies, seeds, folds, halving }: SearchOptions) {
    this.#workspace = workspace;
    this.#strategies = strategies;
    this.#rungs = rungsOf(strategies.length, unitsOf(seeds, folds ?? null), halving ?? null);
    this.total = countRuns(this.#rungs);
    for (const unit of this.#rungs.at(-1)!.units) workspace.portion(foldOf(unit));
  }

  *rounds(): Generator<Round, SearchResult, RunRecord[]> {
    const { splits, settings } = this.#workspace;
    const all = new Map<string, RunRecord>();
    const ranked = new Map<string, RankedPlan>();
    let left = this.#strategies;
    let verdict!: Verdict;
    for (const [index, rung] of this.#rungs.entries()) {
      const records = yield { runs: this.#runs(left, rung), test: false };
      for (const record of records) all.set(record.run, record);
      verdict = judge(byPlan(records, left));
      for (const plan of verdict.plans) ranked.set(plan.notation, { ...plan, rung: index + 1 });
      left = survivors(verdict, this.#rungs[index + 1]?.plans ?? 0);
    }
    const { best, cheapest } = verdict;
    const named = [...new Set([best, cheapest])];
    let test: SearchResult['test'] = null;
    if (splits.test !== null) {
      const records = yield { runs: this.#runs(named, this.#rungs.at(-1)!), test: true };
      for (const record of records) all.set(record.run, record);
      test = Object.fromEntries(byPlan(records, named).map((runs, i) => [named[i]!, heldOutScores(runs)]));
    }
    const { earlyStopping } = settings.training;
    return {
      best,
      cheapest,
      metric: earlyStopping === false ? 'macroF1' : earlyStopping.metric,
      plans: this.#strategies.map((notation) => ranked.get(notation)!),
      rungs: this.#rungs,
      test,
      records: [...all.values()],
    };
  }

  /** The runs of plans that lead, or that are not done: any of them may be named in the end. */
  keeps(records: readonly RunRecord[]): Set<string> {
    if (this.#workspace.splits.test === null) return new Set();
    const { units } = this.#rungs.at(-1)!;
    const whole = records.filter(
      ({ scenario: { maxSteps, trainSize } }) => maxSteps === undefined && trainSize === undefined,
    );
    const groups = this.#strategies.map((notation) =>
      whole.filter(({ scenario: { strategy }, seed, scenario: { fold } }) => {
        return strategy === notation && units.some((unit) => isOf(unit, seed, fold?.index));
      }),
    );
    const done = groups.filter((runs) => runs.length === units.length);
    const lead = done.length === 0 ? [] : Object.values(leaders(done));
    const kept = groups.filter(
      (runs) => runs.length < units.length || lead.includes(runs[0]!.scenario.strategy),
    );
    return new Set(kept.flat().flatMap(({ run, test }) => (test === null ? [run] : [])));
  }

  /** Plan by plan, those with the longest frozen prefix first: they compute what all others read. */
  #runs(strategies: readonly string[], { units, share }: Rung): GridRun[] {
    const { settings, numLayers } = this.#workspace;
    const runs = units.map((unit) => {
      const portion = { ...foldOf(unit), ...(share < 1 && { maxSteps: this.#steps(unit, share) }) };
      const scenarios = strategies.map((strategy) => scenarioOf(settings, strategy, portion));
      return gridRuns(scenarios, [unit.seed], numLayers);
    });
    return strategies.flatMap((_, plan) => runs.map((ofUnit) => ofUnit[plan]!));
  }

  /** Steps that a share of a whole training has. */
  #steps(unit: Unit, share: number): number {
    const { settings, portion } = this.#workspace;
    const { data } = portion(foldOf(unit));
    return Math.max(1, Math.ceil(share * totalSteps(data.train.sentences, settings.training)));
  }
}

function totalSteps(sentences: number, training: TrainingSettings): number {
  const { batchSize, gradientAccumulation, epochs, maxSteps = Number.POSITIVE_INFINITY } = training;
  return Math.min(maxSteps, epochs * Math.ceil(Math.ceil(sentences / batchSize) / gradientAccumulation));
}

function leaders(runs: readonly (readonly RunRecord[])[]): Pick<Verdict, 'best' | 'cheapest'> {
  // Records come as they were done: the same seeds and folds of all plans must stand side by side.
  const key = ({ seed, scenario: { fold } }: RunRecord) => [seed, fold?.index ?? 0] as const;
  const sorted = runs.map((records) =>
    [...records].sort((a, b) => key(a)[0] - key(b)[0] || key(a)[1] - key(b)[1]),
  );
  const { best, cheapest } = judge(sorted);
  return { best, cheapest };
}

function foldOf({ fold }: Unit): Pick<Unit, 'fold'> {
  return fold === undefined ? {} : { fold };
}

function isOf(unit: Unit, seed: number, fold: number | undefined): boolean {
  return unit.seed === seed && unit.fold?.index === fold;
}

/** Records of each plan, in the order of their units. */
function byPlan(records: readonly RunRecord[], notations: readonly string[]): RunRecord[][] {
  return notations.map((notation) => records.filter(({ scenario }) => scenario.strategy === notation));
}

function heldOutScores(records: readonly RunRecord[]): HeldOutScores {
  return {
    macroF1: mean(records.map(({ test }) => test!.macro.f1))!,
    entityF1: mean(records.map(({ test }) => test!.entities.micro.f1))!,
  };
}
