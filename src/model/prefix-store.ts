import { tmpdir } from 'node:os';
import type { EncodedDataset } from '../contract/encoded-dataset.js';
import { addon, type NativePrefixStore, type PrefixStoreUsage } from '../native/addon.js';
import { nativeError } from '../native/call.js';

/** Type in which outputs are kept. */
export type StorePrecision = 'fp32' | 'bf16' | 'fp16';

export const ELEMENT_BYTES: Readonly<Record<StorePrecision, number>> = { fp32: 4, bf16: 2, fp16: 2 };

/** What a prefix store keeps, and where. */
export interface PrefixStoreOptions {
  /** Size of the encoder's hidden states. */
  hiddenSize: number;
  /** Numbers of layers of the frozen prefixes whose outputs are kept, each at least 1. */
  depths: readonly number[];
  /** With `fp32` results are those of a model that computes the prefix anew each time. @default 'fp32' */
  precision?: StorePrecision;
  /** Bytes at most on the device of the models that use it, which are read first. @default 0 */
  deviceBytes?: number;
  /** Bytes of memory at most; page-locked where the models are on a card. */
  memoryBytes: number;
  /** Bytes at most of a temporary file for what does not fit into memory. @default 0 */
  fileBytes?: number;
  /** Where that file is made; it has no name and ends with the process. @default the system's */
  directory?: string;
}

/**
 * Outputs of the frozen prefix for the examples of one dataset, computed once and read by every model
 * with the same frozen weights. Rows of other weights or other tokens are never served.
 */
export class PrefixStore {
  /** For the model's calls. */
  readonly native: NativePrefixStore;
  /** Whether it has room for the outputs of all examples at one depth. */
  readonly holdsAll: boolean;

  /** @throws INVALID_OPTION, ADDON_MISSING, ADDON_MISMATCH */
  constructor(dataset: EncodedDataset, options: PrefixStoreOptions) {
    const { hiddenSize, precision = 'fp32', deviceBytes = 0, memoryBytes, fileBytes = 0 } = options;
    const whole = dataset.offsets.at(-1)! * hiddenSize * ELEMENT_BYTES[precision];
    this.holdsAll = deviceBytes + memoryBytes + fileBytes >= whole;
    try {
      this.native = new (addon().PrefixStore)(dataset.offsets, {
        ...{ hiddenSize, precision, deviceBytes, memoryBytes, fileBytes },
        directory: options.directory ?? tmpdir(),
        depths: Int32Array.from(options.depths),
      });
    } catch (error) {
      throw nativeError(error, new Error());
    }
  }

  /**
   * Changes the depths whose outputs are kept. Those of others are given up, but for the deepest one that a wanted
   * depth can be computed from.
   *
   * @throws INVALID_OPTION
   */
  keep(depths: readonly number[]): void {
    try {
      this.native.keep(Int32Array.from(depths));
    } catch (error) {
      throw nativeError(error, new Error());
    }
  }

  /** From here on, outputs that are there already count as borrowed when they are first read. */
  beginRun(): void {
    this.native.beginRun();
  }

  usage(): PrefixStoreUsage {
    return this.native.usage();
  }
}
