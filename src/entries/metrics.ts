// permafrost/metrics: scores of tags, whoever predicted them.
export { type EntityReport, entityReport } from '../evaluation/entity-metrics.js';
export { computeMetrics, type Metrics } from '../evaluation/metrics.js';
export { type Prediction, readPredictions } from '../evaluation/predictions.js';
export { macroAtLeast, type TokenReport, tokenReport } from '../evaluation/token-metrics.js';
export type { EvaluationCounts } from '../evaluation/word-tags.js';
