import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import * as data from '../../src/entries/data.js';
import * as experiment from '../../src/entries/experiment.js';
import * as metrics from '../../src/entries/metrics.js';
import * as publish from '../../src/entries/publish.js';
import * as tagging from '../../src/entries/tagging.js';
import * as training from '../../src/entries/training.js';
import * as main from '../../src/index.js';
import { PermafrostError, type Sentence } from '../../src/index.js';
import { BATCH, TINY } from '../helpers/with-model.js';
import { attempts, isPlain } from './hostile.js';

type Call = (...given: unknown[]) => unknown;

const FACE: Readonly<Record<string, unknown>> = {
  ...main,
  ...data,
  ...metrics,
  ...tagging,
  ...training,
  ...experiment,
  ...publish,
};
const FUNCTIONS = Object.entries(FACE).filter(([, value]) => typeof value === 'function') as [string, Call][];

const folder = mkdtempSync(join(tmpdir(), 'permafrost-face-'));
const home = process.cwd();
const at = (name: string) => join(folder, name);
const sentences: Sentence[] = Array.from({ length: 4 }, (_, i) => ({
  words: ['ann', 'sings'],
  tags: ['B-X', 'O'],
  source: `made:${i + 1}`,
}));
const plan = { embeddings: true, layers: [true, true, false, false] };
let tokenizer: main.Tokenizer;
let classifier: main.TokenClassifier;
let masked: main.MaskedLanguageModel;
let tagger: main.Tagger;
let dataset: data.EncodedDataset;

