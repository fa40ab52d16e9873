import type { Metrics } from '../evaluation/metrics.js';

export type WatchedMetric = 'macroF1' | 'weightedF1' | 'accuracy' | 'entityF1';

/** Remembers the best epoch by a validation score, and says when to stop waiting for a better one. */
export class EarlyStopping {
  bestEpoch = 0;
  bestScore = Number.NEGATIVE_INFINITY;
  readonly #metric: WatchedMetric;
  readonly #patience: number;

  /** Without a patience all epochs are trained. */
  constructor(options: { metric: WatchedMetric; patience: number | null }) {
    this.#metric = options.metric;
    this.#patience = options.patience ?? Number.POSITIVE_INFINITY;
  }

  /** Takes in an epoch's metrics; true where they are the best so far. */
  update(epoch: number, metrics: Metrics): boolean {
    const score = scoreOf(metrics, this.#metric);
    if (score <= this.bestScore) return false;
    this.bestScore = score;
    this.bestEpoch = epoch;
    return true;
  }

  /** Whether the tolerated number of epochs has passed without a better one. */
  shouldStop(epoch: number): boolean {
    return epoch - this.bestEpoch >= this.#patience;
  }
}

function scoreOf(metrics: Metrics, metric: WatchedMetric): number {
  switch (metric) {
    case 'macroF1':
      return metrics.macro.f1;
    case 'weightedF1':
      return metrics.weighted.f1;
    case 'accuracy':
      return metrics.accuracy;
    case 'entityF1':
      return metrics.entities.micro.f1;
  }
}
