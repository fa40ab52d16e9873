import type { PackedBatch } from '../contract/packed-batch.js';
import type { PrefixStore } from '../model/prefix-store.js';
import type { TokenClassifier } from '../model/token-classifier.js';
import type { Trainer } from '../model/trainer.js';
import type { NativeDevice } from '../native/addon.js';

/** What a card does with the same steps when none of them is waited for, as training has it. */
export interface CardMeasurement {
  /** Mean over all timed steps. */
  secondsPerStep: number;
  tokensPerSecond: number;
  /** Seconds of the first steps, with all that is readied and recorded before them. */
  firstSeconds: number;
  firstSteps: number;
  /** Most bytes of the card that tensors took. */
  peakBytes: number;
  facts: NativeDevice;
}

/** The shape of a batch, as a trainer is told of those to come. */
export function shapeOf({ cuSeqlens, weights }: PackedBatch) {
  let longest = 0;
  for (let i = 1; i < cuSeqlens.length; i++) longest = Math.max(longest, cuSeqlens[i]! - cuSeqlens[i - 1]!);
  return {
    ...{ tokens: cuSeqlens.at(-1)!, sequences: cuSeqlens.length - 1, longest },
    weighted: weights !== undefined,
  };
}

/**
 * Trains on the batches twice with as many steps under way as the trainer likes; the second time counts.
 *
 * @throws what `Trainer.step` throws
 */
export async function measureAhead(
  { model, trainer, store }: { model: TokenClassifier; trainer: Trainer; store: PrefixStore | null },
  batches: readonly PackedBatch[],
  signal?: AbortSignal,
): Promise<CardMeasurement> {
  const options = { ...(signal && { signal }), ...(store && { store }) };
  const train = async () => {
    const running: Promise<{ tokens: number }>[] = [];
    let tokens = 0;
    const start = performance.now();
    for (const batch of batches) {
      const step = trainer.step(batch, options);
      step.catch(() => {});
      running.push(step);
      if (running.length >= trainer.stepsInFlight) tokens += (await running.shift()!).tokens;
    }
    for (const step of running) tokens += (await step).tokens;
    return { tokens, seconds: (performance.now() - start) / 1000 };
  };
  await trainer.expect(batches.map(shapeOf));
  const first = await train();
  const { tokens, seconds } = await train();
  const facts = await model.deviceFacts();
  return {
    secondsPerStep: seconds / batches.length,
    tokensPerSecond: tokens / seconds,
    firstSeconds: first.seconds,
    firstSteps: batches.length,
    peakBytes: facts.peakBytes,
    facts,
  };
}
