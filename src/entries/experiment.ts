// permafrost/experiment: the paper's grid, its records and its report.
export { type ComparedScenario, compareRuns, type RunComparison } from '../experiment/compare-runs.js';
export { type Comparison, compareWithBaseline } from '../experiment/comparisons.js';
export { type ErrorExamples, ExampleCollector } from '../experiment/error-examples.js';
export { type ErrorStudy, studyErrors } from '../experiment/error-studies.js';
export { type FoundRun, findRuns } from '../experiment/found-runs.js';
export { type GradientStudy, measureGradients } from '../experiment/gradient-study.js';
export { paperStrategies, parseStrategyList } from '../experiment/grid.js';
export type { GridEvent } from '../experiment/grid-events.js';
export { PRESETS, presetByName } from '../experiment/presets/by-name.js';
export type { Preset } from '../experiment/presets/preset.js';
export { type RunScenarioOptions, runScenario } from '../experiment/run.js';
export { type RunGridOptions, runGrid } from '../experiment/run-grid.js';
export { type RunRecord, readRunRecord } from '../experiment/run-record.js';
export { type Portion, type Scenario, scenarioOf } from '../experiment/scenario.js';
export {
  type RankedPlan,
  type SearchEvent,
  type SearchOptions,
  type SearchResult,
  search,
} from '../experiment/search/search.js';
export { measureSimilarity, type SimilarityStudy } from '../experiment/similarity-study.js';
export type { TrainingSettings } from '../experiment/training-settings.js';
export { openWorkspace, type Workspace } from '../experiment/workspace.js';
export type { WorkspaceOptions } from '../experiment/workspace-options.js';
export { type ModelCardFacts, modelCard, recordCardFacts } from '../report/model-card.js';
export { type GridSummary, summarise } from '../report/summary.js';
export { writeReport, writeSearchReport } from '../report/write-report.js';
