import { PAPER_TRAINING } from '../training-settings.js';
import type { Preset } from './preset.js';

/** CoNLL-2003 English with the paper's settings. */
export const conll2003: Preset = {
  name: 'conll2003',
  summary: "CoNLL-2003 English, bert-base-uncased, the paper's settings; files and model must be given",
  dataset: {
    source: 'given',
    title: 'CoNLL-2003 English (eng.train, eng.testa, eng.testb)',
    home: 'https://www.clips.uantwerpen.be/conll2003/ner/',
  },
  model: { kind: 'given', name: 'bert-base-uncased' },
  training: PAPER_TRAINING,
};
