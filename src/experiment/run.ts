import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { EncodedSplits } from '../contract/encoded-dataset.js';
import { PermafrostError } from '../errors/error.js';
import { writeFileAtomic } from '../io/atomic-write.js';
import type { FileLock } from '../io/process-lock.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import { addon } from '../native/addon.js';
import { RunDirectory } from '../training/directory.js';
import {
  type FinetuneOptions,
  type FinetuneResult,
  finetune,
  type TrainingEvent,
} from '../training/finetune.js';
import { withRanks } from '../training/join.js';
import { PrefixCache } from '../training/prefix-cache.js';
import type { Ranks } from '../training/ranks.js';
import type { TrainingSettings } from '../training/settings.js';
import { composeRecord } from './compose-record.js';
import { describeEnvironment } from './environment.js';
import { recordedRun } from './recorded-run.js';
import { type RunRecord, readRunRecord } from './run-record.js';
import { runId, type Scenario } from './scenario.js';
import { measureTests, unlearntTypes } from './test-sets.js';
import type { Workspace } from './workspace.js';

/** What is trained, where, and what becomes of it. */
export interface RunScenarioOptions {
  workspace: Workspace;
  scenario: Scenario;
  /** Fixes initial weights, order and dropout. */
  seed: number;
  /**
   * Where the best weights, the state to go on from and the record are kept. A run that was stopped there goes on; one
   * that was finished there is not trained again. @default nothing is written
   */
  directory?: string;
  /** Lock of `directory`, where the caller has it. @default it is taken, and given back at the end */
  lock?: FileLock;
  /** Deletes what an earlier run left in `directory`. @default false */
  restart?: boolean;
  /** Completes the directory once the best weights are known, before the record is written. */
  complete?: (record: RunRecord) => Promise<void>;
  /** Outputs of frozen prefixes that runs share; false keeps none. @default a cache of the run's own */
  prefixCache?: PrefixCache | false;
  /**
   * `false` leaves the test sets unmeasured. Where a run that was finished so is asked for them, its best weights are
   * measured; it is trained again, to the same bits, where these are gone. @default true
   */
  test?: boolean;
  /** Trains on several processes together, of which rank 0 alone writes; see `finetune`. @default 'off' */
  distributed?: TrainingSettings['distributed'];
  signal?: AbortSignal;
}

/** Trains one scenario: yields the events of its training, returns its record. */
export type RunScenario = (options: RunScenarioOptions) => AsyncGenerator<TrainingEvent, RunRecord>;

/**
 * Trains one scenario with one seed from its starting weights.
 *
 * @returns the run record as the generator's return value.
 * @throws LOCKED, RUN_MISMATCH, WRITE_FAILED from the directory; what creating the model and training throw;
 *   `signal.reason` on abort.
 */
export const runScenario: RunScenario = (options) => {
  const { workspace, distributed, signal } = options;
  return withRanks({ distributed, device: workspace.device, signal }, (ranks) => runAs(ranks, options));
};

