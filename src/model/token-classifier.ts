import { join } from 'node:path';
import type { EncoderConfig } from '../contract/encoder-config.js';
import type { FreezePlan } from '../contract/freeze-plan.js';
import type { PackedBatch, RaggedBatch } from '../contract/packed-batch.js';
import type { LoadReport, Logits, ParameterInfo } from '../contract/results.js';
import { PermafrostError } from '../errors/error.js';
import type { NativeMemory, NativeParameter, NativeProducts } from '../native/addon.js';
import { Engine } from '../native/engine.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { toPacked, toPackedList } from './batch-input.js';
import { listCheckpoint, loadTensors, planLoading } from './checkpoint.js';
import {
  type EncoderConfigInput,
  encoderConfig,
  type HuggingFaceConfig,
  huggingFaceEncoder,
  readConfigFile,
} from './config.js';
import { nativePlan } from './freeze-state.js';
import { findTokenizer, saveModelDirectory } from './model-directory.js';
import {
  type CreateOptions,
  type DeviceOptions,
  type LoadOptions,
  parseCreateOptions,
  parseLoadOptions,
  parseTrainerOptions,
  type TrainerOptions,
} from './options.js';
import type { PrefixStore } from './prefix-store.js';
import { Trainer } from './trainer.js';

interface Parts {
  engine: Engine;
  config: EncoderConfig;
  parameters: NativeParameter[];
  tokenizer: Tokenizer | null;
  huggingFaceConfig: HuggingFaceConfig;
  loadReport: LoadReport;
}

