import { isMainThread } from 'node:worker_threads';
import type { RelativePositions } from '../contract/encoder-config.js';
import type { StepResult } from '../contract/results.js';
import type { ErrorCode } from '../errors/error.js';
import { type LoadedLibtorch, loadAddon } from './load-addon.js';

/** A packed batch as the addon reads it; the arrays are copied when the call is made. */
export interface NativeBatch {
  inputIds: Int32Array;
  labels?: Int32Array;
  cuSeqlens: Int32Array;
  /** Number of each sequence in its dataset, for a prefix store. */
  examples?: Int32Array;
  /** What each sequence counts for in the loss. */
  weights?: Float32Array;
  /** Place of each sequence's first token in the whole batch, by which dropout masks are drawn. */
  rows?: Int32Array;
}

/** Shares of one batch: `gradientShards` in all, of which these are the first, and those behind it. */
export interface NativeShards {
  shards: readonly NativeBatch[];
  first: number;
}

export interface NativePrefixStoreOptions {
  hiddenSize: number;
  precision: 'fp32' | 'bf16' | 'fp16';
  deviceBytes: number;
  memoryBytes: number;
  fileBytes: number;
  directory: string;
  /** Numbers of layers of the prefixes whose outputs are kept. */
  depths: Int32Array;
}

/** What a prefix store holds and how often it served. */
export interface PrefixStoreUsage {
  /** Examples whose outputs are kept, summed over the depths. */
  examples: number;
  memoryBytes: number;
  fileBytes: number;
  hits: number;
  misses: number;
  /** Of the hits, those of outputs that were there when the run began; each counts once a run. */
  borrowed: number;
}

/** Outputs of frozen prefixes by example, shared by the engines it is handed to. */
export interface NativePrefixStore {
  beginRun(): void;
  keep(depths: Int32Array): void;
  usage(): PrefixStoreUsage;
}

export interface NativeConfig {
  modelType: string;
  /** What stands on top of the encoder. */
  head: string;
  vocabSize: number;
  hiddenSize: number;
  numLayers: number;
  numHeads: number;
  intermediateSize: number;
  maxPositions: number;
  typeVocabSize: number;
  padTokenId: number;
  numLabels: number;
  hiddenAct: string;
  layerNormEps: number;
  hiddenDropout: number;
  attentionDropout: number;
  classifierDropout: number;
  initializerRange: number;
  embeddingSize: number;
  relativePositions: RelativePositions | null;
}

export interface NativeLossOptions {
  /** Of each label; empty where all count alike. */
  classWeights: Float32Array;
  labelSmoothing: number;
  focalGamma: number;
}

export interface NativeTrainerOptions {
  learningRate: number;
  weightDecay: number;
  beta1: number;
  beta2: number;
  eps: number;
  maxGradNorm: number;
  schedule: string;
  warmupSteps: number;
  totalSteps: number;
  layerDecay: number;
  headLearningRate: number;
  gradientAccumulation: number;
  seed: number;
  frozenDropout: boolean;
  loss: NativeLossOptions;
  /** Whether a card's steps are recorded as graphs. */
  graphs: boolean;
  /** Steps that a card may be ahead of the results. */
  readBackEvery: number;
  /** Whether gradients of layers are added up. */
  trackGradientL1: boolean;
  /** Ranks that train together; left out, it trains alone. */
  group?: NativeGroup;
  /** Parts of a batch whose gradients are summed in one order; 0 where there are as many as ranks. */
  gradientShards: number;
}

export interface NativeStepOptions {
  updateNow: boolean;
  /** Computes the whole last layer for tokens without a label, too. */
  everyToken: boolean;
  /** 32 bits, of which all ranks get those of all. */
  flags: number;
}

export interface NativePlan {
  embeddings: boolean;
  /** 1 where the whole layer is frozen. */
  layers: Uint8Array;
  /** Bits of the parts frozen beside: attention 1, feed-forward 2, LayerNorm 4, bias 8. */
  parts: Uint8Array;
}

export interface NativeParameter {
  name: string;
  shape: number[];
  count: number;
}

export interface NativeFreezeResult {
  /** For each parameter, in the order of `createModel`'s result, whether it learns. */
  trainable: Uint8Array;
  frozenPrefix: number;
}

