import { fileURLToPath } from 'node:url';
import { PAPER_TRAINING, type TrainingSettings } from '../training-settings.js';
import type { BundledModel, Preset } from './preset.js';

/** What scripts/pretrain-demo.mjs made; two folders up from `src` as from `dist`. */
const bundled = (name: string): BundledModel => ({
  kind: 'bundled',
  name,
  directory: fileURLToPath(new URL(`../../../checkpoints/${name}`, import.meta.url)),
});

/** A narrow model takes larger steps than bert-base, and few sentences want small batches. */
const training: TrainingSettings = {
  ...PAPER_TRAINING,
  epochs: 3,
  batchSize: 8,
  maxLength: 64,
  optimizer: { ...PAPER_TRAINING.optimizer, learningRate: 5e-4, warmupRatio: 0.1 },
  frozenDropout: 'auto',
};

/** English-like sentences with the four CoNLL types; needs no network and no files. */
export const demo: Preset = {
  name: 'demo',
  summary:
    'generated English-like text, 4 entity types, a 12-layer model of hidden size 128 pretrained on more of it',
  dataset: {
    source: 'generated',
    corpus: 'demo',
    seed: 1,
    sizes: { train: 1200, validation: 300, test: 300 },
  },
  model: bundled('demo'),
  training,
};

/** Kazakh-like sentences (Cyrillic, agglutinative) with the 25 KazNERD types; needs no network and no files. */
export const demoKk: Preset = {
  name: 'demo-kk',
  summary:
    'generated Kazakh-like text, 25 entity types, a 12-layer model of hidden size 128 pretrained on more of it',
  dataset: {
    source: 'generated',
    corpus: 'demo-kk',
    seed: 1,
    sizes: { train: 1200, validation: 300, test: 300 },
  },
  model: bundled('demo-kk'),
  training,
};
