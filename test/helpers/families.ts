import type { EncoderConfigInput } from '../../src/entries/training.js';

const roberta = (modelType: string) => ({ modelType, typeVocabSize: 1, layerNormEps: 1e-5, padTokenId: 1 });

/** What makes a small BERT one of another family, by model type. */
export const FAMILIES: Readonly<Record<string, Partial<EncoderConfigInput>>> = {
  bert: {},
  roberta: roberta('roberta'),
  'xlm-roberta': roberta('xlm-roberta'),
  camembert: roberta('camembert'),
  distilbert: { modelType: 'distilbert' },
  electra: { modelType: 'electra', embeddingSize: 8 },
  'deberta-v2': {
    modelType: 'deberta-v2',
    relativePositions: {
      buckets: 8,
      maxDistance: 64,
      contentToPosition: true,
      positionToContent: true,
      layerNorm: true,
    },
  },
};

/** First part of the names of a family's encoder tensors. */
export const PREFIXES: Readonly<Record<string, string>> = {
  bert: 'bert.',
  roberta: 'roberta.',
  'xlm-roberta': 'roberta.',
  camembert: 'roberta.',
  distilbert: 'distilbert.',
  electra: 'electra.',
  'deberta-v2': 'deberta.',
};

/** Folders of the fixture of architectures, one for each family. */
export const ARCHITECTURES = [
  'bert-gelu-new',
  'roberta',
  'xlm-roberta',
  'camembert',
  'distilbert',
  'electra',
  'deberta-v2',
];