/** How far a training had come at its last update. */
export interface TrainerPosition {
  /** Optimizer updates, which decide the learning rate. */
  updates: number;
  /** Training passes up to it, which decide the dropout masks. */
  passes: number;
}

/** AdamW's moments of one parameter, and the number of its updates. */
export interface NativeMoments {
  step: number;
  expAvg: Float32Array;
  expAvgSq: Float32Array;
}

/** Bytes that a model holds. */
export interface NativeMemory {
  parameters: number;
  gradients: number;
  optimizer: number;
  workspace: number;
}

/** Sum of the losses of all labelled tokens, and their number. */
export interface NativeLoss {
  sum: number;
  labelled: number;
}

/** Class of each token, one array a batch, and the loss of the tokens that have a label. */
export interface NativePredictions {
  classes: Int32Array[];
  loss: NativeLoss;
  /** Scores of the tokens that were asked for, row by row, one array a batch. */
  scores: Float32Array[];
}

/** Types that a model computes in. */
export type Precision = 'fp32' | 'bf16' | 'int8';

/** Where and by which means a model computes. */
export interface NativeDevice {
  /** `cpu` or `cuda:<number>`. */
  name: string;
  precision: Precision;
  /** Kernels of attention: `fused` on a CPU; `flash`, `memory-efficient` or `dense` on a card, or `own` and which of these for longer sequences. */
  attention: string;
  /** Whose kernels do what is not a product of matrices: the engine's own, or libtorch's alone. */
  kernels: 'own' | 'libtorch';
  /** On a card: why libtorch's kernels do all of it, or a part; null where nothing is missing. */
  whyNoKernels: string | null;
  /** Why steps are not recorded as graphs; null where they are. */
  whyNoGraphs: string | null;
  /** Steps recorded so far. */
  graphs: number;
  /** Kernels, copies and fills that the step recorded last launches; 0 where none was. */
  launches: number;
  /** Steps of the present trainer that may be under way at a time. */
  stepsInFlight: number;
  /** Bytes of a card that tensors take now, and the most they took; 0 on a CPU. */
  allocatedBytes: number;
  peakBytes: number;
}

/** What multiplies the large matrices of a model on a CPU. */
export interface MatmulFacts {
  library: 'libtorch' | 'onednn' | 'own';
  /** What stands behind the name, such as `OpenBLAS 0.3.21`. */
  description: string;
  /**
   * `forced` by option or environment; `measured` by this process as the fastest, or `kept` from an earlier one; `usual`
   * without measuring.
   */
  origin: 'forced' | 'measured' | 'kept' | 'usual';
  /** Why nothing was measured; null where it was, or is not asked. */
  reason: string | null;
  /** Threads that compute. */
  threads: number;
}

/** Time and amount of the matrix products of one training step. */
export interface NativeProducts {
  seconds: number;
  /** Floating-point operations, two for each multiplication with its addition. */
  flops: number;
  /** Number of products. */
  products: number;
  /** Names of the libraries that there are to multiply, on a CPU. */
  libraries: string[];
}

/** Covariances of pairs of representations, for linear CKA. */
export interface NativeLinearCka {
  values(): Float64Array;
  tokens(): number;
}

