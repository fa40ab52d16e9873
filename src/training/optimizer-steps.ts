import { countLabelled } from '../batching/count-labelled.js';
import type { PackedBatch } from '../contract/packed-batch.js';
import type { StepResult } from '../contract/results.js';
import type { PrefixStore } from '../model/prefix-store.js';
import type { Trainer } from '../model/trainer.js';
import type { StepEvent } from './events.js';

/** What one optimizer step came to, over all of its batches. */
export type OptimizerStep = Pick<StepEvent, 'loss' | 'gradNorm' | 'learningRate' | 'tokens'>;

/**
 * Trains on batches, one item an optimizer step; the last batches make a step even where they are fewer than the
 * trainer accumulates. The next batch is packed while the engine computes. Between items the engine is at rest, but for
 * the steps that a trainer on a card has in flight; behind the last item it is at rest in any case.
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
  const running: { step: Promise<StepResult>; labelled: number }[] = [];
  while (!current.done || running.length > 0) {
    if (!current.done) {
      // The engine has its copy of the batch when the call returns, and computes while another is packed.
      const step = trainer.step(current.value, { ...options, updateNow: upcoming.done === true });
      // Those behind a step that fails are not waited for.
      step.catch(() => {});
      running.push({ step, labelled: countLabelled(current.value) });
      current = upcoming;
      if (!upcoming.done) upcoming = source.next();
      if (running.length < trainer.stepsInFlight && !current.done) continue;
    }
    const { step, labelled: batchLabelled } = running.shift()!;
    const result = await step;
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
