import { PermafrostError } from '../errors/error.js';
import { addon, type NativeGroup } from '../native/addon.js';
import { nativeError } from '../native/call.js';
import type { Place } from './place.js';

/** How a process waits for the others of its group. */
export interface GroupOptions {
  /**
   * Where the tensors are that the ranks sum: `cpu` or `cuda:<number>`.
   *
   * @default 'cpu'
   */
  device?: string;
  /**
   * Seconds to wait for the ranks to come, and in the first exchange.
   *
   * @default 600
   */
  firstTimeoutSeconds?: number;
  /**
   * Seconds that a rank may be silent, or behind the others, afterwards.
   *
   * @default 120
   */
  timeoutSeconds?: number;
}

/** One of the processes that train together. */
export interface Member {
  rank: number;
  host: string;
  pid: number;
  device: string;
}

/**
 * The processes that train one model together, as one of them sees it.
 *
 * All ranks make the same calls in the same order, each after the one before has settled. When a rank dies, falls
 * silent or leaves, every call rejects with RANK_FAILED that names it and its host; the group is of no use then.
 */
export class Group {
  readonly rank: number;
  readonly size: number;
  /** By rank. */
  readonly members: readonly Member[];

  private constructor(
    /** For the trainer. */
    readonly native: NativeGroup,
    readonly launcher: Place['launcher'],
  ) {
    this.rank = native.rank;
    this.size = native.size;
    this.members = native.members;
  }

  /**
   * Meets the other ranks.
   *
   * @throws RANK_FAILED where one does not come in time, ADDON_MISSING, ADDON_MISMATCH
   */
  static async join(place: Place, options: GroupOptions = {}): Promise<Group> {
    const { rank, size, host, port, serves, prefix } = place;
    const native = await settled(() =>
      addon().joinGroup({
        rank,
        size,
        host,
        port,
        serves: serves && rank === 0,
        prefix,
        bind: place.bind ?? '',
        secret: place.secret ?? '',
        device: options.device ?? 'cpu',
        firstTimeoutSeconds: options.firstTimeoutSeconds ?? 600,
        timeoutSeconds: options.timeoutSeconds ?? 120,
      }),
    );
    return new Group(native, place.launcher);
  }

  /**
   * The bytes of every rank, by rank; lengths may differ.
   *
   * @throws RANK_FAILED, RANKS_DIVERGED
   */
  gatherBytes(bytes: Uint8Array): Promise<Uint8Array[]> {
    return settled(() => this.native.gather(bytes));
  }

  /**
   * The value of every rank, by rank, as JSON carries it.
   *
   * @throws RANK_FAILED, RANKS_DIVERGED
   */
  async gather<T>(value: T): Promise<T[]> {
    const all = await this.gatherBytes(new TextEncoder().encode(JSON.stringify(value ?? null)));
    return all.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as T);
  }

  /**
   * Compares what must be alike on all ranks.
   *
   * @param facts by name: digests, numbers, settings; JSON compares them
   * @throws RANKS_DIVERGED on every rank, naming a fact that differs, the ranks, their hosts and both values;
   *   RANK_FAILED
   */
  async agree(facts: Readonly<Record<string, unknown>>): Promise<void> {
    const all = await this.gather(facts);
    const names = [...new Set(all.flatMap((facts) => Object.keys(facts)))];
    for (const name of names) {
      const values = all.map((facts) => JSON.stringify(facts[name]) ?? 'nothing');
      const other = values.findIndex((value) => value !== values[0]);
      if (other < 0) continue;
      const [first, second] = [0, other].map((rank) => this.describe(rank));
      throw new PermafrostError(
        'RANKS_DIVERGED',
        `${name} differs: ${values[0]} on ${first}, ${values[other]} on ${second}. ` +
          'Start all ranks with the same command, data and version.',
        { fact: name, ranks: [0, other], values: [values[0], values[other]] },
      );
    }
  }

  /** A rank as messages name it. */
  describe(rank: number): string {
    const { host, pid } = this.members[rank]!;
    return `rank ${rank} (${host}, process ${pid})`;
  }

  /** Bytes that this rank has sent to others so far. */
  bytesSent(): number {
    return this.native.bytesSent();
  }

  /**
   * Leaves the group. Other ranks' calls that this rank has done its part in succeed; the first one that it has not, under
   * way or later, fails with RANK_FAILED. A call of this rank that is under way rejects with DISPOSED. Idempotent.
   *
   * @param reason why it leaves early, which the others name
   */
  close(reason = ''): Promise<void> {
    return settled(() => this.native.leave(reason));
  }
}

async function settled<T>(call: () => Promise<T>): Promise<T> {
  const callSite = new Error('call');
  try {
    return await call();
  } catch (error) {
    throw nativeError(error, callSite);
  }
}
