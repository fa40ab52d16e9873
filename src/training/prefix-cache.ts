import { freemem } from 'node:os';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { bytesOf } from '../io/bytes-of.js';
import { ELEMENT_BYTES, PrefixStore, type StorePrecision } from '../model/prefix-store.js';
import type { Precision, PrefixStoreUsage } from '../native/addon.js';

/** Share of the free memory that is used where the caller sets no budget. */
const DEFAULT_MEMORY_SHARE = 0.25;

/** Budget of a prefix cache. */
export interface PrefixCacheOptions {
  /**
   * Type in which outputs are kept. `fp32` changes no result: those of a model that computes in bf16 are bf16 numbers and
   * are kept as such. @default 'fp32'
   */
  precision?: StorePrecision;
  /** Bytes on the device of the models, for all datasets together; worth having on a card. @default 0 */
  deviceBytes?: number;
  /** Bytes of memory for all datasets together. @default a quarter of what is free */
  memoryBytes?: number;
  /** Bytes of temporary files for what does not fit into memory. @default 0 */
  fileBytes?: number;
  /** Directory of those files. @default the system's */
  directory?: string;
  /** Numbers of layers of the prefixes that will be asked for; one pass then computes all. @default the first asked for */
  depths?: readonly number[];
}

interface KeptStore {
  store: PrefixStore;
  dataset: EncodedDataset;
  hiddenSize: number;
  precision: StorePrecision;
  depths: readonly number[];
}

/** What of a model decides which store it uses. */
export interface PrefixModel {
  hiddenSize: number;
  precision: Precision;
}

/**
 * Prefix stores of several datasets within one budget. Runs that are given the same cache share what
 * they compute, as far as their frozen weights are the same.
 */
export class PrefixCache {
  readonly precision: StorePrecision;
  readonly #options: PrefixCacheOptions;
  readonly #stores = new Map<object, KeptStore[]>();
  #deviceLeft: number;
  #memoryLeft: number;
  #fileLeft: number;

  constructor(options: PrefixCacheOptions = {}) {
    this.#options = options;
    this.precision = options.precision ?? 'fp32';
    this.#deviceLeft = options.deviceBytes ?? 0;
    this.#memoryLeft = Math.floor(options.memoryBytes ?? freemem() * DEFAULT_MEMORY_SHARE);
    this.#fileLeft = options.fileBytes ?? 0;
  }

  /**
   * The store of a dataset, made at the first call. A model of another width or precision or a dataset of other tokens has
   * one of its own, and so have depths that the earlier ones do not keep.
   *
   * @param key what stands for the dataset from run to run, such as the array of its sentences
   * @param depths numbers of layers of the prefixes that will be asked for
   * @param wanted those of them that are worth keeping from here on, where not all are
   */
  storeFor(
    key: object,
    dataset: EncodedDataset,
    model: PrefixModel,
    depths: readonly number[],
    wanted: readonly number[] = depths,
  ): PrefixStore {
    const { hiddenSize } = model;
    const precision = this.keptAs(model.precision);
    const ofKey = this.#stores.get(key) ?? [];
    this.#stores.set(key, ofKey);
    const { inputIds } = dataset;
    const existing = ofKey.find(
      (kept) =>
        kept.hiddenSize === hiddenSize &&
        kept.precision === precision &&
        depths.every((depth) => kept.depths.includes(depth)) &&
        Buffer.compare(bytesOf(kept.dataset.offsets), bytesOf(dataset.offsets)) === 0 &&
        Buffer.compare(bytesOf(kept.dataset.inputIds), bytesOf(inputIds)) === 0,
    );
    const planned = this.#options.depths ?? [];
    // What other runs will ask for is kept for them.
    const isPlanned = depths.every((depth) => planned.includes(depth));
    const kept = isPlanned ? planned : wanted;
    if (existing) {
      existing.store.keep(kept);
      return existing.store;
    }
    // While a deeper prefix is filled, the one before is there, too.
    const atOnce = kept.length + Number(depths.some((depth) => depth > Math.max(...kept)));
    const store = this.#open(dataset, { hiddenSize, precision }, kept, atOnce);
    ofKey.push({ store, dataset, hiddenSize, precision, depths: isPlanned ? planned : depths });
    return store;
  }

  /** Type in which outputs of a model are kept. What it computes in bf16 loses nothing in bf16, and takes half the bytes. */
  keptAs(computed: Precision): StorePrecision {
    return this.precision === 'fp32' && computed === 'bf16' ? 'bf16' : this.precision;
  }

  /** A new store, for which as much of the budget is set apart as its dataset can fill. */
  #open(
    dataset: EncodedDataset,
    { hiddenSize, precision }: { hiddenSize: number; precision: StorePrecision },
    depths: readonly number[],
    atOnce: number,
  ): PrefixStore {
    const whole = dataset.inputIds.length * hiddenSize * ELEMENT_BYTES[precision] * atOnce;
    const deviceBytes = Math.min(whole, this.#deviceLeft);
    const memoryBytes = Math.min(whole - deviceBytes, this.#memoryLeft);
    const fileBytes = Math.min(whole - deviceBytes - memoryBytes, this.#fileLeft);
    this.#deviceLeft -= deviceBytes;
    this.#memoryLeft -= memoryBytes;
    this.#fileLeft -= fileBytes;
    const { directory } = this.#options;
    return new PrefixStore(dataset, {
      hiddenSize,
      depths,
      precision,
      deviceBytes,
      memoryBytes,
      fileBytes,
      ...(directory !== undefined && { directory }),
    });
  }

  /** Sums over all stores. */
  usage(): PrefixStoreUsage {
    const total = { examples: 0, memoryBytes: 0, fileBytes: 0, hits: 0, misses: 0, borrowed: 0 };
    for (const { store } of [...this.#stores.values()].flat()) {
      const usage = store.usage();
      for (const key of Object.keys(total) as (keyof PrefixStoreUsage)[]) total[key] += usage[key];
    }
    return total;
  }
}
