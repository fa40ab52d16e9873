// permafrost/training: events and figures of a training one by one, kept prefixes, energy, arithmetic of freezing.
export type { LayerPart } from '../contract/freeze-plan.js';
export { placeOf } from '../distributed/environment.js';
export { Group, type GroupOptions, type Member } from '../distributed/group.js';
export type { Place } from '../distributed/place.js';
export type { EnergyCounter, EnergyPart } from '../energy/counter.js';
export { energyCounters } from '../energy/energy-counters.js';
export type { EnergyUse } from '../energy/energy-use.js';
export { cardCounters } from '../energy/nvml.js';
export { raplCounters } from '../energy/rapl.js';
export type { AutoFreezeOptions } from '../freezing/auto-freeze.js';
export { frozenPrefixLength } from '../freezing/frozen-prefix.js';
export type { GradualOptions } from '../freezing/gradual.js';
export type { PlateauOptions } from '../freezing/plateau.js';
export { relativeCost, trainableShare } from '../freezing/relative-cost.js';
export { trainableTable } from '../freezing/trainable-table.js';
export type { EncoderConfigInput, HuggingFaceConfig } from '../model/config.js';
export type { LossOptions } from '../model/loss-options.js';
export type { RateSchedule, StageOptions } from '../model/options.js';
export { PrefixStore, type PrefixStoreOptions, type StorePrecision } from '../model/prefix-store.js';
export { RepresentationSimilarity } from '../model/similarity.js';
export { stackLayers } from '../model/stack-layers.js';
export type { ChainScores } from '../model/token-classifier.js';
export type { TrainedWith } from '../model/trained-with.js';
export type { EventRun } from '../training/event-run.js';
export type {
  CheckpointEvent,
  DoneEvent,
  EpochEvent,
  EpochSummary,
  EvaluatedSplit,
  EvaluationEvent,
  EvaluationSummary,
  FreezeEvent,
  PhaseSeconds,
  PrefixStoreSummary,
  ProgressEvent,
  RanksSummary,
  ResumeEvent,
  Stage,
  StageSummary,
  StepEvent,
  TrainingMemory,
  TrainingResult,
} from '../training/events.js';
export { readMetrics } from '../training/log/metrics-file.js';
export type { MetricsLine } from '../training/log/metrics-line.js';
export type { MaskingScores, Text } from '../training/masking-task.js';
export type { PrefixCacheOptions } from '../training/prefix-cache.js';
export type { EnergyOptions } from '../training/settings.js';
export type { TaggingLossOptions } from '../training/tagging-loss.js';
