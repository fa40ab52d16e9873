import { SHAPES } from '../shape.js';
import { FRESH_TRAINING } from '../training-settings.js';
import type { FreshModel, Preset } from './preset.js';

// Without dropout: a fresh model sees these few sentences too seldom to overfit.
const shape = { ...SHAPES.mini!, dropout: 0 };
const model: FreshModel = { kind: 'fresh', name: 'mini', shape, vocabSize: 2000 };

/** English-like sentences with the four CoNLL types; needs no network and no files. */
export const demo: Preset = {
  name: 'demo',
  summary: 'generated English-like text, 4 entity types, a fresh 12-layer model of hidden size 128',
  dataset: {
    source: 'generated',
    corpus: 'demo',
    seed: 1,
    sizes: { train: 1200, validation: 300, test: 300 },
  },
  model,
  training: { ...FRESH_TRAINING, epochs: 4, batchSize: 8, maxLength: 64, frozenDropout: 'auto' },
};

/** Kazakh-like sentences (Cyrillic, agglutinative) with the 25 KazNERD types; needs no network and no files. */
export const demoKk: Preset = {
  name: 'demo-kk',
  summary: 'generated Kazakh-like text, 25 entity types, a fresh 12-layer model of hidden size 128',
  dataset: {
    source: 'generated',
    corpus: 'demo-kk',
    seed: 1,
    sizes: { train: 1200, validation: 300, test: 300 },
  },
  model,
  training: { ...FRESH_TRAINING, epochs: 4, batchSize: 8, maxLength: 64, frozenDropout: 'auto' },
};
