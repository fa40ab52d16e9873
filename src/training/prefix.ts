import type { EncodedDataset } from '../contract/encoded-dataset.js';
import type { FreezePlan } from '../contract/freeze-plan.js';
import { prefixDepths } from '../freezing/frozen-prefix.js';
import type { EncoderModel } from '../model/encoder-model.js';
import type { PrefixStore } from '../model/prefix-store.js';
import type { PrefixStoreUsage } from '../native/addon.js';
import type { PrefixStoreSummary } from './events.js';
import { PrefixCache } from './prefix-cache.js';

/** What the frozen prefix's outputs may take of a card's memory where the caller gives no cache. */
const CARD_BYTES = 2 ** 31;

/** How a run computes its frozen prefix, and where the prefix's outputs are kept. */
export class FrozenPrefix {
  /** Whether dropout acts in it while training: `auto` decided, by all plans that the run may come to. */
  readonly dropout: 'on' | 'off';
  readonly #model: EncoderModel;
  /** Of all plans that the run may come to, and of those that are left and whose outputs stand still by now. */
  readonly #depths: number[];
  #wanted: number[] = [];
  #deepest = 0;
  readonly #cache: PrefixCache | null;
  readonly #usedBefore: PrefixStoreUsage | null;
  readonly #used = new Set<PrefixStore>();

  /** @param cache false keeps nothing, undefined takes a cache of the run's own. */
  constructor(
    model: EncoderModel,
    reachable: readonly FreezePlan[],
    frozenDropout: 'on' | 'off' | 'auto',
    cache: PrefixCache | false | undefined,
  ) {
    this.#model = model;
    this.#depths = prefixDepths(reachable);
    const canKeep = this.#depths.length > 0 && cache !== false;
    const chosen = frozenDropout === 'auto' ? (canKeep ? 'off' : 'on') : frozenDropout;
    const { hiddenDropout, attentionDropout } = model.config;
    const isAlwaysTheSame = chosen === 'off' || (hiddenDropout === 0 && attentionDropout === 0);
    this.dropout = chosen;
    this.#cache =
      canKeep && isAlwaysTheSame
        ? cache || new PrefixCache({ deviceBytes: model.device.startsWith('cuda') ? CARD_BYTES : 0 })
        : null;
    this.#usedBefore = this.#cache?.usage() ?? null;
  }

  /** What the trainer is told: a prefix that is kept has no dropout, whether it was left out or has a rate of 0. */
  get trainerDropout(): 'on' | 'off' {
    return this.#cache ? 'off' : this.dropout;
  }

  /** In which type the outputs were asked to be kept; null where they are not. */
  get precision(): PrefixStoreSummary['precision'] | null {
    return this.#cache?.precision ?? null;
  }

  /**
   * To be called whenever the plan has changed.
   *
   * @param reachable the present plan and those that may follow.
   */
  enter(reachable: readonly FreezePlan[]): void {
    this.#wanted = prefixDepths(reachable, this.#model.frozenPrefix);
    this.#deepest = Math.max(this.#deepest, this.#model.frozenPrefix);
  }

  /**
   * The store of a dataset under the model's present plan; undefined where the prefix is computed in every step.
   *
   * @param key what stands for the dataset from run to run.
   */
  storeFor(key: object, dataset: EncodedDataset): PrefixStore | undefined {
    if (this.#cache === null || this.#model.frozenPrefix < 1) return undefined;
    const { hiddenSize } = this.#model.config;
    const { precision } = this.#model;
    const store = this.#cache.storeFor(key, dataset, { hiddenSize, precision }, this.#depths, this.#wanted);
    if (!this.#used.has(store)) store.beginRun();
    this.#used.add(store);
    return store;
  }

  /** What the stores did for this run, of a cache that runs may share. */
  summary(): PrefixStoreSummary | null {
    if (this.#cache === null || this.#used.size === 0) return null;
    const now = this.#cache.usage();
    const { hits, misses, borrowed } = this.#usedBefore!;
    return {
      depth: this.#deepest,
      precision: this.#cache.keptAs(this.#model.precision),
      ...now,
      hits: now.hits - hits,
      misses: now.misses - misses,
      borrowed: now.borrowed - borrowed,
    };
  }
}
