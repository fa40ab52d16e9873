import type { PackedBatch } from '../contract/packed-batch.js';
import type { StepResult } from '../contract/results.js';
import { type EncoderModel, engineOf } from '../model/encoder-model.js';
import type { PrefixStore } from '../model/prefix-store.js';
import type { Trainer } from '../model/trainer.js';
import type { NativeProducts } from '../native/addon.js';

/**
 * A training step that computes the whole last layer for tokens without a label, too, as other programs do. Loss and
 * gradients are those of `Trainer.step`, which on a CPU leaves it out.
 */
export async function stepOverEveryToken(
  model: EncoderModel,
  trainer: Trainer,
  batch: PackedBatch,
  { store, signal }: { store?: PrefixStore; signal?: AbortSignal } = {},
): Promise<StepResult> {
  const options = { updateNow: false, everyToken: true, flags: 0 };
  return engineOf(model).call((native) => native.step(trainer.id, batch, options, store?.native), signal);
}

/**
 * Computes the matrix products of one training step under the present freezing, and nothing else: the floor
 * that a step over `numTokens` tokens is measured against. Those within attention are left out. Changes nothing.
 *
 * @param options.scoredTokens tokens with a label, which alone the last layer and the head go on with. @default all
 * @param options.library what multiplies all of them, by its name. @default what the model takes
 * @throws INVALID_OPTION where `numTokens` is no whole number from 1, or fewer than `scoredTokens`
 */
export async function timeProducts(
  model: EncoderModel,
  numTokens: number,
  options: { scoredTokens?: number; library?: string; signal?: AbortSignal } = {},
): Promise<NativeProducts> {
  const { scoredTokens = numTokens, library = '', signal } = options;
  return engineOf(model).call((native) => native.gemmFloor(numTokens, scoredTokens, library), signal);
}

/** The library that needs the least time for the products of a step over `numTokens` tokens; null where there is no choice. */
export async function fastestLibrary(
  model: EncoderModel,
  numTokens: number,
  options: { scoredTokens?: number; signal?: AbortSignal } = {},
): Promise<string | null> {
  const { libraries } = await timeProducts(model, numTokens, options);
  let [fastest, least]: [string | null, number] = [null, Number.POSITIVE_INFINITY];
  for (const library of libraries) {
    // The second time finds its memory and code in place.
    await timeProducts(model, numTokens, { ...options, library });
    const { seconds } = await timeProducts(model, numTokens, { ...options, library });
    if (seconds < least) [fastest, least] = [library, seconds];
  }
  return fastest;
}
