// permafrost/metrics: scores of tags, whoever predicted them.

export { type BootstrapDifference, pairedBootstrap } from '../evaluation/bootstrap.js';
export { compareSentences, type SentenceComparison } from '../evaluation/compare-sentences.js';
export {
  type ErrorKind,
  type ErrorKindCounts,
  type PairedEntity,
  pairEntities,
} from '../evaluation/entity-errors.js';
export { type EntityReport, entityReport } from '../evaluation/entity-metrics.js';
export {
  analyseErrors,
  type ErrorAnalysis,
  type ErrorAnalysisOptions,
} from '../evaluation/error-analysis.js';
export type { UnknownGold } from '../evaluation/evaluation-sum.js';
export { computeMetrics, type Metrics } from '../evaluation/metrics.js';
export {
  type JudgedEntity,
  type Prediction,
  predictionStream,
  readPredictions,
  type ToldSpan,
} from '../evaluation/predictions.js';
export { countSentences, type SentenceCounts } from '../evaluation/sentence-counts.js';
export { holm, type PairedDifference, pairedDifference } from '../evaluation/statistics.js';
export { macroAtLeast, type TokenReport, tokenReport } from '../evaluation/token-metrics.js';
export type { EvaluationCounts } from '../evaluation/word-tags.js';
