import { leavesOf, shardOf, shardSequences } from '../batching/shards.js';
import type { BatchShards, PackedBatch } from '../contract/packed-batch.js';
import type { Peers } from '../contract/peers.js';
import type { Group } from '../distributed/group.js';
import type { EnergyCounter } from '../energy/counter.js';
import { PermafrostError } from '../errors/error.js';
import { flatten } from '../io/difference.js';
import type { RanksSummary } from './events.js';

/** What a rank raises with an update, and all ranks see in its result. */
const STOP = 1;
const SAVE = 2;

/**
 * What a training does otherwise when it is one of several ranks: which share of a batch it computes, who writes, and how
 * all decide alike. Alone, each call is what it would be without.
 *
 * A decision that depends on time or signals is one by the flags of an update, which all ranks see in the same result.
 */
export class Ranks implements Peers {
  readonly #gradientShards: number | undefined;
  readonly #signal: AbortSignal | undefined;
  #seen = 0;

  /** @throws INVALID_OPTION for fewer gradient shards than ranks */
  constructor(
    /** Null where the training is alone. */
    readonly group: Group | null,
    {
      gradientShards,
      signal,
    }: { gradientShards?: number | undefined; signal?: AbortSignal | undefined } = {},
  ) {
    this.#gradientShards = gradientShards;
    this.#signal = signal;
    if (gradientShards === undefined || gradientShards >= this.size) return;
    throw new PermafrostError(
      'INVALID_OPTION',
      `gradientShards: expected at least one for each of the ${this.size} ranks, got ${gradientShards}.`,
      { option: 'gradientShards', expected: this.size, got: gradientShards },
    );
  }

  get rank(): number {
    return this.group?.rank ?? 0;
  }

  get size(): number {
    return this.group?.size ?? 1;
  }

  /** Whether this is the rank that writes. */
  get isFirst(): boolean {
    return this.rank === 0;
  }

  /** With whom measuring is shared; undefined alone. */
  get peers(): Peers | undefined {
    return this.group === null ? undefined : this;
  }

