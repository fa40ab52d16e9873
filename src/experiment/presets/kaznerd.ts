import { PAPER_TRAINING } from '../training-settings.js';
import type { Preset } from './preset.js';

/** KazNERD (Kazakh, 25 types) with the paper's settings. */
export const kaznerd: Preset = {
  name: 'kaznerd',
  summary: "KazNERD, bert-base-uncased, the paper's settings; files and model must be given",
  dataset: {
    source: 'given',
    title: 'KazNERD (IOB2_train.txt, IOB2_valid.txt, IOB2_test.txt)',
    home: 'https://github.com/IS2AI/KazNERD',
  },
  model: { kind: 'given', name: 'bert-base-uncased' },
  training: PAPER_TRAINING,
};
