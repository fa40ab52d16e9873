import { digestOf } from '../io/digest.js';
import type { FinetuneResult } from '../training/finetune.js';
import type { Environment } from './environment.js';
import { RUN_RECORD_VERSION, type RunRecord } from './run-record.js';
import { runId, type Scenario, scenarioDigest, scenarioId } from './scenario.js';
import type { Workspace } from './workspace.js';

/** What is known when a run has ended. */
export interface EndedRun {
  workspace: Pick<Workspace, 'labels' | 'tokenizer' | 'sources'>;
  data: RunRecord['data'];
  scenario: Scenario;
  seed: number;
  startedAt: Date;
  finishedAt: Date;
  /** Seconds of creating or loading the model. */
  modelSeconds: number;
  environment: Environment;
  /** CPU threads of the engine. */
  threads: number;
  /** As the engine reported it. */
  frozenPrefix: number;
  result: FinetuneResult;
  /** Metrics on the test sets that have names. */
  tests?: RunRecord['tests'];
}

/** Makes a run's record. Pure, so that every figure has its formula in one place. */
export function composeRecord(run: EndedRun): RunRecord {
  const { workspace, scenario, seed } = run;
  return {
    schemaVersion: RUN_RECORD_VERSION,
    run: runId(scenario, seed),
    scenarioId: scenarioId(scenario),
    scenarioDigest: scenarioDigest(scenario),
    scenario,
    seed,
    sources: workspace.sources,
    threads: run.threads,
    startedAt: run.startedAt.toISOString(),
    finishedAt: run.finishedAt.toISOString(),
    ...run.environment,
    data: run.data,
    tokenizer: { digest: workspace.tokenizer.digest, vocabSize: workspace.tokenizer.vocabSize },
    labels: workspace.labels,
    plan: run.result.stages[0]!.plan,
    frozenPrefix: run.frozenPrefix,
    frozenDropout: run.result.frozenDropout,
    prefixStore: run.result.prefixStore,
    trainableParameters: run.result.trainableParameters,
    totalParameters: run.result.totalParameters,
    ...outcomeOf(run.result),
    tests: run.tests ?? {},
    ...costOf(run),
  };
}

function outcomeOf(result: FinetuneResult) {
  const { losses } = result;
  return {
    epochs: result.epochs,
    evaluations: result.evaluations.map(({ epoch, step, score, loss }) => ({ epoch, step, score, loss })),
    stages: result.stages,
    resumed: result.resumed,
    warnings: result.warnings,
    bestEpoch: result.bestEpoch,
    bestStep: result.bestStep,
    bestScore: result.bestScore,
    stoppedEarly: result.stoppedEarly,
    test: result.test,
    steps: result.steps,
    tokens: result.tokens,
    losses: {
      count: losses.length,
      first: losses[0] ?? 0,
      last: losses.at(-1) ?? 0,
      mean: losses.length === 0 ? 0 : losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
      digest: digestOf(losses),
    },
  };
}

function costOf({ result, modelSeconds, startedAt, finishedAt }: EndedRun) {
  const { seconds, epochs, tokens } = result;
  return {
    seconds: {
      ...seconds,
      model: modelSeconds,
      // What earlier processes did of the run counts, too.
      total: Math.max(seconds.total, (finishedAt.getTime() - startedAt.getTime()) / 1000),
    },
    secondsPerEpoch: epochs.length === 0 ? 0 : seconds.train / epochs.length,
    secondsToStop: seconds.train + seconds.validation,
    tokensPerSecond: seconds.train === 0 ? 0 : tokens / seconds.train,
    memoryBytes: result.memoryBytes,
    energy: result.energy,
    ranks: result.ranks,
    peakRssBytes: result.peakRssBytes,
  };
}
