// The main job: models, freezing, training, evaluation, tagging. What else there is stands in permafrost/data, /metrics,
// /training, /tagging, /experiment and /publish.
export type { EncoderConfig } from './contract/encoder-config.js';
export type { FreezePlan } from './contract/freeze-plan.js';
export type { PackedBatch, RaggedBatch } from './contract/packed-batch.js';
export type { LoadReport, Logits, ParameterInfo, StepResult } from './contract/results.js';
export { labelSet } from './data/label-set.js';
export { readConll } from './data/read-conll.js';
export { readSentences } from './data/read-sentences.js';
export type { Sentence } from './data/sentence.js';
export { ERROR_CODES, type ErrorCode, PermafrostError } from './errors/error.js';
export { entityReport } from './evaluation/entity-metrics.js';
export { type EvaluateOptions, type Evaluation, evaluate } from './evaluation/evaluate.js';
export type { Metrics } from './evaluation/metrics.js';
export { tokenReport } from './evaluation/token-metrics.js';
export { autoFreeze } from './freezing/auto-freeze.js';
export { gradual } from './freezing/gradual.js';
export { parseStrategy } from './freezing/notation.js';
export { plateau } from './freezing/plateau.js';
export type { Decision, FreezeSchedule, Freezing, Observation } from './freezing/schedule.js';
export { parseFreezing } from './freezing/schedule-notation.js';
export { bottomUp, full, interleaved, only, type Strategy, topDown } from './freezing/strategy.js';
export type { Entity } from './inference/entity.js';
export type { TaggerLoadOptions, TaggerOptions } from './inference/options.js';
export { Tagger } from './inference/tagger.js';
export { downloadModel } from './model/hub-model.js';
export { MaskedLanguageModel } from './model/masked-language-model.js';
export type { SaveOptions } from './model/model-directory.js';
export type { CreateOptions, DeviceOptions, LoadOptions, TrainerOptions } from './model/options.js';
export { TokenClassifier } from './model/token-classifier.js';
export type { Trainer } from './model/trainer.js';
export { Tokenizer } from './text/tokenizer.js';
export {
  type EarlyStoppingOptions,
  type FinetuneOptions,
  type FinetuneResult,
  type FinetuneRun,
  finetune,
  type TrainingEvent,
} from './training/finetune.js';
export { PrefixCache } from './training/prefix-cache.js';
export {
  type PretrainEvent,
  type PretrainOptions,
  type PretrainResult,
  type PretrainRun,
  pretrain,
} from './training/pretrain.js';
export type { OptimizerOptions } from './training/settings.js';
