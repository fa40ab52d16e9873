import { gridRuns } from './grid.js';
import type { GridEvent } from './grid-events.js';
import { type Round, type RunRoundsOptions, runRounds } from './rounds.js';
import type { RunRecord } from './run-record.js';
import { type Scenario, scenarioOf } from './scenario.js';
import type { Workspace } from './workspace.js';

export type { GridEvent, RunPosition, Worker } from './grid-events.js';

/** Which scenarios are trained with which seeds, and where. */
export interface RunGridOptions extends RunRoundsOptions {
  /** Notations of the strategies. */
  strategies: readonly string[];
  seeds: readonly number[];
  /** Numbers of training sentences that every strategy is trained on; `all` is every one. @default ['all'] */
  trainSizes?: readonly (number | 'all')[];
  /** Keeps the best weights of each run (`best/`), a model as large as the one that it was trained from. @default false */
  saveModels?: boolean;
}

/** The scenarios of a grid: every strategy on every number of sentences. @throws INVALID_OPTION as `runGrid` */
export function gridScenarios(
  workspace: Workspace,
  strategies: readonly string[],
  trainSizes: readonly (number | 'all')[],
): Scenario[] {
  const portions = trainSizes.map((size) => (size === 'all' ? {} : { trainSize: size }));
  for (const portion of portions) workspace.portion(portion);
  return portions.flatMap((portion) =>
    strategies.map((strategy) => scenarioOf(workspace.settings, strategy, portion)),
  );
}

/**
 * Trains every scenario with every seed, skipping what an earlier start finished.
 *
 * A run counts when its record is on disk; the one that an abort or a kill interrupted goes on from its last state.
 *
 * @throws LOCKED, RUN_MISMATCH, WRITE_FAILED from the store; INVALID_PLAN; INVALID_OPTION for a number of sentences that
 *   there are not; what training throws; `signal.reason` on abort.
 */
export async function* runGrid(options: RunGridOptions): AsyncGenerator<GridEvent, RunRecord[]> {
  const { workspace, strategies, seeds, trainSizes = ['all'], saveModels = false } = options;
  const scenarios = gridScenarios(workspace, strategies, trainSizes);
  const runs = gridRuns(scenarios, seeds, workspace.numLayers);
  let earlier: Set<string> | null = null;
  return yield* runRounds(options, {
    about: { kind: 'grid', planned: { strategies, seeds, trainSizes } },
    total: runs.length,
    *rounds(): Generator<Round, RunRecord[], RunRecord[]> {
      return yield { runs, test: true };
    },
    keeps(records) {
      const runs = new Set(records.map(({ run }) => run));
      // Models that an earlier start was to keep are nobody's to delete.
      earlier ??= runs;
      return saveModels ? runs : earlier;
    },
  });
}
