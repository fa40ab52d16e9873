import type { PackedBatch, RaggedBatch } from '../contract/packed-batch.js';
import type { StepResult } from '../contract/results.js';
import type { NativeMoments, NativeParameter, TrainerPosition } from '../native/addon.js';
import type { Engine } from '../native/engine.js';
import { toPacked } from './batch-input.js';
import type { PrefixStore } from './prefix-store.js';

/** Trains one model. A later trainer of the same model replaces it. */
export class Trainer {
  readonly #engine: Engine;
  readonly #id: number;
  readonly #parameters: readonly NativeParameter[];
  /**
   * Calls of `step` that are worth having under way at a time: 1 where each step is done at once, and more on a
   * card, whose losses are read back later.
   */
  readonly stepsInFlight: number;

  /** Use `TokenClassifier.trainer`. */
  constructor(engine: Engine, id: number, parameters: readonly NativeParameter[], stepsInFlight: number) {
    this.#engine = engine;
    this.#id = id;
    this.#parameters = parameters;
    this.stepsInFlight = stepsInFlight;
  }

  /**
   * Forward, loss, backward and, on every `gradientAccumulation`-th call, clipping and update.
   *
   * @param options.updateNow updates with what was accumulated so far; for the last batches of an epoch.
   * @param options.store where the frozen prefix's outputs are kept; used with `frozenDropout: 'off'` and
   *   a batch that has `examples`.
   * @param options.everyToken computes the whole last layer for tokens without a label, too, as other programs do. Loss
   *   and gradients are the same without, and so a CPU leaves it out; for measurements.
   *
   * On a card a promise settles when its loss has been read back; later steps may be under way by then.
   *
   * @throws INVALID_BATCH; NON_FINITE, with the weights as they were; INVALID_PLAN where nothing learns;
   *   DISPOSED where a later trainer replaced this one
   */
  async step(
    batch: PackedBatch | RaggedBatch,
    options: { updateNow?: boolean; store?: PrefixStore; everyToken?: boolean; signal?: AbortSignal } = {},
  ): Promise<StepResult> {
    const packed = toPacked(batch);
    const { updateNow = false, everyToken = false, store, signal } = options;
    return this.#engine.call(
      (native) => native.step(this.#id, packed, updateNow, everyToken, store?.native),
      signal,
    );
  }

  /**
   * L2 norm of the gradient of each parameter that learns, before clipping; nothing is updated.
   *
   * @throws INVALID_BATCH, INVALID_PLAN, DISPOSED
   */
  async gradients(batch: PackedBatch | RaggedBatch): Promise<Map<string, number>> {
    const packed = toPacked(batch);
    const norms = await this.#engine.call((native) => native.gradients(this.#id, packed));
    const entries = this.#parameters.map(({ name }, i) => [name, norms[i]!] as const);
    return new Map(entries.filter(([, norm]) => !Number.isNaN(norm)));
  }

  /**
   * How far this training has come. With the weights and the moments of every parameter it makes a state
   * that another trainer of the same options goes on from with the same bits.
   *
   * @throws INVALID_OPTION between the batches of one update; DISPOSED
   */
  async position(): Promise<TrainerPosition> {
    return this.#engine.call((native) => native.position(this.#id));
  }

  /** Goes on from the position of another trainer. @throws INVALID_OPTION, DISPOSED */
  async seek({ updates, passes }: TrainerPosition): Promise<void> {
    await this.#engine.call((native) => native.seek(this.#id, updates, passes));
  }

  /** AdamW's moments of a parameter, null where it was never updated. @throws INVALID_OPTION, DISPOSED */
  async readMoments(name: string): Promise<NativeMoments | null> {
    return this.#engine.call((native) => native.readMoments(this.#id, name));
  }

  /** @throws INVALID_OPTION, WEIGHTS_MISMATCH where they are not as many as the parameter's elements; DISPOSED */
  async writeMoments(name: string, { step, expAvg, expAvgSq }: NativeMoments): Promise<void> {
    await this.#engine.call((native) => native.writeMoments(this.#id, name, step, expAvg, expAvgSq));
  }

  async momentSteps(): Promise<Map<string, number>> {
    const steps = new Map<string, number>();
    for (const { name } of this.#parameters) {
      const moments = await this.readMoments(name);
      if (moments) steps.set(name, moments.step);
    }
    return steps;
  }

  async dumpState(fd: number, tensors: readonly { kind: string; parameter: string }[]): Promise<void> {
    const { writeSync } = await import('node:fs');
    for (const { kind, parameter } of tensors) {
      const data =
        kind === 'weight'
          ? await this.#engine.call((native) => native.readParameter(parameter))
          : (await this.readMoments(parameter))![kind as 'expAvg'];
      writeSync(fd, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  }
}
