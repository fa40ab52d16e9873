import { z } from 'zod';
import { placeOf } from '../distributed/environment.js';
import type { Place } from '../distributed/place.js';
import { addon } from '../native/addon.js';
import type { CommandContext } from './context.js';
import { silentOutput } from './output.js';
import type { Flags } from './schema-options.js';

/** Whether a command trains together with the processes that were started beside it. */
export const distributedOption = z
  .enum(['auto', 'off'])
  .optional()
  .describe(
    'auto: train one model with the processes that torchrun, Kubeflow, launch or srun started beside this one; off: alone ' +
      '(default: auto, and off under srun, whose tasks may as well be runs of their own)',
  );

/** As which of several processes a command trains. */
export interface OwnRank {
  distributed: 'env' | 'off';
  /** Whether this process prints and writes. */
  isFirst: boolean;
  /** The command's context, in which only the first process says something. */
  context: CommandContext;
  /** The command's flags, with a card of its own for each rank of a machine where none was named. */
  flags: Flags;
}

/**
 * Finds out whether a command is one of several ranks.
 *
 * Slurm sets its variables for every step, also for one that starts several runs side by side: there `auto` is to be
 * asked for.
 *
 * @throws INVALID_OPTION where the environment is incomplete or contradicts itself
 */
export function ownRank(
  choice: z.output<typeof distributedOption>,
  flags: Flags,
  context: CommandContext,
): OwnRank {
  const place = choice === 'off' ? null : placeOf();
  if (place === null || place.size === 1 || (place.launcher === 'slurm' && choice !== 'auto')) {
    return { distributed: 'off', isFirst: true, context, flags };
  }
  const isFirst = place.rank === 0;
  return {
    distributed: 'env',
    isFirst,
    context: isFirst ? context : { ...context, output: silentOutput() },
    flags: { ...flags, ...cardOf(place, flags.device) },
  };
}

/** A card of a rank's own, where the machine has several and which one was not said. */
function cardOf({ localRank }: Place, device: unknown): { device?: string } {
  if (device !== undefined && device !== 'auto' && device !== 'cuda') return {};
  const { libtorch, nvidiaDriver } = addon();
  const cards = libtorch.hasCuda ? nvidiaDriver().cards.length : 0;
  return cards > 1 ? { device: `cuda:${localRank % cards}` } : {};
}
