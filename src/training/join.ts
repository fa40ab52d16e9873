import { placeOf } from '../distributed/environment.js';
import { Group } from '../distributed/group.js';
import { PermafrostError } from '../errors/error.js';
import type { TrainingSettings } from './settings.js';

/** The group that a training is a rank of, and how it leaves. */
export interface Membership {
  /** Null where it is alone. */
  group: Group | null;
  /** Leaves a group that was joined here, and in any case one that the training failed in, which waits for it. */
  leave(failure?: unknown): Promise<void>;
}

/**
 * Joins the other ranks where the option says so; a group that was given is joined already.
 *
 * @param device where the model is.
 * @throws INVALID_OPTION where the environment has no place for this process; RANK_FAILED where a rank does not come
 */
export async function joinRanks(
  distributed: TrainingSettings['distributed'],
  device: string,
): Promise<Membership> {
  if (distributed instanceof Group) {
    return { group: distributed, leave: async (failure) => void (failure && (await close(distributed, failure))) };
  }
  const group = distributed === 'env' ? await joinEnvironment(device) : null;
  return { group, leave: async (failure) => void (group && (await close(group, failure))) };
}

async function joinEnvironment(device: string): Promise<Group | null> {
  const place = placeOf();
  if (place === null) {
    throw new PermafrostError(
      'INVALID_OPTION',
      "distributed: 'env' needs the variables of a launcher, and there are none. Start the processes with " +
        "`permafrost launch`, torchrun or Slurm, or leave the option out.",
      { option: 'distributed' },
    );
  }
  return place.size === 1 ? null : Group.join(place, { device });
}

/** The others learn why; what stops all alike is no reason. */
async function close(group: Group, failure: unknown): Promise<void> {
  const reason = failure instanceof Error && failure.name !== 'AbortError' ? failure.message : '';
  await group.close(reason);
}
