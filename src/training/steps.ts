import type { BatchShards, PackedBatch } from '../contract/packed-batch.js';
import type { StepResult } from '../contract/results.js';
import type { PrefixStore } from '../model/prefix-store.js';
import type { Trainer } from '../model/trainer.js';
import type { StepEvent } from './events.js';
import type { Ranks } from './ranks.js';

/** What one optimizer step came to, over all of its batches. */
export type OptimizerStep = Pick<StepEvent, 'loss' | 'gradNorm' | 'learningRate' | 'tokens'>;

/** The batches of an epoch, of which the next one can be made ready while the engine is busy. */
export class BatchSource {
  readonly #batches: Iterator<PackedBatch | BatchShards>;
  #next: PackedBatch | BatchShards | null = null;

  /** @param left number of batches. */
  constructor(
    batches: Iterable<PackedBatch | BatchShards>,
    public left: number,
  ) {
    this.#batches = batches[Symbol.iterator]();
  }

  prepare(): void {
    if (this.left > 0) this.#next ??= this.#batches.next().value!;
  }

  /** The next batch; there is one while `left` is not 0. */
  take(): PackedBatch | BatchShards {
    this.prepare();
    const batch = this.#next!;
    this.#next = null;
    this.left--;
    return batch;
  }
}

export interface StepLimits {
  /** Optimizer steps at most. */
  numSteps: number;
  /** Batches that make up an optimizer step. */
  accumulation: number;
  store: PrefixStore | undefined;
  /** Asked before each batch: whether to stop at once, with what was accumulated given up. */
  ranks: Ranks;
  /**
   * Whether, by the clock, the state is to be written: asked before each optimizer step but the first, without which
   * nothing would ever move.
   */
  isSaveDue: () => boolean;
}

/**
 * Trains on batches, one item an optimizer step; the last batches of an epoch make a step even where they are fewer than
 * the trainer accumulates. The next batch is packed while the engine computes. Between items the engine is at rest, but
 * for the steps that a trainer on a card has in flight; behind the last item it is at rest in any case.
 */
export async function* optimizerSteps(
  trainer: Trainer,
  source: BatchSource,
  { numSteps, accumulation, store, ranks, isSaveDue }: StepLimits,
): AsyncGenerator<OptimizerStep> {
  const running: Promise<StepResult>[] = [];
  let [steps, batches] = [0, 0];
  let [lossSum, weight, tokens] = [0, 0, 0];
  const isPauseDue = () => ranks.isSaveDue(isSaveDue());
  // On several ranks it changes with results alone, so that all launch the same steps.
  const goesOn = () =>
    source.left > 0 &&
    !ranks.isStopped &&
    (batches > 0 || (steps < numSteps && (steps === 0 || !isPauseDue())));
  for (let isLaunching = goesOn(); isLaunching || running.length > 0; ) {
    if (isLaunching) {
      const batch = source.take();
      const updateNow = source.left === 0;
      // The engine has its copy of the batch when the call returns, and computes while another is packed.
      const flags = ranks.flags(isSaveDue());
      const step = trainer.step(batch, { updateNow, flags, ...(store && { store }) });
      // Those behind a step that fails are not waited for.
      step.catch(() => {});
      running.push(step);
      if (updateNow || ++batches === accumulation) [steps, batches] = [steps + 1, 0];
      source.prepare();
      isLaunching = goesOn();
      if (isLaunching && running.length < trainer.stepsInFlight) continue;
    }
    const result = await running.shift()!;
    ranks.see(result.flags);
    isLaunching &&= goesOn();
    lossSum += result.loss * result.weight;
    weight += result.weight;
    tokens += result.tokens;
    if (!result.updated || result.gradNorm === null) continue;
    // A step of one batch passes its loss on to the bit.
    const loss = weight === result.weight ? result.loss : lossSum / weight;
    yield { loss, gradNorm: result.gradNorm, learningRate: result.learningRate, tokens };
    isLaunching &&= goesOn();
    [lossSum, weight, tokens] = [0, 0, 0];
  }
}
