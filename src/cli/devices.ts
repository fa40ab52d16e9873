import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { addon } from '../native/addon.js';
import type { CommandContext } from './context.js';
import { BEGUN, coresEach, supervise, withOption, withoutOption } from './processes.js';
import type { Flags } from './schema-options.js';

/** Says to a process that it is one of several, which start no others. */
const WORKER = 'PERMAFROST_WORKER';

/** Tells whoever started this process as the first of several that the others may follow. */
export function tellBegun(): void {
  if (process.env[WORKER]) process.send?.(BEGUN);
}

/** On which devices a grid is trained, a process each. */
export const devicesOption = z
  .string()
  .min(1)
  .optional()
  .meta({
    description:
      'a process of this command on each device: all cards (all), or a list such as cuda:0,cuda:1 or cpu,cpu',
    value: 'list',
    suggestions: ['all'],
  });

/**
 * Reads a list of devices; `all` are the cards of this machine, or its processor where it has none.
 *
 * @throws INVALID_OPTION
 */
export function parseDevices(text: string): string[] {
  if (text === 'all') {
    const { libtorch, nvidiaDriver } = addon();
    const cards = libtorch.hasCuda ? nvidiaDriver().cards : [];
    return cards.length === 0 ? ['cpu'] : cards.map((_, index) => `cuda:${index}`);
  }
  const devices = text.split(',').map((device) => device.trim());
  if (devices.every((device) => /^(cpu|cuda(:\d+)?)$/.test(device))) return devices;
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`devices\`: expected "all" or a list such as cuda:0,cuda:1, got "${text}".`,
    { option: 'devices', got: text },
  );
}

/**
 * Runs the same command once a device, side by side on one directory.
 *
 * The first process begins, so that it alone fetches, begins anew and complains, and the others join it. Where one fails
 * the others go on: they take over what it had.
 *
 * @returns false where this process is to do the work itself
 * @throws INVALID_OPTION; AlreadyReported where one failed; `signal.reason`
 */
export async function runOnDevices(
  devices: string | undefined,
  flags: Flags,
  { args, output, signal }: CommandContext,
): Promise<boolean> {
  if (devices === undefined || flags.dryRun === true || process.env[WORKER]) return false;
  if (flags.device !== undefined) {
    throw new PermafrostError(
      'INVALID_OPTION',
      '`devices` and `device`: give either several devices or one.',
      { option: 'devices' },
    );
  }
  const each = parseDevices(devices);
  const threads = String(coresEach(each.length));
  const given = withoutOption(args, '--devices', true);
  const processes = each.map((device, index) => ({
    name: `worker ${index + 1} of ${each.length} on ${device}`,
    args: withOption(
      [...(index === 0 ? given : withoutOption(given, '--restart', false)), '--device', device],
      '--threads',
      threads,
    ),
    env: { [WORKER]: '1' },
  }));
  await supervise({ processes, inTurn: true, graceMs: null, output, signal });
  return true;
}
