import { relativeCost } from '../../freezing/relative-cost.js';
import type { RunRecord } from '../run-record.js';

/**
 * What a run's steps cost by arithmetic, in steps of a model of which nothing but the embeddings is frozen.
 *
 * Every plan that it had counts for its steps, without its frozen prefix where the prefix's outputs were kept. Unlike
 * seconds it is the same on every machine and at every load.
 */
export function trainingCost({ stages, plan, steps, prefixStore }: RunRecord): number {
  const parts = stages.length > 0 ? stages : [{ step: 0, plan }];
  return parts.reduce((sum, stage, index) => {
    const { embeddings, layers, parts: partial } = stage.plan;
    const bound = relativeCost({ embeddings, layers, ...(partial && { parts: partial }) });
    const stepsOfStage = (parts[index + 1]?.step ?? steps) - stage.step;
    return sum + stepsOfStage / (prefixStore === null ? bound.speedup : bound.speedupWithPrefixKept);
  }, 0);
}
