import type { EncoderConfig } from '../contract/encoder-config.js';
import type { FreezePlan } from '../contract/freeze-plan.js';
import type { PackedBatch, RaggedBatch } from '../contract/packed-batch.js';
import type { HiddenStates, LoadReport, Logits, ParameterInfo } from '../contract/results.js';
import type { Strategy } from '../freezing/strategy.js';
import type { MatmulFacts, NativeDevice, NativeMemory, NativeParameter } from '../native/addon.js';
import type { Engine } from '../native/engine.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { architectureOf, longestSequence } from './architectures.js';
import { toPacked, toPackedList } from './batch-input.js';
import { loadTensors, planLoading } from './checkpoint.js';
import type { HuggingFaceConfig } from './config.js';
import { type HeadName, headOf } from './heads.js';
import { type SaveOptions, saveModelDirectory } from './model-directory.js';
import { nativePlan } from './native-plan.js';
import { parseTrainerOptions, type TrainerOptions } from './options.js';
import type { PrefixStore } from './prefix-store.js';
import { type TrainedWith, trainedWith, withTraining } from './trained-with.js';
import { Trainer } from './trainer.js';
import { listCheckpoint } from './weights/list-checkpoint.js';

/** What a model is made of. */
export interface ModelParts {
  engine: Engine;
  head: HeadName;
  config: EncoderConfig;
  parameters: NativeParameter[];
  tokenizer: Tokenizer | null;
  huggingFaceConfig: HuggingFaceConfig;
  loadReport: LoadReport;
}

/** How batches are predicted. */
export interface PredictOptions {
  /** Where the frozen prefix's outputs are kept, for batches that have `examples`. */
  store?: PrefixStore;
  /** Tokens of each batch whose scores are wanted, too, by their positions in the batch. */
  scored?: readonly Int32Array[];
  signal?: AbortSignal;
}

/** What a model answers on batches. */
export interface Predictions {
  /** Class of each token, shape [T] a batch. */
  predicted: Int32Array[];
  /** Mean, and sum, over the labelled tokens of all batches. */
  loss: number;
  lossSum: number;
  labelled: number;
  /** Of the tokens that were asked for, shape [tokens, classes] a batch. */
  scores: Float32Array[];
}

/** Where and by which means a model computes. */
export interface DeviceFacts extends NativeDevice {
  /** What multiplies large matrices on a CPU; null on a card and with plain kernels, where libtorch does. */
  matmul: MatmulFacts | null;
}

/** The engine that a model computes on; for measurements. @internal */
export let engineOf: (model: EncoderModel) => Engine;

/** A BERT-family encoder with a head: all that does not depend on which one. */
export abstract class EncoderModel {
  static {
    engineOf = (model) => model.#parts.engine;
  }

  readonly #parts: ModelParts;
  #trainable: Uint8Array;
  #frozenPrefix = -1;

  protected constructor(parts: ModelParts) {
    this.#parts = parts;
    this.#trainable = new Uint8Array(parts.parameters.length).fill(1);
  }

  get config(): Readonly<EncoderConfig> {
    return this.#parts.config;
  }

  /** What stands on top of the encoder. */
  protected get headName(): HeadName {
    return this.#parts.head;
  }