async function* runAs(ranks: Ranks, options: RunScenarioOptions): AsyncGenerator<TrainingEvent, RunRecord> {
  const { workspace, scenario, seed, complete, signal } = options;
  const { directory: path, restart = false, test = true } = options;
  const startedAt = new Date();
  const portion = workspace.portion(scenario);
  const directory =
    path === undefined ? null : await ranks.onFirst(() => RunDirectory.open(path, options.lock));
  const data = { data: workspace.data.digest, tokenizer: workspace.tokenizer.digest };
  let modelSeconds = 0;
  let encoded: EncodedSplits | undefined;
  const needsTests = (record: RunRecord) => test && portion.splits.test !== null && record.test === null;
  try {
    const isAgain = await ranks.tell(
      async () =>
        restart ||
        (directory !== null && (await lacksWeights(directory, { scenario, seed, data, needsTests }))),
    );
    const record = yield* recordedRun<TokenClassifier, TrainingEvent, FinetuneResult, RunRecord>({
      directory,
      ranks,
      identity: { ...scenario, seed, ...data },
      async readRecord(file) {
        const record = await readRunRecord(file).catch(unlessNewer);
        if (record === null) return null;
        const { scenario: was, seed, data, tokenizer } = record;
        return { record, identity: { ...was, seed, data: data.digest, tokenizer: tokenizer.digest } };
      },
      finished: ({ epochs, steps }, path) => ({
        type: 'resume',
        path,
        epoch: epochs.length,
        step: steps,
        finished: true,
      }),
      async createModel() {
        encoded = await portion.encoded();
        const started = performance.now();
        const model = await workspace.createModel(seed, signal);
        modelSeconds = (performance.now() - started) / 1000;
        return model;
      },
      start: (model, abort) => {
        const { prefixCache = workspace.prefix && new PrefixCache(workspace.prefix) } = options;
        const where = {
          ...(directory && { directory }),
          ...(ranks.group && { distributed: ranks.group }),
          restart: isAgain,
        };
        const given = { model, encoded, prefixCache, seed, signal: abort, ...where };
        const { train, validation, test: held } = portion.splits;
        const splits = { train, validation, ...(held && test && { test: held }) };
        return finetune({ ...given, ...splits, ...finetuneOptions(workspace, scenario) });
      },
      compose: async (model, result) => {
        const { libtorch, availableCores, nvidiaDriver } = addon();
        const { peers } = ranks;
        const measured = { model, data: portion, directory: directory?.path ?? null, peers, signal };
        const scores = test
          ? await measureTests({ ...measured, test: result.test })
          : { test: null, tests: {} };
        return composeRecord({
          workspace,
          data: portion.data,
          scenario,
          seed,
          startedAt,
          finishedAt: new Date(),
          modelSeconds,
          environment: describeEnvironment({
            libtorch: libtorch.loadedVersion,
            cards: () => nvidiaDriver().cards,
            device: model.device,
            matmul: (await model.deviceFacts()).matmul,
          }),
          threads: workspace.threads || availableCores,
          frozenPrefix: model.frozenPrefix,
          result: { ...result, warnings: [...result.warnings, ...unlearntTypes(portion.splits)] },
          tests: scores.tests,
        });
      },
      ...(complete && { complete }),
      restart: isAgain,
      signal,
    });
    if (directory === null || !needsTests(record)) return record;
    await using model = await workspace.createModel(seed, signal);
    await model.loadWeights(directory.best);
    const scores = await measureTests({ model, data: portion, directory: directory.path, signal });
    const measured = { ...record, ...scores };
    await writeFileAtomic(directory.record, `${JSON.stringify(measured, null, 2)}\n`);
    return measured;
  } finally {
    await directory?.close();
  }
}

/** Whether this very run was finished before, is to be measured on test sets, and has left no weights to do that with. */
async function lacksWeights(
  directory: RunDirectory,
  run: {
    scenario: Scenario;
    seed: number;
    data: { data: string; tokenizer: string };
    needsTests: (record: RunRecord) => boolean;
  },
): Promise<boolean> {
  if (!existsSync(directory.record) || existsSync(join(directory.best, 'model.safetensors'))) return false;
  const record = await readRunRecord(directory.record).catch(unlessNewer);
  const isSame =
    record?.run === runId(run.scenario, run.seed) &&
    record.data.digest === run.data.data &&
    record.tokenizer.digest === run.data.tokenizer;
  return isSame && run.needsTests(record);
}

/** What a run of a scenario is told beside its data and its model. */
export function finetuneOptions(
  { energy, saving }: Workspace,
  { strategy, training, maxSteps }: Scenario,
): Omit<FinetuneOptions, 'model' | 'train' | 'validation'> {
  // The model and the cache were made with their precisions and the head; the loop takes all other settings as they are.
  const { precision: _, prefixPrecision: __, head: ___, ...settings } = training;
  return {
    freezing: strategy,
    energy,
    ...saving,
    ...settings,
    ...(maxSteps !== undefined && { maxSteps }),
  };
}

/** A record that is not whole is made again, from the state beside it; one of a newer program is left alone. */
function unlessNewer(error: unknown): null {
  if (error instanceof PermafrostError && error.code === 'DATA_FORMAT' && error.details.newer !== true)
    return null;
  throw error;
}
