import { placeOf } from '../distributed/environment.js';
import { Group } from '../distributed/group.js';
import { PermafrostError } from '../errors/error.js';
import { addon } from '../native/addon.js';
import { Ranks } from './ranks.js';
import type { TrainingSettings } from './settings.js';

/** As whom a training takes part, and on which device. */
export interface Membership {
  distributed: TrainingSettings['distributed'] | undefined;
  /** Where the model is, or will be. */
  device: string;
  gradientShards?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Joins the other ranks where the option says so, does the work, and leaves them. Where the work fails, a group that the
 * caller had joined is left, too: the others wait for this rank, and are told why.
 *
 * @throws INVALID_OPTION where the environment has no place for this process; RANK_FAILED where a rank does not come;
 *   what the work throws
 */
export async function* withRanks<Event, Result>(
  { distributed, device, gradientShards, signal }: Membership,
  work: (ranks: Ranks) => AsyncGenerator<Event, Result>,
): AsyncGenerator<Event, Result> {
  const group = distributed === 'env' ? await joinEnvironment(device) : groupOf(distributed);
  let reason: string | undefined;
  try {
    return yield* work(new Ranks(group, { gradientShards, signal }));
  } catch (error) {
    reason = reasonOf(error);
    throw error;
  } finally {
    if (distributed === 'env' || reason !== undefined) await group?.close(reason);
  }
}

function groupOf(distributed: Group | 'off' | undefined): Group | null {
  return distributed instanceof Group ? distributed : null;
}

/** Groups that this process has joined by its environment, as many as every other rank. */
let joined = 0;

async function joinEnvironment(device: string): Promise<Group | null> {
  const place = placeOf();
  if (place === null) {
    throw new PermafrostError(
      'INVALID_OPTION',
      "distributed: 'env' needs the variables of a launcher, and there are none. Start the processes with " +
        '`permafrost launch`, torchrun or Slurm, or leave the option out.',
      { option: 'distributed' },
    );
  }
  if (place.size === 1) return null;
  // Each training of a process meets by keys of its own.
  const prefix = `${place.prefix}/${joined++}`;
  return Group.join({ ...place, prefix }, { device: numbered(device) });
}

/** A device by its number, where it is one that the engine chooses. */
function numbered(device: string): string {
  if (device === 'cuda') return 'cuda:0';
  if (device !== 'auto') return device;
  return addon().libtorch.hasCuda ? 'cuda:0' : 'cpu';
}

/** What the others are told; all stop alike where one is stopped, and nobody needs to be told. */
function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'AbortError' ? undefined : error.message;
}
