import { pick } from '../errors/option-shape.js';
import type { RunRecord } from './run-record.js';
import { portionShape } from './scenario.js';

/**
 * The options that a run was made with, flat as `openWorkspace` takes them, beside `freeze`, `seed` and what the run took
 * of the data and the steps. With them a training repeats the run; the device alone is not theirs, since another machine
 * may have another one.
 */
export function optionsOfRecord(record: RunRecord): Record<string, unknown> {
  const { scenario, seed, threads, energy } = record;
  const { optimizer, loss, earlyStopping, ...training } = scenario.training;
  return {
    ...sourcesOf(record),
    ...training,
    ...optimizer,
    ...loss,
    ...(earlyStopping === false ? { earlyStopping } : earlyStopping),
    threads,
    ...(energy?.carbonIntensity != null && { carbonIntensity: energy.carbonIntensity }),
    freeze: scenario.strategy,
    seed,
    ...pick(portionShape, scenario),
  };
}

/** Where data and model were; what a record does not say, as an earlier program's, is as far as it can be told. */
function sourcesOf({ sources, scenario: { dataset, model } }: RunRecord): Record<string, unknown> {
  if (sources !== undefined) return sources;
  const data =
    dataset.source === 'generated'
      ? { preset: dataset.name }
      : dataset.source === 'hub'
        ? {
            dataset: `${dataset.repo}@${dataset.commit}`,
            ...(dataset.config !== '' && { datasetConfig: dataset.config }),
          }
        : {};
  return { ...data, ...(model.kind === 'fresh' && { shape: model.name }) };
}

/** Whether all that a run was made of can be found by its record; the files of an earlier program's cannot. */
export function knowsItsSources({ sources, scenario: { dataset, model } }: RunRecord): boolean {
  const isFound = dataset.source === 'generated' || (dataset.source === 'hub' && model.kind === 'fresh');
  return sources !== undefined || isFound;
}
