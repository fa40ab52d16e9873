import { tokenBudgetBatches } from '../batching/batches.js';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { parseStrategy } from '../freezing/notation.js';
import { Random } from '../io/random.js';
import { RepresentationSimilarity } from '../model/similarity.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import type { Workspace } from './workspace.js';

/** How alike an output is before and after training. */
export interface OutputSimilarity {
  /** `embeddings`, `layer 0`, …: whose output it is. */
  part: string;
  /** Whether the scenario froze it. */
  frozen: boolean;
  /** Linear CKA, from 0 to 1; null where an output is the same for all tokens. */
  cka: number | null;
}

/** How far training went, by layer. */
export interface SimilarityStudy {
  strategy: string;
  /** First sub-tokens of words that were compared. */
  tokens: number;
  outputs: OutputSimilarity[];
}

export interface MeasureSimilarityOptions {
  workspace: Workspace;
  /** At the weights that training started from. */
  before: TokenClassifier;
  /** At the best weights. */
  after: TokenClassifier;
  strategy: string;
  /** Words of the validation data that are compared, at most. */
  tokens: number;
  signal?: AbortSignal | undefined;
}

/** Tokens that are computed at once: their outputs of all layers are in memory. */
const TOKENS_AT_ONCE = 512;

/**
 * Compares what every layer makes of the validation data before and after training, by linear centred kernel alignment
 * (Kornblith et al. 2019): 1 where a representation has changed by rotation and scale at most, near 0 where nothing of it
 * is left. The tokens pass by in parts; covariances of the outputs are all that is kept.
 *
 * @throws `signal.reason` on abort
 */
export async function measureSimilarity(options: MeasureSimilarityOptions): Promise<SimilarityStudy> {
  const { workspace, before, after, strategy, tokens, signal } = options;
  const { validation } = await workspace.portion({}).encoded();
  const similarity = new RepresentationSimilarity(before, after);
  for (const { batch } of tokenBudgetBatches(validation, someExamples(validation, tokens), TOKENS_AT_ONCE))
    await similarity.add(batch, signal ? { signal } : {});
  const { numLayers } = after.config;
  const { embeddings, layers } = parseStrategy(strategy).plan(numLayers);
  return {
    strategy,
    tokens: similarity.tokens,
    outputs: similarity.values().map((value, output) => ({
      part: output === 0 ? 'embeddings' : `layer ${output - 1}`,
      frozen: output === 0 ? embeddings : layers[output - 1]!,
      cka: Number.isNaN(value) ? null : value,
    })),
  };
}

/** Examples by chance, the same in every call, until they have so many labelled tokens. */
function someExamples({ size, offsets, labels }: EncodedDataset, tokens: number): Int32Array {
  const order = new Random(0, 'similarity').shuffle(
    Int32Array.from({ length: size }, (_, example) => example),
  );
  let [taken, count] = [0, 0];
  while (taken < size && count < tokens) {
    const example = order[taken++]!;
    for (let token = offsets[example]!; token < offsets[example + 1]!; token++)
      if (labels[token]! >= 0) count++;
  }
  return order.subarray(0, taken);
}
