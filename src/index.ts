export { packExamples, packRagged } from './batching/pack.js';
export { padBatch } from './batching/pad.js';
export type { EncodedDataset, EncodedSplits } from './contract/encoded-dataset.js';
export type { EncoderConfig } from './contract/encoder-config.js';
export type { FreezePlan, LayerPart } from './contract/freeze-plan.js';
export { IGNORED_LABEL, type PackedBatch, type RaggedBatch } from './contract/packed-batch.js';
export type { LoadReport, Logits, ParameterInfo, StepResult } from './contract/results.js';
export { type DatasetOptions, downloadDataset, type HubDataset } from './data/hub/download-dataset.js';
export { KNOWN_DATASETS, type KnownDataset } from './data/hub/known-datasets.js';
export { LabelSet, labelSet } from './data/label-set.js';
export { readConll } from './data/read-conll.js';
export { readSentences } from './data/read-sentences.js';
export type { Sentence } from './data/sentence.js';
export { splitSentences } from './data/split.js';
export { type CorpusName, corpusStream, generateCorpus } from './data/synthetic/generate.js';
export type { EnergyCounter, EnergyPart } from './energy/counter.js';
export { energyCounters } from './energy/energy-counters.js';
export type { EnergyUse } from './energy/energy-use.js';
export { cardCounters } from './energy/nvml.js';
export { raplCounters } from './energy/rapl.js';
export { ERROR_CODES, type ErrorCode, PermafrostError } from './errors/error.js';
export { entityReport } from './evaluation/entity-metrics.js';
export { type EvaluateOptions, type Evaluation, evaluate } from './evaluation/evaluate.js';
export { computeMetrics, type Metrics } from './evaluation/metrics.js';
export { macroAtLeast, tokenReport } from './evaluation/token-metrics.js';
export { frozenPrefixLength } from './freezing/frozen-prefix.js';
export { parseStrategy } from './freezing/notation.js';
export { relativeCost, trainableShare } from './freezing/relative-cost.js';
export {
  type Decision,
  type FreezeSchedule,
  type Freezing,
  type Observation,
  parseFreezing,
} from './freezing/schedule.js';
export { bottomUp, full, interleaved, only, type Strategy, topDown } from './freezing/strategy.js';
export { trainableTable } from './freezing/trainable-table.js';
export type { HubOptions, HubProgress } from './hub/snapshot.js';
export { type AggregateOptions, aggregate } from './inference/aggregate.js';
export {
  AGGREGATION_STRATEGIES,
  type AggregationStrategy,
  type Entity,
  type ScoredTokens,
} from './inference/entity.js';
export { huggingFaceOverlaps, huggingFaceWords } from './inference/hugging-face-rules.js';
export type { TaggerLoadOptions, TaggerOptions, TaggingRules, TagOptions } from './inference/options.js';
export { type Taggable, Tagger, type TaggerStats } from './inference/tagger.js';
export type { EncoderConfigInput, HuggingFaceConfig } from './model/config.js';
export { downloadModel, type HubModel } from './model/hub-model.js';
export { MaskedLanguageModel } from './model/masked-language-model.js';
export type { SaveOptions } from './model/model-directory.js';
export type { CreateOptions, DeviceOptions, LoadOptions, TrainerOptions } from './model/options.js';
export { PrefixStore, type PrefixStoreOptions, type StorePrecision } from './model/prefix-store.js';
export { stackLayers } from './model/stack-layers.js';
export { TokenClassifier } from './model/token-classifier.js';
export type { Trainer } from './model/trainer.js';
export { type ModelCardFacts, modelCard } from './report/model-card.js';
export { encodeDataset } from './text/encode.js';
export { Tokenizer, trainWordPiece } from './text/tokenizer.js';
export type {
  CheckpointEvent,
  DoneEvent,
  EpochEvent,
  EpochSummary,
  EvaluationEvent,
  EvaluationSummary,
  FreezeEvent,
  PhaseSeconds,
  ResumeEvent,
  Stage,
  StepEvent,
  TrainingResult,
} from './training/events.js';
export {
  type EarlyStoppingOptions,
  type FinetuneOptions,
  type FinetuneResult,
  type FinetuneRun,
  finetune,
  type TrainingEvent,
} from './training/finetune.js';
export type { MaskingScores } from './training/masking-task.js';
export { PrefixCache, type PrefixCacheOptions } from './training/prefix-cache.js';
export {
  type PretrainEvent,
  type PretrainOptions,
  type PretrainResult,
  type PretrainRun,
  pretrain,
} from './training/pretrain.js';
export type { EnergyOptions, OptimizerOptions } from './training/settings.js';