/** One model on one device with its own thread; every promise settles in the order of the calls. */
export interface NativeEngine {
  /** The parameters that `createModel` gives, without memory for them. */
  describeModel(config: NativeConfig): Promise<NativeParameter[]>;
  createModel(
    config: NativeConfig,
    device: string,
    kernels: string,
    precision: string,
    tf32: boolean,
    matmul: string,
    productsDirectory: string,
  ): Promise<NativeParameter[]>;
  initialise(seed: number, names: string[]): Promise<void>;
  /** The bytes are read in place: leave them alone until the promise settles. */
  /** With `rows`, row r of the data becomes row `rows[r]` of the parameter, or none where that is -1. */
  writeParameter(name: string, dtype: string, data: Uint8Array, rows?: Int32Array): Promise<void>;
  readParameter(name: string): Promise<Float32Array>;
  freeze(plan: NativePlan): Promise<NativeFreezeResult>;
  createTrainer(options: NativeTrainerOptions): Promise<number>;
  step(
    trainer: number,
    batch: NativeBatch | NativeShards,
    options: NativeStepOptions,
    store?: NativePrefixStore,
  ): Promise<StepResult>;
  /** @param shapes of batches to come, four numbers each: tokens, sequences, tokens of the longest, 1 where weighted */
  expectBatches(trainer: number, shapes: Int32Array): Promise<void>;
  /** Gives every rank what rank 0 has: 'weights', or the 'state': weights, moments, sums of gradients and position. */
  broadcast(trainer: number, what: 'weights' | 'state'): Promise<void>;
  gradients(trainer: number, batch: NativeBatch | NativeShards): Promise<Float64Array>;
  position(trainer: number): Promise<TrainerPosition>;
  seek(trainer: number, updates: number, passes: number): Promise<void>;
  /**
   * @param step updates that were done when the stage began; -1 for those done by now
   * @param totalSteps for which the schedule begins anew, with its warm-up; 0 where it goes on
   */
  beginStage(
    trainer: number,
    step: number,
    thawSteps: number,
    totalSteps: number,
    warmupSteps: number,
  ): Promise<void>;
  /** For each layer the L1 norm of its summed gradients, which are cleared. */
  gradientL1(trainer: number): Promise<Float64Array>;
  /** For each parameter, in the order of `createModel`'s result, the L1 norm of its summed gradients; NaN where it has none. */
  gradientSums(trainer: number): Promise<Float64Array>;
  writeGradientSum(trainer: number, name: string, sum: Float32Array): Promise<void>;
  /** Null where the parameter was never updated. */
  readMoments(trainer: number, name: string): Promise<NativeMoments | null>;
  writeMoments(
    trainer: number,
    name: string,
    step: number,
    expAvg: Float32Array,
    expAvgSq: Float32Array,
  ): Promise<void>;
  /** For each parameter, in the order of `createModel`'s result, the number of its updates; NaN where it has no moments. */
  momentSteps(trainer: number): Promise<Float64Array>;
  /**
   * Appends tensors' elements in their order where a file descriptor stands.
   *
   * @param trainer whose moments; 0 where only weights are wanted
   * @param kinds of each tensor: weight 0, expAvg 1, expAvgSq 2, gradientSum 3
   * @param names parameter of each tensor
   */
  dumpTensors(
    fd: number,
    trainer: number,
    kinds: Uint8Array,
    names: readonly string[],
    dtype: 'F32' | 'F16',
  ): Promise<void>;
  /** For each parameter the mean squared norm of the batches' gradients and the squared norm of their mean; NaN where it does not learn. */
  gradientMoments(trainer: number, batches: readonly (NativeBatch | NativeShards)[]): Promise<Float64Array>;
  logits(batch: NativeBatch): Promise<Float32Array>;
  /** Outputs of the embeddings and of each layer, of the labelled tokens where there are labels, else of all. */
  hiddenStates(batch: NativeBatch): Promise<Float32Array>;
  /** Adds the outputs for a batch beside those of another model, of tokens of so many numbers each. */
  compareStates(
    comparison: NativeLinearCka,
    batch: NativeBatch,
    states: Float32Array,
    width: number,
  ): Promise<void>;
  loss(batches: NativeBatch[]): Promise<NativeLoss>;
  /** @param scored tokens of each batch whose scores are wanted, too */
  /** Outputs of the frozen prefix for a batch that has `examples`, by way of the store, as bytes of the activations' type. */
  prefixRows(batch: NativeBatch, store: NativePrefixStore): Promise<Uint8Array>;
  /** Keeps in the store what another engine of the same weights gave for the batch. */
  keepPrefixRows(batch: NativeBatch, store: NativePrefixStore, rows: Uint8Array): Promise<void>;
  predict(
    batches: NativeBatch[],
    store?: NativePrefixStore,
    scored?: readonly Int32Array[],
  ): Promise<NativePredictions>;
  takeSnapshot(): Promise<void>;
  restoreSnapshot(): Promise<void>;
  memory(): Promise<NativeMemory>;
  device(): Promise<NativeDevice>;
  /** Measures where that is still to be done. */
  products(): Promise<MatmulFacts | null>;
  /** @param library what multiplies, by its name; empty for what the model takes */
  gemmFloor(numTokens: number, scoredTokens: number, library: string): Promise<NativeProducts>;
  /** Number of the call made last, for `cancel`. */
  lastJob(): number;
  /** Takes a waiting call out of the queue, or asks a running one to stop; true where it was waiting. */
  cancel(job: number): boolean;
  dispose(): Promise<void>;
}

