import { addon } from '../native/addon.js';
import type { TrainingEvent } from '../training/events.js';
import { type FinetuneRun, finetune } from '../training/finetune.js';
import type { FinetuneOptions } from '../training/options.js';
import { PrefixCache } from '../training/prefix-cache.js';
import { composeRecord } from './compose-record.js';
import { describeEnvironment } from './environment.js';
import type { RunRecord } from './run-record.js';
import type { Scenario } from './scenario.js';
import type { Workspace } from './workspace.js';

export interface RunScenarioOptions {
  workspace: Workspace;
  scenario: Scenario;
  /** Fixes initial weights, order and dropout. */
  seed: number;
  /** Directory that the weights of the best epoch are saved to, loadable by Hugging Face Transformers. @default none */
  saveTo?: string;
  /** Outputs of frozen prefixes that runs share; false keeps none. @default a cache of the run's own */
  prefixCache?: PrefixCache | false;
  signal?: AbortSignal;
}

/** Trains one scenario: yields the events of its training, returns its record. */
export type RunScenario = (options: RunScenarioOptions) => AsyncGenerator<TrainingEvent, RunRecord>;

/**
 * Trains one scenario with one seed from its starting weights.
 *
 * The model is disposed of in any case, also where the consumer stops early.
 *
 * @returns the run record as the generator's return value; writing it is the caller's.
 * @throws what creating the model and training throw; `signal.reason` on abort.
 */
export const runScenario: RunScenario = async function* (options) {
  const { workspace, scenario, seed, saveTo, signal } = options;
  const startedAt = new Date();
  const model = await workspace.createModel(seed, signal);
  // The training would go on without a listener; this ends it where the consumer stops early.
  const left = new AbortController();
  const signals = signal ? [signal, left.signal] : [left.signal];
  let run: FinetuneRun | null = null;
  try {
    const modelSeconds = (Date.now() - startedAt.getTime()) / 1000;
    run = finetune({
      model,
      ...finetuneOptions(workspace, scenario),
      encoded: await workspace.encoded(),
      prefixCache: options.prefixCache ?? (workspace.prefix && new PrefixCache(workspace.prefix)),
      seed,
      signal: AbortSignal.any(signals),
    });
    for await (const event of run) yield event;
    const result = await run.result;
    if (saveTo !== undefined) await model.save(saveTo);
    const { libtorch, availableCores } = addon();
    return composeRecord({
      workspace,
      scenario,
      seed,
      startedAt,
      finishedAt: new Date(),
      modelSeconds,
      environment: describeEnvironment({ libtorch: libtorch.loadedVersion, device: workspace.device }),
      threads: workspace.threads ?? availableCores,
      frozenPrefix: model.frozenPrefix,
      result,
    });
  } finally {
    left.abort();
    await run?.result.catch(() => undefined);
    await model.dispose();
  }
};

function finetuneOptions(
  { splits, carbonIntensity }: Workspace,
  { strategy, training }: Scenario,
): Omit<FinetuneOptions, 'model'> {
  // The model and the cache were made with their precisions; the loop takes all other settings as they are.
  const { precision: _, prefixPrecision: __, ...settings } = training;
  return {
    train: splits.train,
    validation: splits.validation,
    ...(splits.test && { test: splits.test }),
    freezing: strategy,
    energy: carbonIntensity === null ? {} : { carbonIntensity },
    ...settings,
  };
}