beforeAll(async () => {
  vi.stubEnv('HF_HUB_OFFLINE', '1');
  vi.stubEnv('HF_HOME', at('hub'));
  writeFileSync(at('data.conll'), 'ann B-X\nsings O\n\n'.repeat(4));
  tokenizer = data.trainWordPiece(['ann', 'sings', 'bo'], { vocabSize: 50, lowercase: true });
  const config = { ...TINY, vocabSize: tokenizer.vocabSize };
  classifier = await main.TokenClassifier.create(config, { threads: 1, tokenizer });
  const { labels: _, ...shape } = config;
  masked = await main.MaskedLanguageModel.create(shape, { threads: 1, tokenizer });
  tagger = main.Tagger.of(classifier);
  dataset = data.encodeDataset(sentences, tokenizer, new data.LabelSet(classifier.labels), { maxLength: 24 });
  // Whatever is taken for a path ends up here.
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(home);
  vi.unstubAllEnvs();
  await tagger.dispose();
  await classifier.dispose();
  await masked.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Arguments that are right, from which the wrong ones are made; without them a call is tried with wrong ones alone. */
const SAMPLES: Readonly<Record<string, () => unknown[]>> = {
  labelSet: () => [sentences],
  readConll: () => [at('data.conll'), { tokenColumn: 0, tagColumn: 1 }],
  readSentences: () => [at('data.conll'), { tokenColumn: 0, tagColumn: 1 }],
  entityReport: () => [[['O']], [['O']], { strict: true }],
  tokenReport: () => [[['O']], [['O']]],
  computeMetrics: () => [[['O']], [['O']], { cutWords: 0 }],
  macroAtLeast: () => [metrics.tokenReport([['O']], [['O']]), 1],
  evaluate: () => [{ model: classifier, sentences, maxLength: 24, signal: new AbortController().signal }],
  bottomUp: () => [1],
  topDown: () => [1],
  only: () => [{ embeddings: true, layers: [0], attention: 'all', bias: [1] }],
  parseStrategy: () => ['bottom-up:1'],
  parseFreezing: () => ['bottom-up:1'],
  finetune: () => [
    {
      ...{ model: classifier, train: sentences, validation: sentences, freezing: 'bottom-up:1', epochs: 1 },
      ...{ batchSize: 4, maxLength: 24, seed: 1, optimizer: { learningRate: 1e-5, betas: [0.9, 0.99] } },
      ...{ earlyStopping: { patience: 1 }, signal: new AbortController().signal },
    },
  ],
  pretrain: () => [
    {
      model: masked,
      train: ['ann sings'],
      validation: ['bo sings'],
      epochs: 1,
      batchSize: 2,
      optimizer: { learningRate: 1e-5 },
    },
  ],
  downloadModel: () => ['a/b', { settings: { offline: true }, onProgress: () => {} }],
  downloadDataset: () => ['a/b', { config: 'en', settings: { offline: true } }],
  packExamples: () => [dataset, [0, 1]],
  packRagged: () => [BATCH],
  padBatch: () => [data.packRagged(BATCH), 8],
  splitSentences: () => [sentences, { train: 50, validation: 25, test: 25, seed: 1 }],
  generateCorpus: () => ['demo', { seed: 1, sizes: { train: 2, validation: 1, test: 1 } }],
  corpusStream: () => ['demo', { seed: 1 }],
  encodeDataset: () => [sentences, tokenizer, new data.LabelSet(['O', 'B-X']), { maxLength: 24 }],
  trainWordPiece: () => [['ann', 'bo'], { vocabSize: 20, lowercase: true }],
  aggregate: () => [
    {
      scores: new Float32Array(3),
      words: new Int32Array(1),
      starts: new Int32Array(1),
      ends: new Int32Array(1),
    },
    { labels: ['O', 'B-X', 'I-X'], strategy: 'simple', ignoreLabels: ['O'] },
  ],
  frozenPrefixLength: () => [plan],
  relativeCost: () => [plan],
  trainableShare: () => [plan],
  trainableTable: () => [classifier.parameters()],
  stackLayers: () => [masked, 5, { threads: 1 }],
  paperStrategies: () => [4],
  parseStrategyList: () => ['paper', 4],
  presetByName: () => ['demo'],
  runScenario: () => [{ workspace: null, strategy: 'full', seed: 1 }],
  openWorkspace: () => [
    { data: at('data.conll'), shape: 'layers=1,hidden=8,heads=2', vocabSize: 30, split: '50-25-25' },
  ],
  energyCounters: () => ['cpu'],
  cardCounters: () => ['cpu'],
  PermafrostError: () => ['INTERNAL', 'text', {}, {}],
  LabelSet: () => [['O', 'B-X']],
  PrefixCache: () => [{ memoryBytes: 1e6, precision: 'fp32', depths: [1] }],
  PrefixStore: () => [dataset, { hiddenSize: 16, depths: [1], memoryBytes: 1e6, fileBytes: 0 }],
  'TokenClassifier.load': () => [at('none'), { device: 'cpu', labels: ['O'] }],
  'TokenClassifier.create': () => [TINY, { seed: 1, threads: 1 }],
  'MaskedLanguageModel.create': () => [TINY, { seed: 1, threads: 1 }],
  'Tagger.of': () => [classifier, { aggregation: 'simple', maxLength: 24, overlap: 2, maxQueue: 5 }],
  'Tokenizer.load': () => [at('none'), { lowercase: true }],
  'Tokenizer.fromVocab': () => [['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'ann'], { lowercase: true }],
  freeze: () => [{ embeddings: true, layers: [true, false, false, false] }],
  readParameter: () => ['classifier.bias'],
  writeParameter: () => ['classifier.bias', new Float32Array(3)],
  loadWeights: () => [at('none')],
  logits: () => [BATCH, { signal: new AbortController().signal }],
  loss: () => [[BATCH], { signal: new AbortController().signal }],
  predict: () => [[BATCH], { signal: new AbortController().signal }],
  trainer: () => [{ learningRate: 1e-5, betas: [0.9, 0.99], schedule: 'linear', totalSteps: 5, seed: 1 }],
  step: () => [BATCH, { updateNow: true, signal: new AbortController().signal }],
  gradients: () => [BATCH],
  seek: () => [{ updates: 0, passes: 0 }],
  readMoments: () => ['classifier.bias'],
  tag: () => [
    'ann sings',
    { aggregation: 'simple', ignoreLabels: ['O'], signal: new AbortController().signal },
  ],
  encodeWords: () => [['ann'], { maxLength: 8 }],
  encodeText: () => ['ann'],
  wordPieces: () => ['ann'],
  save: () => [at('saved'), {}],
  storeFor: () => [{}, dataset, { hiddenSize: 16, precision: 'fp32' }, [1]],
};

/** Runs a call to its end: what it promises, what it yields, what its methods say. */
async function outcome(call: () => unknown): Promise<unknown> {
  let given: unknown;
  try {
    given = await within(call());
    if (isPlain(given) && given.result instanceof Promise) await within(given.result);
    const steps = iteratorOf(given);
    for (let n = 0; steps !== null && n < 3; n++) if ((await within(steps.next())).done) break;
    await within(steps?.return?.());
    return given;
  } catch (error) {
    return error;
  }
}

function iteratorOf(value: unknown): AsyncIterator<unknown> | null {
  if (typeof value !== 'object' || value === null || !(Symbol.asyncIterator in value)) return null;
  return (value as AsyncIterable<unknown>)[Symbol.asyncIterator]();
}

async function within<T>(work: T): Promise<Awaited<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('does not end')), 10_000);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer)) as Promise<Awaited<T>>;
}

