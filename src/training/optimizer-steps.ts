import { IGNORED_LABEL, type PackedBatch } from '../contract/packed-batch.js';
import type { PrefixStore } from '../model/prefix-store.js';
import type { Trainer } from '../model/trainer.js';
import type { StepEvent } from './events.js';

/** What one optimizer step came to, over all of its batches. */
export type OptimizerStep = Pick<StepEvent, 'loss' | 'gradNorm' | 'learningRate' | 'tokens'>;

/**
 * Trains on batches, one item an optimizer step; the last batches make a step even where they are fewer than the
 * trainer accumulates. The next batch is packed while the engine computes. Between items the engine is at rest.
 */
export async function* optimizerSteps(
  trainer: Trainer,
  batches: Iterable<PackedBatch>,
  options: { store?: PrefixStore; signal?: AbortSignal },
): AsyncGenerator<OptimizerStep> {
  const source = batches[Symbol.iterator]();
  let lossSum = 0;
  let labelled = 0;
  let tokens = 0;
  let current = source.next();
  let upcoming = current.done ? current : source.next();
  while (!current.done) {
    // The engine has its copy of the batch when the call returns, and computes while another is packed.
    const running = trainer.step(current.value, { ...options, updateNow: upcoming.done === true });
    const batchLabelled = countLabelled(current.value);
    current = upcoming;
    if (!upcoming.done) upcoming = source.next();
    const result = await running;
    lossSum += result.loss * batchLabelled;
    labelled += batchLabelled;
    tokens += result.tokens;
    if (!result.updated || result.gradNorm === null) continue;
    // A step of one batch passes its loss on to the bit.
    const loss = labelled === batchLabelled ? result.loss : lossSum / labelled;
    yield { loss, gradNorm: result.gradNorm, learningRate: result.learningRate, tokens };
    lossSum = 0;
    labelled = 0;
    tokens = 0;
  }
}

function countLabelled({ labels }: PackedBatch): number {
  return labels?.reduce((count, label) => count + Number(label !== IGNORED_LABEL), 0) ?? 0;
}
