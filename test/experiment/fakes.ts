import { EventEmitter, once } from 'node:events';
import { ReadingNotes } from '../../src/data/reading-notes.js';
import type { Sentence } from '../../src/data/sentence.js';
import { computeMetrics } from '../../src/evaluation/metrics.js';
import { composeRecord } from '../../src/experiment/compose-record.js';
import { describeEnvironment } from '../../src/experiment/environment.js';
import type { RunScenario, RunScenarioOptions } from '../../src/experiment/run.js';
import type { RunRecord } from '../../src/experiment/run-record.js';
import type { Scenario } from '../../src/experiment/scenario.js';
import { SHAPES } from '../../src/experiment/shape.js';
import { FRESH_TRAINING } from '../../src/experiment/training-settings.js';
import type { Workspace } from '../../src/experiment/workspace.js';
import { parseFreezing } from '../../src/index.js';
import type { FinetuneResult } from '../../src/training/finetune.js';

const sentence: Sentence = { words: ['Aya', 'sings', '.'], tags: ['B-PER', 'O', 'O'] };

/** A workspace without a model: a fake trainer never asks for one. */
export function fakeWorkspace(overrides: Partial<Workspace> = {}): Workspace {
  const part = { sentences: 1, words: 3, digest: 'abc' };
  const splits = { train: [sentence], validation: [sentence], test: [sentence], tests: {} };
  const data = { digest: 'd'.repeat(64), train: part, validation: part, test: part, tests: {} };
  const nothing = () => Promise.reject(new Error('a fake trainer encodes nothing'));
  return {
    notes: new ReadingNotes(),
    settings: {
      dataset: { source: 'generated', name: 'demo', seed: 1, sizes: { train: 1, validation: 1, test: 1 } },
      model: { kind: 'fresh', name: 'mini', shape: SHAPES.mini! },
      training: FRESH_TRAINING,
    },
    splits,
    labels: ['B-PER', 'O'],
    device: 'cpu',
    tokenizer: { digest: 'f'.repeat(64), vocabSize: 100 } as unknown as Workspace['tokenizer'],
    numLayers: 12,
    data,
    energy: {},
    sources: {},
    threads: null,
    prefix: {},
    saving: {},
    portion: () => ({ splits, data, encoded: nothing, encodedTest: nothing }),
    createModel: () => Promise.reject(new Error('a fake trainer creates no model')),
    ...overrides,
  };
}

/** A result whose figures depend on scenario and seed only. */
export function fakeResult(seed: number, strategy: string): FinetuneResult {
  const metrics = computeMetrics([sentence.tags], [['B-PER', 'O', 'O']]);
  const { plan } = parseFreezing(strategy).start(12);
  return {
    epochs: [
      {
        epoch: 1,
        trainLoss: 0.5,
        trainSeconds: 4,
        tokens: 300,
        validationSeconds: 1,
        validation: metrics,
        validationLoss: 0.75,
      },
      {
        epoch: 2,
        trainLoss: 0.25,
        trainSeconds: 2,
        tokens: 300,
        validationSeconds: 1,
        validation: metrics,
        validationLoss: 0.75,
      },
    ],
    evaluations: [
      { epoch: 1, step: 1, score: 1, metrics, loss: 0.75, seconds: 1 },
      { epoch: 2, step: 2, score: 1, metrics, loss: 0.75, seconds: 1 },
    ],
    stages: [{ stage: 1, epoch: 1, step: 0, untilStep: 100, scores: [], plan, reason: 'a test' }],
    bestStep: 2,
    resumed: false,
    warnings: [],
    bestEpoch: 2,
    bestScore: 1,
    stoppedEarly: false,
    steps: 2,
    tokens: 600,
    losses: [0.5 + seed, 0.25],
    test: metrics,
    seconds: { encode: 0.1, train: 6, validation: 2, test: 1, save: 0, total: 9.1 },
    trainableParameters: 10,
    totalParameters: 100,
    frozenDropout: 'on',
    prefixStore: null,
    memoryBytes: { parameters: 400, gradients: 40, optimizer: 80, workspace: 1000 },
    energy: null,
    ranks: null,
    peakRssBytes: 1e8,
  };
}

export function fakeRecord(scenario: Scenario, seed: number, workspace = fakeWorkspace()): RunRecord {
  return composeRecord({
    workspace,
    data: workspace.data,
    scenario,
    seed,
    startedAt: new Date('2026-01-01T00:00:00Z'),
    finishedAt: new Date('2026-01-01T00:00:10Z'),
    modelSeconds: 0.5,
    environment: describeEnvironment({ libtorch: '2.6.0', device: 'cpu' }),
    threads: 2,
    frozenPrefix: 0,
    result: fakeResult(seed, scenario.strategy),
  });
}

/** A trainer that trains nothing and remembers what it was asked for. */
export function fakeTrainer(hook: (options: RunScenarioOptions, call: number) => void = () => {}): {
  runScenario: RunScenario;
  calls: string[];
} {
  const calls: string[] = [];
  const runScenario: RunScenario = async function* (options) {
    calls.push(`${options.scenario.strategy}/${options.seed}`);
    yield {
      type: 'step',
      step: 1,
      totalSteps: 2,
      epoch: 1,
      loss: 0.5,
      gradNorm: 1,
      learningRate: 1e-3,
      tokens: 300,
      tokensPerSecond: 3000,
    };
    hook(options, calls.length);
    return fakeRecord(options.scenario, options.seed, options.workspace);
  };
  return { runScenario, calls };
}

export async function drain<Event, Result>(events: AsyncGenerator<Event, Result>): Promise<Event[]> {
  const all: Event[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Trainers of several workers, none of which goes on before each has a run: so that all of them take part. */
export function meeting(trainers: readonly RunScenario[]): RunScenario[] {
  const met = new EventEmitter();
  let missing = trainers.length;
  return trainers.map((runScenario) => {
    let hasCome = false;
    return async function* (options) {
      if (!hasCome) {
        hasCome = true;
        if (--missing > 0) await once(met, 'all');
        else met.emit('all');
      }
      return yield* runScenario(options);
    };
  });
}