  /** Tokens of the longest sequence that the model has positions for, special tokens included. */
  get maxLength(): number {
    return longestSequence(this.#parts.config);
  }

  /** What the model was fine-tuned with; null where it was not, or nobody wrote it down. Saved with the model. */
  get trainedWith(): TrainedWith | null {
    return trainedWith(this.#parts.huggingFaceConfig);
  }

  /** Remembers what a training takes; for training loops. */
  noteTraining(trained: TrainedWith): void {
    this.#parts.huggingFaceConfig = withTraining(this.#parts.huggingFaceConfig, trained);
  }

  /** Where the model is: `cpu` or `cuda:<number>`, whatever was asked for. */
  get device(): string {
    return this.#parts.engine.device;
  }

  /** The tokenizer found beside the weights or given to `create`. */
  get tokenizer(): Tokenizer | null {
    return this.#parts.tokenizer;
  }

  /** What the checkpoint lacked and what of it was not used. */
  get loadReport(): LoadReport {
    return this.#parts.loadReport;
  }

  /** Number of leading layers that are computed without gradients; -1 while the embeddings learn. */
  get frozenPrefix(): number {
    return this.#frozenPrefix;
  }

  /**
   * Freezes what the plan names and thaws the rest. Idempotent; the optimizer forgets what is frozen.
   *
   * @param freezing a plan, a strategy, or a strategy's notation such as `bottom-up:6`.
   * @throws INVALID_PLAN
   */
  async freeze(freezing: FreezePlan | Strategy | string): Promise<void> {
    const native = nativePlan(freezing, this.config.numLayers);
    const result = await this.#parts.engine.call((engine) => engine.freeze(native));
    this.#trainable = result.trainable;
    this.#frozenPrefix = result.frozenPrefix;
  }

  /** All parameters under their Hugging Face names, in Hugging Face's order. */
  parameters(): ParameterInfo[] {
    return this.#parts.parameters.map((parameter, i) => ({
      ...parameter,
      trainable: this.#trainable[i] === 1,
    }));
  }

  /**
   * A copy of one parameter, row by row.
   *
   * @throws INVALID_OPTION where there is no such name
   */
  async readParameter(name: string): Promise<Float32Array> {
    return this.#parts.engine.call((native) => native.readParameter(name));
  }

  /**
   * Replaces one parameter, row by row.
   *
   * @throws INVALID_OPTION where there is no such name; WEIGHTS_MISMATCH for another number of elements
   */
  async writeParameter(name: string, values: Float32Array): Promise<void> {
    // The engine reads the bytes in place, later; the caller may use the array again at once.
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
    await this.#parts.engine.call((native) => native.writeParameter(name, 'F32', bytes));
  }

  /**
   * Replaces the weights by those of a model directory of the same shape and head.
   *
   * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT, WEIGHTS_MISMATCH
   */
  async loadWeights(directory: string): Promise<void> {
    const architecture = architectureOf(this.config.modelType, 'config');
    const plan = planLoading(await listCheckpoint(directory), this.#parts.parameters, architecture);
    await loadTensors(this.#parts.engine, plan);
  }

  /**
   * Scores of each token, dropout off; shape [T, classes].
   *
   * @throws INVALID_BATCH
   */
  async logits(batch: PackedBatch | RaggedBatch, options: { signal?: AbortSignal } = {}): Promise<Logits> {
    const packed = toPacked(batch);
    const data = await this.#parts.engine.call((native) => native.logits(packed), options.signal);
    const classes = headOf(this.#parts.head).classes(this.config);
    return { data, shape: [data.length / classes, classes] };
  }

  /**
   * Outputs of the embeddings and of each layer, dropout off: shape [1 + layers, tokens, hidden], of the labelled tokens
   * where the batch has labels, else of all.
   *
   * @throws INVALID_BATCH
   */
  async hiddenStates(
    batch: PackedBatch | RaggedBatch,
    options: { signal?: AbortSignal } = {},
  ): Promise<HiddenStates> {
    const packed = toPacked(batch);
    const data = await this.#parts.engine.call((native) => native.hiddenStates(packed), options.signal);
    const { numLayers, hiddenSize } = this.config;
    return { data, shape: [numLayers + 1, data.length / (numLayers + 1) / hiddenSize, hiddenSize] };
  }

  /**
   * Mean loss over the labelled tokens of all batches, all of which count alike, dropout off: their cross-entropy, or of
   * a chain the negative log likelihood of its words.
   *
   * @returns the mean, the sum, and the number of labelled tokens; a mean of NaN where there are none.
   * @throws INVALID_BATCH
   */
  async loss(
    batches: readonly (PackedBatch | RaggedBatch)[],
    options: { signal?: AbortSignal } = {},
  ): Promise<{ loss: number; lossSum: number; labelled: number }> {
    const packed = toPackedList(batches);
    const { sum, labelled } = await this.#parts.engine.call((native) => native.loss(packed), options.signal);
    return { loss: sum / labelled, lossSum: sum, labelled };
  }

  /**
   * Starts training; a trainer made earlier ends.
   *
   * @throws INVALID_OPTION
   */
  async trainer(options: TrainerOptions = {}): Promise<Trainer> {
    const { native, warmupWithin } = parseTrainerOptions(options, this.config.labels);
    const { engine, parameters } = this.#parts;
    const id = await engine.call((made) => made.createTrainer(native));
    const { stepsInFlight } = await engine.call((made) => made.device());
    const facts = { stepsInFlight, tracksGradientL1: native.trackGradientL1 };
    return new Trainer(engine, id, parameters, facts, warmupWithin);
  }

  /**
   * The class id of the highest score of each token by itself, one array a batch; `evaluate` and `Tagger` decode words.
   *
   * @throws INVALID_BATCH
   */
  async predict(
    batches: readonly (PackedBatch | RaggedBatch)[],
    options: PredictOptions = {},
  ): Promise<Int32Array[]> {
    return (await this.predictWithLoss(batches, options)).predicted;
  }

  /**
   * The same with the mean loss over the labelled tokens of all batches, from one pass.
   *
   * @returns a loss of NaN where there are none; scores of the tokens that were asked for, shape [tokens, classes] a batch.
   * @throws INVALID_BATCH
   */
  async predictWithLoss(
    batches: readonly (PackedBatch | RaggedBatch)[],
    { store, scored, signal }: PredictOptions = {},
  ): Promise<Predictions> {
    const packed = toPackedList(batches);
    const { classes, loss, scores } = await this.#parts.engine.call(
      (native) => native.predict(packed, store?.native, scored),
      signal,
    );
    const { sum: lossSum, labelled } = loss;
    return { predicted: classes, loss: lossSum / labelled, lossSum, labelled, scores };
  }

  /**
   * Outputs of the frozen prefix for a batch that has `examples`, as bytes: computed and kept where the store lacks them.
   * Another model of the same weights keeps them by `keepPrefixRows`.
   *
   * @internal
   * @throws INVALID_BATCH, INVALID_PLAN
   */
  async prefixRows(batch: PackedBatch, store: PrefixStore): Promise<Uint8Array> {
    return this.#parts.engine.call((native) => native.prefixRows(batch, store.native));
  }

  /** @internal */
  async keepPrefixRows(batch: PackedBatch, store: PrefixStore, rows: Uint8Array): Promise<void> {
    await this.#parts.engine.call((native) => native.keepPrefixRows(batch, store.native, rows));
  }

  /**
   * Keeps the weights as they are now, in place of an earlier snapshot. What learns is copied at once, the rest before
   * it is thawed or replaced: on the model's card, in memory, or where neither has room in a temporary file (`TMPDIR`).
   *
   * @throws WRITE_FAILED where there is no room; so do then `freeze` and `writeParameter`, and nothing is changed
   */
  async takeSnapshot(): Promise<void> {
    await this.#parts.engine.call((native) => native.takeSnapshot());
  }

  /**
   * Puts back all weights as they were at the last snapshot and forgets it.
   *
   * @throws INVALID_OPTION where there is none
   */
  async restoreSnapshot(): Promise<void> {
    await this.#parts.engine.call((native) => native.restoreSnapshot());
  }

  /** Bytes of weights, gradients, optimizer state and work buffers. */
  async memory(): Promise<NativeMemory> {
    return this.#parts.engine.call((native) => native.memory());
  }

  /** Where and by which means the model computes. */
  async deviceFacts(): Promise<DeviceFacts> {
    const { engine } = this.#parts;
    const device = await engine.call((native) => native.device());
    return { ...device, matmul: await engine.call((native) => native.products()) };
  }

  /**
   * Writes a directory that Hugging Face Transformers opens: configuration, weights, tokenizer files.
   * Each file is replaced as a whole or left as it was, the weights last: they are all of one moment.
   *
   * @throws WRITE_FAILED
   */
  async save(directory: string, options: SaveOptions = {}): Promise<void> {
    const { head, config, huggingFaceConfig, parameters, tokenizer } = this.#parts;
    await saveModelDirectory(
      directory,
      { ...{ head, config, huggingFaceConfig, parameters, tokenizer }, dump: this.dumpWeights.bind(this) },
      options,
    );
  }

  /**
   * Appends parameters where a file descriptor stands, row by row, as the engine holds them at that moment; nothing of
   * them passes through JavaScript.
   *
   * @internal
   * @throws WRITE_FAILED, INVALID_OPTION where there is no such name
   */
  async dumpWeights(fd: number, names: readonly string[], dtype: 'F32' | 'F16'): Promise<void> {
    const kinds = new Uint8Array(names.length);
    await this.#parts.engine.call((native) => native.dumpTensors(fd, 0, kinds, names, dtype));
  }

  /** Waits for the running call, refuses the waiting ones, frees the memory. Idempotent. */
  async dispose(): Promise<void> {
    await this.#parts.engine.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
