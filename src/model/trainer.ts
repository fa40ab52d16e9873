import type { PackedBatch, RaggedBatch } from '../contract/packed-batch.js';
import type { GradientMoments, StepResult } from '../contract/results.js';
import type { NativeMoments, NativeParameter, TrainerPosition } from '../native/addon.js';
import type { Engine } from '../native/engine.js';
import { toPacked, toPackedList } from './batch-input.js';
import type { PrefixStore } from './prefix-store.js';

/** What a training's state holds of a parameter, as the engine numbers it. */
const STATE_KINDS = ['weight', 'expAvg', 'expAvgSq'] as const;

/** One tensor of a training's state. */
export interface StateTensor {
  kind: (typeof STATE_KINDS)[number];
  parameter: string;
}

/** Trains one model. A later trainer of the same model replaces it. */
export class Trainer {
  readonly #engine: Engine;
  /** Its number among those of its model. @internal */
  readonly id: number;
  readonly #parameters: readonly NativeParameter[];
  /**
   * Calls of `step` that are worth having under way at a time: 1 where each step is done at once, and more on a
   * card, whose losses are read back later.
   */
  readonly stepsInFlight: number;

  /** Use `TokenClassifier.trainer`. */
  constructor(engine: Engine, id: number, parameters: readonly NativeParameter[], stepsInFlight: number) {
    this.#engine = engine;
    this.id = id;
    this.#parameters = parameters;
    this.stepsInFlight = stepsInFlight;
  }

  /**
   * Forward, loss, backward and, on every `gradientAccumulation`-th call, clipping and update.
   *
   * @param options.updateNow updates with what was accumulated so far; for the last batches of an epoch.
   * @param options.store where the frozen prefix's outputs are kept; used with `frozenDropout: 'off'` and
   *   a batch that has `examples`.
   *
   * On a card a promise settles when its loss has been read back; later steps may be under way by then.
   *
   * @throws INVALID_BATCH; NON_FINITE, with the weights as they were; INVALID_PLAN where nothing learns;
   *   DISPOSED where a later trainer replaced this one
   */
  async step(
    batch: PackedBatch | RaggedBatch,
    options: { updateNow?: boolean; store?: PrefixStore; signal?: AbortSignal } = {},
  ): Promise<StepResult> {
    const packed = toPacked(batch);
    const { updateNow = false, store, signal } = options;
    return this.#engine.call(
      (native) => native.step(this.id, packed, updateNow, false, store?.native),
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
    return this.#byName(await this.#engine.call((native) => native.gradients(this.id, packed)));
  }

  /**
   * What the gradients of several batches have in common, of each parameter that learns, dropout as in training; nothing
   * is updated. One copy of the gradients is kept, however many batches there are.
   *
   * @throws INVALID_BATCH, INVALID_PLAN, NON_FINITE, DISPOSED
   */
  async gradientMoments(
    batches: readonly (PackedBatch | RaggedBatch)[],
    options: { signal?: AbortSignal } = {},
  ): Promise<Map<string, GradientMoments>> {
    const packed = toPackedList(batches);
    const moments = await this.#engine.call(
      (native) => native.gradientMoments(this.id, packed),
      options.signal,
    );
    const found = new Map<string, GradientMoments>();
    for (const [i, { name }] of this.#parameters.entries()) {
      const [meanSquaredNorm, squaredNormOfMean] = [moments[2 * i]!, moments[2 * i + 1]!];
      if (!Number.isNaN(meanSquaredNorm)) found.set(name, { meanSquaredNorm, squaredNormOfMean });
    }
    return found;
  }

  /**
   * How far this training had come at its last update. With the weights and the moments of every parameter it makes a
   * state that another trainer of the same options goes on from with the same bits. Between the batches of one update
   * it is that state still: the trainer that goes on is given those batches again.
   *
   * @throws DISPOSED
   */
  async position(): Promise<TrainerPosition> {
    return this.#engine.call((native) => native.position(this.id));
  }

  /**
   * Goes on from the position of another trainer; batches that wait for their update are dropped.
   *
   * @throws INVALID_OPTION, DISPOSED
   */
  async seek({ updates, passes }: TrainerPosition): Promise<void> {
    await this.#engine.call((native) => native.seek(this.id, updates, passes));
  }

  /** AdamW's moments of a parameter, null where it was never updated. @throws INVALID_OPTION, DISPOSED */
  async readMoments(name: string): Promise<NativeMoments | null> {
    return this.#engine.call((native) => native.readMoments(this.id, name));
  }

  /** @throws INVALID_OPTION, WEIGHTS_MISMATCH where they are not as many as the parameter's elements; DISPOSED */
  async writeMoments(name: string, { step, expAvg, expAvgSq }: NativeMoments): Promise<void> {
    await this.#engine.call((native) => native.writeMoments(this.id, name, step, expAvg, expAvgSq));
  }

  /** Number of updates of each parameter that has moments, in the order of the parameters. @throws DISPOSED */
  async momentSteps(): Promise<Map<string, number>> {
    return this.#byName(await this.#engine.call((native) => native.momentSteps(this.id)));
  }

  /**
   * Appends weights and moments in fp32 where a file descriptor stands, as they are at that moment; nothing of them
   * passes through JavaScript.
   *
   * @internal
   * @throws WRITE_FAILED, DISPOSED; INVALID_OPTION where there is no such parameter, or it has no moments
   */
  async dumpState(fd: number, tensors: readonly StateTensor[]): Promise<void> {
    const kinds = Uint8Array.from(tensors, ({ kind }) => STATE_KINDS.indexOf(kind));
    const names = tensors.map(({ parameter }) => parameter);
    await this.#engine.call((native) => native.dumpTensors(fd, this.id, kinds, names, 'F32'));
  }

  /** The numbers that there are. */
  #byName(numbers: Float64Array): Map<string, number> {
    const entries = this.#parameters.map(({ name }, i) => [name, numbers[i]!] as const);
    return new Map(entries.filter(([, number]) => !Number.isNaN(number)));
  }
}