/** A BERT-family encoder with a head that gives each token a label. */
export class TokenClassifier {
  readonly #parts: Parts;
  #trainable: Uint8Array;
  #frozenPrefix = -1;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#trainable = new Uint8Array(parts.parameters.length).fill(1);
  }

  /**
   * Loads a model directory as Hugging Face writes it: `config.json`, `model.safetensors` (also in
   * shards), `tokenizer.json` or `vocab.txt`.
   *
   * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT, WEIGHTS_MISMATCH, UNSUPPORTED_MODEL, INVALID_OPTION,
   *   DEVICE_UNAVAILABLE, ADDON_MISSING, ADDON_MISMATCH
   */
  static async load(directory: string, options: LoadOptions = {}): Promise<TokenClassifier> {
    const parsed = parseLoadOptions(options);
    parsed.signal?.throwIfAborted();
    const configFile = join(directory, 'config.json');
    const huggingFaceConfig = await readConfigFile(configFile);
    const config = huggingFaceEncoder(huggingFaceConfig, configFile, parsed.labels);
    const stored = await listCheckpoint(directory);
    const tokenizer = await findTokenizer(directory, parsed.lowercase);
    const freshHead = parsed.labels !== undefined && !sameLabels(parsed.labels, huggingFaceConfig.id2label);
    return withEngine(parsed, config, async (engine, parameters) => {
      const plan = planLoading(stored, parameters, freshHead);
      await loadTensors(engine, plan, parsed.signal);
      if (plan.fresh.length > 0) await engine.call((native) => native.initialise(parsed.seed, plan.fresh));
      const loadReport = { fresh: plan.fresh, unused: plan.unused };
      return new TokenClassifier({ engine, config, parameters, tokenizer, huggingFaceConfig, loadReport });
    });
  }

  /**
   * A model of random weights, drawn as Hugging Face draws them.
   *
   * @param config an {@link EncoderConfig}, or the content of a Hugging Face `config.json`
   * @throws INVALID_OPTION, UNSUPPORTED_MODEL, DEVICE_UNAVAILABLE, ADDON_MISSING, ADDON_MISMATCH
   */
  static async create(
    config: EncoderConfigInput | HuggingFaceConfig,
    options: CreateOptions = {},
  ): Promise<TokenClassifier> {
    const parsed = parseCreateOptions(options);
    const encoder = encoderConfig(config, 'config');
    const tokenizer = parsed.tokenizer ?? null;
    return withEngine(parsed, encoder, async (engine, parameters) => {
      await engine.call((native) => native.initialise(parsed.seed, []));
      const loadReport = { fresh: parameters.map(({ name }) => name), unused: [] };
      return new TokenClassifier({
        engine,
        config: encoder,
        parameters,
        tokenizer,
        huggingFaceConfig: {},
        loadReport,
      });
    });
  }

  get config(): Readonly<EncoderConfig> {
    return this.#parts.config;
  }

  /** Label of each id. */
  get labels(): readonly string[] {
    return this.#parts.config.labels;
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
   * @throws INVALID_PLAN
   */
  async freeze(plan: FreezePlan): Promise<void> {
    const native = nativePlan(plan, this.config.numLayers);
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
   * Scores of each token, dropout off; shape [T, labels].
   *
   * @throws INVALID_BATCH
   */
  async logits(batch: PackedBatch | RaggedBatch, options: { signal?: AbortSignal } = {}): Promise<Logits> {
    const packed = toPacked(batch);
    const data = await this.#parts.engine.call((native) => native.logits(packed), options.signal);
    return { data, shape: [packed.inputIds.length, this.labels.length] };
  }

  /**
   * Starts training; a trainer made earlier ends.
   *
   * @throws INVALID_OPTION
   */
  async trainer(options: TrainerOptions = {}): Promise<Trainer> {
    const { betas, frozenDropout, ...rest } = parseTrainerOptions(options);
    const native = { ...rest, beta1: betas[0], beta2: betas[1], frozenDropout: frozenDropout === 'on' };
    const id = await this.#parts.engine.call((engine) => engine.createTrainer(native));
    return new Trainer(this.#parts.engine, id, this.#parts.parameters);
  }

  /**
   * The label id of the highest score of each token, one array a batch.
   *
   * @param options.store where the frozen prefix's outputs are kept, for batches that have `examples`.
   *
   * @throws INVALID_BATCH
   */
  async predict(
    batches: readonly (PackedBatch | RaggedBatch)[],
    options: { store?: PrefixStore; signal?: AbortSignal } = {},
  ): Promise<Int32Array[]> {
    const packed = toPackedList(batches);
    return this.#parts.engine.call((native) => native.predict(packed, options.store?.native), options.signal);
  }

  /** Keeps a copy of all weights that learn, in memory, in place of an earlier one. */
  async takeSnapshot(): Promise<void> {
    await this.#parts.engine.call((native) => native.takeSnapshot());
  }

  /**
   * Puts back the weights of the last snapshot and forgets it.
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

  /**
   * Computes the matrix products of one training step under the present freezing, and nothing else: the floor
   * that a step over `numTokens` tokens is measured against. Those within attention are left out. Changes nothing.
   *
   * @throws INVALID_OPTION where `numTokens` is no whole number from 1
   */
  async benchmarkProducts(
    numTokens: number,
    options: { signal?: AbortSignal } = {},
  ): Promise<NativeProducts> {
    return this.#parts.engine.call((native) => native.gemmFloor(numTokens), options.signal);
  }

  /**
   * Writes a directory that Hugging Face Transformers opens: configuration, weights, tokenizer files.
   * Each file is replaced as a whole or left as it was. Await it before the next training step: the
   * parameters are read one after another.
   *
   * @throws WRITE_FAILED
   */
  async save(directory: string): Promise<void> {
    const { config, huggingFaceConfig, parameters, tokenizer } = this.#parts;
    await saveModelDirectory(directory, {
      config,
      huggingFaceConfig,
      parameters,
      tokenizer,
      read: (name) => this.readParameter(name),
    });
  }

  /** Waits for the running call, refuses the waiting ones, frees the memory. Idempotent. */
  async dispose(): Promise<void> {
    await this.#parts.engine.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

async function withEngine(
  options: Required<DeviceOptions>,
  config: EncoderConfig,
  build: (engine: Engine, parameters: NativeParameter[]) => Promise<TokenClassifier>,
): Promise<TokenClassifier> {
  if (options.precision !== 'fp32') {
    throw new PermafrostError(
      'INVALID_OPTION',
      `precision: '${options.precision}' is not available on device '${options.device}' yet. Use 'fp32'.`,
    );
  }
  const { labels, ...shape } = config;
  const engine = new Engine(options.threads);
  try {
    const parameters = await engine.call((native) =>
      native.createModel({ ...shape, numLabels: labels.length }, options.device, options.kernels),
    );
    return await build(engine, parameters);
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}

function sameLabels(labels: readonly string[], id2label: unknown): boolean {
  const stored = Object.values((id2label ?? {}) as Record<string, string>);
  return stored.length === labels.length && labels.every((label, id) => stored[id] === label);
}
