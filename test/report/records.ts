import { energyUse } from '../../src/energy/energy-use.js';
import { computeMetrics } from '../../src/evaluation/metrics.js';
import { type RunRecord, runRecordSchema } from '../../src/experiment/run-record.js';
import { parseStrategy } from '../../src/freezing/notation.js';

export interface RecordFacts {
  strategy: string;
  seed?: number;
  secondsPerEpoch?: number;
  secondsToStop?: number;
  epochs?: number;
  /** Notation of the first plan, where a schedule has no strategy's name. */
  plan?: string;
  /** Layers of the model. */
  layers?: number;
  /** Of the 100 words with B-PER, how many are found. */
  found?: number;
  test?: boolean;
  dataset?: string;
  cpuModel?: string;
  /** Name of the card that trained; null for one without a name. */
  card?: string | null;
  trainable?: number;
  losses?: string;
  /** Of training and validation. */
  joules?: number;
  /** Number of layers whose outputs were kept; later epochs then take a tenth of the time. */
  keptPrefix?: number;
  /** Sequences whose kept outputs another run had computed; null for a record from before they were counted. */
  borrowed?: number | null;
  /** Sequences whose outputs the run computed. */
  misses?: number;
}

const gold = [
  [...new Array<string>(100).fill('B-PER'), 'B-LOC', 'I-LOC', ...new Array<string>(98).fill('O')],
];

function measuredEnergy(joules: number): RunRecord['energy'] {
  return energyUse({
    joules: { cpu: joules, gpu: null, ram: null },
    seconds: 100,
    idlePower: { cpu: 7, gpu: null, ram: null },
    tokens: 3000,
    carbonIntensity: 360,
    sources: ['fake'],
  });
}

/** A valid run record of a 12-layer model in which only what a test names is special. */
export function makeRecord(facts: RecordFacts): RunRecord {
  const { strategy, seed = 1, secondsPerEpoch = 10, epochs = 3, found = 50, test = true } = facts;
  const predicted = [gold[0]!.map((tag, word) => (tag === 'B-PER' && word >= found ? 'O' : tag))];
  const metrics = computeMetrics(gold, predicted, { truncatedWords: 2, wordsWithoutTokens: 1 });
  const split = { sentences: 10, words: 200, digest: 'd' };
  return runRecordSchema.parse({
    schemaVersion: 1,
    run: `${strategy}-${seed}`,
    scenarioId: strategy,
    scenarioDigest: 's',
    scenario: {
      strategy,
      dataset: {
        source: 'generated',
        name: facts.dataset ?? 'demo',
        seed: 1,
        sizes: { train: 10, validation: 10, test: 10 },
      },
      model: {
        kind: 'fresh',
        name: 'mini',
        shape: {
          numLayers: facts.layers ?? 12,
          hiddenSize: 128,
          numHeads: 2,
          intermediateSize: 512,
          maxPositions: 128,
          dropout: 0.1,
        },
      },
      training: {
        epochs: 5,
        batchSize: 32,
        gradientAccumulation: 1,
        maxLength: 128,
        optimizer: {
          learningRate: 3e-5,
          weightDecay: 0.01,
          betas: [0.9, 0.999],
          eps: 1e-8,
          maxGradNorm: 1,
          schedule: 'linear',
          warmupRatio: 0,
        },
        earlyStopping: { metric: 'macroF1', patience: 2 },
        frozenDropout: 'on',
        prefixPrecision: 'fp32',
        precision: 'fp32',
      },
    },
    seed,
    threads: 2,
    startedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-01T00:01:00.000Z',
    versions: { permafrost: '0.1.0', node: '20.0.0', libtorch: '2.6.0', tokenizers: null },
    hardware: {
      cpuModel: facts.cpuModel ?? 'Test CPU',
      cores: 2,
      memoryBytes: 1e9,
      platform: 'linux x64',
      device: facts.card === undefined ? 'cpu' : 'cuda:0',
      ...(facts.card !== undefined && facts.card !== null && { deviceName: facts.card }),
    },
    data: { digest: 'd', train: split, validation: split, test: test ? split : null },
    tokenizer: { digest: 't', vocabSize: 500 },
    labels: ['B-LOC', 'B-PER', 'I-LOC', 'I-PER', 'O'],
    plan: parseStrategy(facts.plan ?? strategy).plan(facts.layers ?? 12),
    trainableParameters: facts.trainable ?? 1_000_000,
    totalParameters: 2_000_000,
    frozenPrefix: -1,
    frozenDropout: facts.keptPrefix === undefined ? 'on' : 'off',
    prefixStore:
      facts.keptPrefix === undefined
        ? null
        : {
            depth: facts.keptPrefix,
            precision: 'fp32',
            examples: 30,
            memoryBytes: 1e6,
            fileBytes: 0,
            hits: 60,
            misses: facts.misses ?? 30,
            ...(facts.borrowed !== null && { borrowed: facts.borrowed ?? 0 }),
          },
    memoryBytes: { parameters: 8e6, gradients: 4e6, optimizer: 8e6, workspace: 1e7 },
    epochs: Array.from({ length: epochs }, (_, index) => ({
      epoch: index + 1,
      trainLoss: 0.5,
      trainSeconds: index > 0 && facts.keptPrefix !== undefined ? secondsPerEpoch / 10 : secondsPerEpoch,
      validationSeconds: 1,
      validation: metrics,
    })),
    bestEpoch: epochs,
    bestScore: metrics.macro.f1,
    stoppedEarly: false,
    test: test ? metrics : null,
    steps: 30,
    tokens: 3000,
    losses: { count: 30, first: 1, last: 0.5, mean: 0.75, digest: facts.losses ?? 'l' },
    seconds: { model: 1, encode: 1, train: 30, validation: 3, test: 1, total: 36 },
    secondsPerEpoch,
    secondsToStop: facts.secondsToStop ?? secondsPerEpoch * epochs,
    tokensPerSecond: 100,
    ...(facts.joules !== undefined && { energy: measuredEnergy(facts.joules) }),
    peakRssBytes: 1e8,
  });
}
