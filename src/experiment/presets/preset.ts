import type { TrainingSettings } from '../training-settings.js';

/** A corpus that the project generates itself. */
export interface GeneratedDataset {
  source: 'generated';
  /** Name of the generator. */
  corpus: 'demo' | 'demo-kk';
  seed: number;
  /** Sentences of each split. */
  sizes: { train: number; validation: number; test: number };
}

/** A published corpus whose files the user brings. */
export interface GivenDataset {
  source: 'given';
  /** What the files are, for the message that asks for them. */
  title: string;
  /** Where they are published. */
  home: string;
}

/** A checkpoint that the package brings with it. */
export interface BundledModel {
  kind: 'bundled';
  name: string;
  directory: string;
}

/** A published checkpoint whose directory the user brings. */
export interface GivenModel {
  kind: 'given';
  name: string;
}

/** A named grid: data, model and settings. */
export interface Preset {
  name: string;
  summary: string;
  dataset: GeneratedDataset | GivenDataset;
  model: BundledModel | GivenModel;
  training: TrainingSettings;
}
