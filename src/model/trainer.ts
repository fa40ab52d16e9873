import type { BatchShape, BatchShards, PackedBatch, RaggedBatch } from '../contract/packed-batch.js';
import type { GradientMoments, StepResult } from '../contract/results.js';
import type { NativeMoments, NativeParameter, TrainerPosition } from '../native/addon.js';
import type { Engine } from '../native/engine.js';
import { toShares, toSharesList } from './batch-input.js';
import { parseStageOptions, type StageOptions } from './options.js';
import type { PrefixStore } from './prefix-store.js';

/** What a training's state holds of a parameter, as the engine numbers it. */
export const STATE_KINDS = ['weight', 'expAvg', 'expAvgSq', 'gradientSum'] as const;

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
  /** Whether it adds up the gradients of layers. */
  readonly tracksGradientL1: boolean;
  readonly #warmupWithin: (totalSteps: number) => number;

  /**
   * Use `TokenClassifier.trainer`.
   *
   * @param warmupWithin updates of the warm-up of a schedule that is laid out for so many.
   */
  constructor(
    engine: Engine,
    id: number,
    parameters: readonly NativeParameter[],
    { stepsInFlight, tracksGradientL1 }: { stepsInFlight: number; tracksGradientL1: boolean },
    warmupWithin: (totalSteps: number) => number,
  ) {
    this.#engine = engine;
    this.id = id;
    this.#parameters = parameters;
    this.stepsInFlight = stepsInFlight;
    this.tracksGradientL1 = tracksGradientL1;
    this.#warmupWithin = warmupWithin;
  }

  /**
   * Forward, loss, backward and, on every `gradientAccumulation`-th call, clipping and update.
   *
   * @param options.updateNow updates with what was accumulated so far; for the last batches of an epoch.
   * @param options.store where the frozen prefix's outputs are kept; used with `frozenDropout: 'off'` and
   *   a batch that has `examples`.
   *
   * @param options.flags bits, up to 32 of them, that this rank raises; every rank's result has those of all.
   *
   * On a card a promise settles when its loss has been read back; later steps may be under way by then.
   *
   * With the option `group` every rank calls it alike, with its share of the batch, which may be without sequences
   * (`cuSeqlens: [0]`): the ranks take the step of one trainer with the whole batch, and have the same result. With
   * `gradientShards` a rank gives its shares of those. No other call of the group is to be under way meanwhile.
   *
   * @throws INVALID_BATCH; NON_FINITE, with the weights as they were, on every rank; INVALID_PLAN where nothing learns;
   *   DISPOSED where a later trainer replaced this one; RANK_FAILED where another rank is gone or did not take the step
   */
  async step(
    batch: PackedBatch | RaggedBatch | BatchShards,
    options: { updateNow?: boolean; store?: PrefixStore; signal?: AbortSignal; flags?: number } = {},
  ): Promise<StepResult> {
    const shares = toShares(batch);
    const { updateNow = false, store, signal, flags = 0 } = options;
    const native = { updateNow, everyToken: false, flags };
    return this.#engine.call((made) => made.step(this.id, shares, native, store?.native), signal);
  }

  /**
   * Says which batches are to come, such as those of an epoch. A card records the steps of their shapes before the next
   * step, the largest first, so that none of them has to be recorded while it trains; without it they are recorded at
   * their second occurrence. It changes no result, and nothing on a CPU.
   *
   * @throws INVALID_BATCH for a shape that no batch has; DISPOSED
   */
  async expect(shapes: readonly BatchShape[]): Promise<void> {
    const flat = shapes.flatMap(({ tokens, sequences, longest, weighted }) => [
      tokens,
      sequences,
      longest,
      Number(weighted),
    ]);
    await this.#engine.call((native) => native.expectBatches(this.id, Int32Array.from(flat)));
  }

  /**
   * Gives every rank of the group what rank 0 has: its weights, or with `'state'` also moments, sums of gradients and
   * position, so that all go on from a state that rank 0 alone has read. To be called by every rank, under the same plan.
   *
   * @throws RANK_FAILED, DISPOSED
   */
  async broadcast(what: 'weights' | 'state' = 'state'): Promise<void> {
    await this.#engine.call((native) => native.broadcast(this.id, what));
  }

  /**
   * L2 norm of the gradient of each parameter that learns, before clipping; nothing is updated.
   *
   * @throws INVALID_BATCH, INVALID_PLAN, DISPOSED
   */
  async gradients(batch: PackedBatch | RaggedBatch | BatchShards): Promise<Map<string, number>> {
    const shares = toShares(batch);
    return this.#byName(await this.#engine.call((native) => native.gradients(this.id, shares)));
  }

  /**
   * Begins a stage: to be called behind the `freeze` that changed the plan, before the next step. Weights that learn
   * under the new plan and did not under the one before begin with fresh moments and a warm-up of their own on top of
   * the common course of the rate; those that learn from the first step of the training on have none.
   *
   * A training that goes on from a state takes its stages again, in their order: for each one `freeze` with its plan,
   * then `beginStage` with its first `step`; the moments are written behind the last one.
   *
   * @throws INVALID_OPTION, DISPOSED
   */
  async beginStage(options: StageOptions = {}): Promise<void> {
    const { warmupSteps, restart, step = -1 } = parseStageOptions(options);
    const totalSteps = restart?.totalSteps ?? 0;
    const restartWarmup = this.#warmupWithin(totalSteps);
    await this.#engine.call((native) =>
      native.beginStage(this.id, step, warmupSteps, totalSteps, restartWarmup),
    );
  }

  /**
   * The L1 norm of each layer's signed gradients summed over the updates since the last call, or since the layer was
   * thawed; 0 for a frozen layer. The sums are cleared. A gradient counts as the mean over the batch's labelled tokens,
   * before clipping (Liu et al. 2021, AutoFreeze).
   *
   * @returns [layers]
   * @throws INVALID_OPTION without the option `trackGradientL1`; DISPOSED
   */
  async gradientL1(): Promise<number[]> {
    return Array.from(await this.#engine.call((native) => native.gradientL1(this.id)));
  }

  /**
   * L1 norm of each parameter's summed gradients, in the order of the parameters, with nothing cleared: those of layers
   * that learn and were updated since the last `gradientL1`. With `dumpState` and `writeGradientSum` they are a part of
   * the state that a training goes on from.
   *
   * @throws INVALID_OPTION without the option `trackGradientL1`; DISPOSED
   */
  async gradientSums(): Promise<Map<string, number>> {
    return this.#byName(await this.#engine.call((native) => native.gradientSums(this.id)));
  }

  /**
   * Puts a sum of gradients where another trainer had it.
   *
   * @throws INVALID_OPTION without the option `trackGradientL1`, or where the parameter is not one of a layer that
   *   learns; WEIGHTS_MISMATCH where it has not as many elements; DISPOSED
   */
  async writeGradientSum(name: string, sum: Float32Array): Promise<void> {
    await this.#engine.call((native) => native.writeGradientSum(this.id, name, sum));
  }

  /**
   * What the gradients of several batches have in common, of each parameter that learns, dropout as in training; nothing
   * is updated. One copy of the gradients is kept, however many batches there are.
   *
   * @throws INVALID_BATCH, INVALID_PLAN, NON_FINITE, DISPOSED
   */
  async gradientMoments(
    batches: readonly (PackedBatch | RaggedBatch | BatchShards)[],
    options: { signal?: AbortSignal } = {},
  ): Promise<Map<string, GradientMoments>> {
    const shares = toSharesList(batches);
    const moments = await this.#engine.call(
      (native) => native.gradientMoments(this.id, shares),
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
   * Appends weights, moments and sums of gradients in fp32 where a file descriptor stands, as they are at that moment; nothing of them
   * passes through JavaScript.
   *
   * @internal
   * @throws WRITE_FAILED, DISPOSED; INVALID_OPTION where there is no such parameter, or it has no moments or no sum
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