  /** What a trainer takes. */
  get trainerOptions(): { group?: Group; gradientShards?: number } {
    return {
      ...(this.group && { group: this.group }),
      ...(this.#gradientShards !== undefined && { gradientShards: this.#gradientShards }),
    };
  }

  /** What this rank computes of each batch: its shard, or its leaves of the gradient shards. */
  *sharesOf(batches: Iterable<PackedBatch>): Generator<PackedBatch | BatchShards> {
    const shards = this.#gradientShards;
    const { first, count } = leavesOf(shards ?? this.size, this);
    for (const batch of batches) {
      if (shards === undefined && this.group === null) {
        yield batch;
        continue;
      }
      const own = shardSequences(batch.cuSeqlens, shards ?? this.size).slice(first, first + count);
      const parts = own.map((sequences) => shardOf(batch, sequences));
      yield shards === undefined ? parts[0]! : { shards: parts, first };
    }
  }

  /** Flags to give an update. @param isSaveDue whether this rank, by its clock, wants the state written. */
  flags(isSaveDue: boolean): number {
    if (this.group === null) return 0;
    return (this.#signal?.aborted ? STOP : 0) | (isSaveDue ? SAVE : 0);
  }

  /** To be told the flags of each update, as all ranks raised them. */
  see(flags: number): void {
    this.#seen |= flags;
  }

  /** Whether the training stops here: alone by the signal, else by what was raised. */
  get isStopped(): boolean {
    return this.group === null ? this.#signal?.aborted === true : (this.#seen & STOP) !== 0;
  }

  /** Whether the state is to be written. @param isSaveDue by this rank's clock, which decides alone. */
  isSaveDue(isSaveDue: boolean): boolean {
    return this.group === null ? isSaveDue : (this.#seen & SAVE) !== 0;
  }

  /** To be told when the state is written. */
  saved(): void {
    this.#seen &= ~SAVE;
  }

  /** @throws on all ranks where the training was stopped on one: `signal.reason` there, an AbortError naming it elsewhere. */
  async throwIfStopped(): Promise<void> {
    if (!this.isStopped) return;
    const all = await this.gather(this.#signal?.aborted === true);
    this.#signal?.throwIfAborted();
    throw this.#stoppedBy(all.indexOf(true));
  }

  /** The same where no update tells: asks all ranks. */
  async askIfStopped(): Promise<void> {
    await this.gatherBytes(async () => {
      this.#signal?.throwIfAborted();
      return new Uint8Array(0);
    });
  }

  /** What each rank has, by rank, as JSON carries it. */
  async gather<T>(value: T): Promise<T[]> {
    return this.group === null ? [value] : this.group.gather(value);
  }

  async gatherBytes(work: () => Promise<Uint8Array>): Promise<Uint8Array[]> {
    if (this.group === null) return [await work()];
    const own = await work().catch((error: unknown) => {
      if (this.#signal?.aborted !== true) throw error;
      return null;
    });
    // The first byte tells whether there is anything behind it.
    const told = await this.group.gatherBytes(own === null ? Uint8Array.of(0) : Buffer.concat([ONE, own]));
    const stopped = told.findIndex((bytes) => bytes[0] === 0);
    if (stopped < 0) return told.map((bytes) => bytes.subarray(1));
    this.#seen |= STOP;
    this.#signal?.throwIfAborted();
    throw this.#stoppedBy(stopped);
  }

  /** What the first rank alone does, and all are told; where it fails, all do. The value is one that JSON carries. */
  async tell<T>(work: () => Promise<T>): Promise<T> {
    if (this.group === null) return work();
    const own = this.isFirst ? await settled(work) : null;
    const told = (await this.group.gather(own && toldOf(own)))[0]!;
    if (own !== null) return unwrapped(own);
    if ('value' in told) return told.value as T;
    const { code, message, details } = told.error;
    const where = this.group.describe(0);
    throw new PermafrostError(code ?? 'RANK_FAILED', `On ${where}: ${message}`, { ...details, rank: 0 });
  }

  /** The same where the value stays with the first rank; null on the others. */
  async onFirst<T>(work: () => Promise<T>): Promise<T | null> {
    let value: T | null = null;
    await this.tell(async () => {
      value = await work();
      return null;
    });
    return value;
  }

  /**
   * Compares what decides a training; nested values are compared one by one, so that the message names the one.
   *
   * @throws RANKS_DIVERGED
   */
  async agree(facts: object): Promise<void> {
    await this.group?.agree(Object.fromEntries(flatten(facts)));
  }

  /** Of what this machine can measure, what no other rank on it does: processor and memory are one rank's alone. */
  ownCounters(counters: readonly EnergyCounter[]): readonly EnergyCounter[] {
    if (this.group === null) return counters;
    const { members, rank } = this.group;
    const { host, device } = members[rank]!;
    const before = members.slice(0, rank).filter((member) => member.host === host);
    return counters.filter(({ part }) =>
      part === 'gpu' ? before.every((member) => member.device !== device) : before.length === 0,
    );
  }

  /** What a record tells of the ranks; null alone. */
  summary(): RanksSummary | null {
    if (this.group === null) return null;
    const { size, members } = this.group;
    return {
      number: size,
      hosts: members.map(({ host }) => host),
      devices: members.map(({ device }) => device),
    };
  }

  #stoppedBy(rank: number): Error {
    const where = rank < 0 ? 'another rank' : this.group!.describe(rank);
    return new DOMException(`The training was stopped on ${where}.`, 'AbortError');
  }
}

const ONE = Uint8Array.of(1);

type Settled<T> = { value: T } | { error: unknown };
type Told =
  | { value: unknown }
  | { error: { code: PermafrostError['code'] | null; message: string; details: PermafrostError['details'] } };

async function settled<T>(work: () => Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error };
  }
}

function unwrapped<T>(own: Settled<T>): T {
  if ('value' in own) return own.value;
  throw own.error;
}

function toldOf(own: Settled<unknown>): Told {
  if ('value' in own) return { value: own.value ?? null };
  const { error } = own;
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof PermafrostError)) return { error: { code: null, message, details: {} } };
  return { error: { code: error.code, message, details: error.details } };
}