/** The BLAS that libtorch computes with. */
export interface NativeBlas {
  /** OpenBLAS, MKL, or BLAS where it is another one; null where none was recognised. */
  name: string | null;
  /** The file it was loaded from; null where it is a part of libtorch. */
  path: string | null;
  /** How OpenBLAS was built; null for others. */
  threading: 'sequential' | 'pthread' | 'openmp' | null;
}

/** The libtorch in this process, and what it brought along. */
export interface NativeLibtorch extends LoadedLibtorch {
  /** Whether libtorch finds a CUDA device that it can use. */
  hasCuda: boolean;
  /** Whether the addon was linked with libtorch's CUDA part. */
  isCudaBuild: boolean;
  /** Version of CUDA's runtime library, 1000 * major + 10 * minor; null in a CPU build. */
  cudaRuntime: number | null;
  /** Whether strings have the C++11 form (`_GLIBCXX_USE_CXX11_ABI`); null with another standard library. */
  cxx11Abi: boolean | null;
  blas: NativeBlas;
  /** What can multiply large fp32 matrices on a CPU, the usual one first. */
  products: Pick<MatmulFacts, 'library' | 'description'>[];
}

/** What NVIDIA's driver says. */
export interface NativeNvidiaDriver {
  version: string | null;
  /** The newest CUDA that the driver serves, 1000 * major + 10 * minor; null without a driver. */
  cudaVersion: number | null;
  /** In the order of the numbers in `cuda:0`, `cuda:1`. */
  cards: { name: string; busId: string; computeCapability: string; memoryBytes: number }[];
  /** Why there are no cards. */
  problem: string | null;
}

/** Energy of one card; null where it does not tell. */
export interface NativeCardEnergy {
  /** Counted since the driver was loaded. */
  joules: number | null;
  /** Power drawn now. */
  watts: number | null;
}

export interface NativeGroupOptions {
  rank: number;
  size: number;
  host: string;
  port: number;
  serves: boolean;
  prefix: string;
  /** Address to listen at; empty for the one by which the store is reached. */
  bind: string;
  secret: string;
  device: string;
  firstTimeoutSeconds: number;
  timeoutSeconds: number;
}

/** The processes that train one model together; calls run one after another on a thread of its own. */
export interface NativeGroup {
  rank: number;
  size: number;
  members: { rank: number; host: string; pid: number; device: string }[];
  gather(bytes: Uint8Array): Promise<Uint8Array[]>;
  bytesSent(): number;
  leave(reason: string): Promise<void>;
}

/** The whole surface of the addon. */
export interface Addon {
  version: string;
  libtorch: NativeLibtorch;
  errorCodes: ErrorCode[];
  availableCores: number;
  nvidiaDriver(): NativeNvidiaDriver;
  /** @param device number of the device, as in `cuda:0` */
  cardEnergy(device: number): NativeCardEnergy;
  /** Gives up the work of every engine of this process and waits for their threads; there is none afterwards. */
  endEngines(): void;
  Engine: new (threads: number) => NativeEngine;
  PrefixStore: new (offsets: Int32Array, options: NativePrefixStoreOptions) => NativePrefixStore;
  LinearCka: new (pairs: number) => NativeLinearCka;
  joinGroup(options: NativeGroupOptions): Promise<NativeGroup>;
}

let known: Addon | undefined;

/**
 * The addon, loaded at the first call.
 *
 * @throws ADDON_MISSING, ADDON_MISMATCH
 */
export function addon(): Addon {
  if (known === undefined) {
    const loaded = loadAddon() as Addon;
    // exit() destroys what libtorch computes with, while other threads go on. Worker threads end before the main one
    // exits, and their engines with them.
    if (isMainThread) process.prependListener('exit', () => loaded.endEngines());
    known = loaded;
  }
  return known;
}