/** What every attempt leads to but a value and a typed error. */
async function leaks(name: string, call: Call, arity: number): Promise<string[]> {
  const found: string[] = [];
  for (const { what, given } of attempts(
    name,
    SAMPLES[name] ?? SAMPLES[name.replace(/^.*\./, '')] ?? (() => []),
    arity,
  )) {
    const result = await outcome(() => call(...given));
    if (result instanceof Error && !(result instanceof PermafrostError))
      found.push(`${what}: ${result.stack}`);
    if (typeof result === 'object' && result !== null && 'dispose' in result) {
      await (result as { dispose(): Promise<void> }).dispose();
    }
  }
  return found;
}

const isClass = (value: object) => Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false;

describe('given what it cannot take', () => {
  it.each(FUNCTIONS.filter(([, value]) => !isClass(value)))(
    '%s throws typed errors alone',
    async (name, call) => {
      expect(await leaks(name, call, call.length)).toEqual([]);
    },
  );

  it.each(FUNCTIONS.filter(([, value]) => isClass(value)))(
    '%s and its static methods throw typed errors alone',
    async (name, type) => {
      const construct = (...given: unknown[]) => Reflect.construct(type, given);
      expect(await leaks(name, construct, type.length)).toEqual([]);
      for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type))) {
        if (typeof value !== 'function') continue;
        expect(await leaks(`${name}.${key}`, value.bind(type), value.length)).toEqual([]);
      }
    },
  );

  const INSTANCES: [name: string, make: () => object | Promise<object>][] = [
    ['TokenClassifier', () => classifier],
    ['MaskedLanguageModel', () => masked],
    ['Trainer', () => classifier.trainer()],
    ['Tagger', () => tagger],
    ['Tokenizer', () => tokenizer],
    ['LabelSet', () => new data.LabelSet(['O'])],
    ['PrefixCache', () => new main.PrefixCache({ memoryBytes: 1e6 })],
    [
      'PrefixStore',
      () => new training.PrefixStore(dataset, { hiddenSize: 16, depths: [1], memoryBytes: 1e6 }),
    ],
    ['a strategy', () => main.bottomUp(1)],
    ['a schedule', () => main.parseFreezing('bottom-up:1')],
  ];
  it.each(INSTANCES)('each method of %s throws typed errors alone', async (_, make) => {
    const instance = await make();
    for (const key of methodsOf(instance)) {
      // A model that is disposed of answers nothing more.
      if (key === 'dispose' || key === Symbol.asyncDispose) continue;
      const call: Call = (...given) => (instance as Record<PropertyKey, Call>)[key]!(...given);
      expect(await leaks(String(key), call, (instance as Record<PropertyKey, Call>)[key]!.length)).toEqual(
        [],
      );
    }
  });
});

function methodsOf(instance: object): Set<PropertyKey> {
  const keys = new Set<PropertyKey>();
  for (
    let holder = instance;
    holder !== Object.prototype && holder !== null;
    holder = Object.getPrototypeOf(holder)
  ) {
    for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (typeof value === 'function' && key !== 'constructor') keys.add(key);
    }
  }
  return keys;
}
