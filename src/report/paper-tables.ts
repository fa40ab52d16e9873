/** The datasets that the paper trains on. */
export type PaperDataset = 'conll2003' | 'kaznerd';

export type PaperStrategy = 'bottom-up' | 'top-down';

/** One row of the paper's tables: means of three runs. */
export interface PaperRow {
  /** Number of frozen encoder layers, of 12. */
  frozen: number;
  /** Training time until early stopping. */
  seconds: number;
  accuracy: number;
  /** Macro F1 over labels, most likely with O. */
  macroF1: number;
  weightedF1: number;
}

export interface PaperTable {
  /** Number of the table in the paper. */
  table: number;
  dataset: PaperDataset;
  strategy: PaperStrategy;
  rows: readonly PaperRow[];
}

/**
 * What the paper reports. Its training losses are left out: they are the same five numbers in all four tables and so
 * cannot be four measurements.
 */
export const PAPER = {
  source:
    'Kairatuly & Shomanov, "Balancing speed and performance with layer freezing strategies for transformer models", ' +
    'DOI 10.37943/220XKY5402',
  model: 'bert-base-uncased',
  numLayers: 12,
  hardware: 'one NVIDIA A100 40 GB',
  repeats: 3,
  tables: [
    table(1, 'conll2003', 'bottom-up', [
      [0, 266.24, 0.97, 0.87, 0.97],
      [3, 198.1, 0.97, 0.87, 0.97],
      [6, 167.24, 0.97, 0.87, 0.97],
      [9, 139.09, 0.97, 0.86, 0.97],
      [12, 108.82, 0.91, 0.5, 0.9],
    ]),
    table(2, 'conll2003', 'top-down', [
      [0, 212.91, 0.97, 0.85, 0.97],
      [3, 200.1, 0.97, 0.85, 0.97],
      [6, 170.27, 0.97, 0.85, 0.97],
      [9, 141.9, 0.97, 0.86, 0.97],
      [12, 108.21, 0.91, 0.5, 0.9],
    ]),
    table(3, 'kaznerd', 'top-down', [
      [0, 1404.85, 0.96, 0.72, 0.95],
      [3, 1274.96, 0.95, 0.71, 0.95],
      [6, 1150.65, 0.95, 0.69, 0.95],
      [9, 1044.55, 0.94, 0.57, 0.94],
      [12, 648.19, 0.82, 0.07, 0.75],
    ]),
    table(4, 'kaznerd', 'bottom-up', [
      [0, 1609.23, 0.95, 0.72, 0.95],
      [3, 1146.17, 0.95, 0.72, 0.94],
      [6, 958.48, 0.94, 0.71, 0.94],
      [9, 778.56, 0.93, 0.65, 0.93],
      [12, 605.17, 0.79, 0.07, 0.71],
    ]),
  ] as readonly PaperTable[],
} as const;

const DATASET_TITLES: Readonly<Record<PaperDataset, string>> = {
  conll2003: 'CoNLL-2003',
  kaznerd: 'KazNERD',
};

/** The dataset's name as it is written in prose. */
export function paperDatasetTitle(dataset: PaperDataset): string {
  return DATASET_TITLES[dataset];
}

/** The paper's dataset that one of ours is set beside: KazNERD for Kazakh ones, else CoNLL-2003. */
export function closestPaperDataset(name: string): PaperDataset {
  return /kaz|(^|[-_.])kk([-_.]|$)/i.test(name) ? 'kaznerd' : 'conll2003';
}

/** The paper's row with the share of frozen layers that `k` of `numLayers` is; null where the paper has none. */
export function paperRow(
  dataset: PaperDataset,
  strategy: string,
  k: number | null,
  numLayers: number,
): PaperRow | null {
  if (k === null) return null;
  const frozen = (k * PAPER.numLayers) / numLayers;
  const found = PAPER.tables.find(
    (candidate) => candidate.dataset === dataset && candidate.strategy === strategy,
  );
  return found?.rows.find((row) => row.frozen === frozen) ?? null;
}

/** How many times faster than the same table's k = 0 the paper's row was, until its stop; null without such a row. */
export function paperSpeedup(
  dataset: PaperDataset,
  strategy: string,
  k: number | null,
  numLayers: number,
): number | null {
  const row = paperRow(dataset, strategy, k, numLayers);
  const baseline = paperRow(dataset, strategy, 0, numLayers);
  return row === null || baseline === null ? null : baseline.seconds / row.seconds;
}

type Columns = [frozen: number, seconds: number, accuracy: number, macroF1: number, weightedF1: number];

function table(number: number, dataset: PaperDataset, strategy: PaperStrategy, rows: Columns[]): PaperTable {
  return {
    table: number,
    dataset,
    strategy,
    rows: rows.map(([frozen, seconds, accuracy, macroF1, weightedF1]) => ({
      frozen,
      seconds,
      accuracy,
      macroF1,
      weightedF1,
    })),
  };
}
