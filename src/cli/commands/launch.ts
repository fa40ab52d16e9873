import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { z } from 'zod';
import { freePort } from '../../distributed/free-port.js';
import { PermafrostError } from '../../errors/error.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { devicesOption, parseDevices } from '../devices.js';
import { coresEach, supervise, withOption } from '../processes.js';
import { addShape, checkedOptions, type Flags } from '../schema-options.js';

/** Where one rank has failed the others end within so many ms. */
const GRACE_MS = 5_000;

/** Commands whose processes train together. */
const LAUNCHED = ['train', 'pretrain'];

const launchShape = {
  processes: z.int().min(1).optional().describe('processes (default: one a device of --devices)'),
  devices: devicesOption.meta({
    description: 'devices that the processes take in turn: all, or a list such as cuda:0,cuda:1',
    value: 'list',
    suggestions: ['all'],
  }),
};

export function addLaunchCommand(program: Command, run: Runner): void {
  const command = program
    .command('launch')
    .description('train one model with several processes of this machine, each with a share of every batch')
    .argument('<command...>', `${LAUNCHED.join(' or ')} with its options, after --`)
    .passThroughOptions();
  addExamples(command, {
    'two processes, half of the cores each': 'permafrost launch --processes 2 -- train --preset demo',
    'every card of this machine': 'permafrost launch --devices all -- train --preset demo',
  });
  addShape(command, launchShape).action((args: string[], flags: Flags, self: Command) =>
    run(launch)({ ...flags, args }, self),
  );
}

async function launch({ args: given, ...flags }: Flags, { output, signal }: CommandContext): Promise<void> {
  const { processes, devices } = checkedOptions(launchShape, flags, 'launch');
  const args = given as string[];
  const each = devices === undefined ? null : parseDevices(devices);
  const size = processes ?? each?.length;
  if (size === undefined) throw invalid('processes', '`processes`: expected how many, or `devices`.');
  if (!LAUNCHED.includes(args[0]!)) {
    throw invalid(
      'command',
      `launch: expected ${LAUNCHED.join(' or ')} after --, got "${args[0]}". The runs of paper and search are shared by ` +
        'processes that take them one by one: give those commands --devices.',
    );
  }
  const port = await freePort();
  const secret = randomBytes(32).toString('hex');
  const threads = String(coresEach(size));
  const ranks = Array.from({ length: size }, (_, rank) => {
    const withThreads = withOption(args, '--threads', threads);
    return {
      name: `rank ${rank}`,
      args: each === null ? withThreads : withOption(withThreads, '--device', each[rank % each.length]!),
      env: environmentOf(rank, size, { port, secret }),
    };
  });
  await supervise({ processes: ranks, graceMs: GRACE_MS, output, signal });
}

/** What torchrun sets, and nothing that an outer launcher has set. */
function environmentOf(
  rank: number,
  size: number,
  { port, secret }: { port: number; secret: string },
): Record<string, string | undefined> {
  return {
    RANK: String(rank),
    WORLD_SIZE: String(size),
    LOCAL_RANK: String(rank),
    LOCAL_WORLD_SIZE: String(size),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(port),
    PERMAFROST_LAUNCH: '1',
    PERMAFROST_SECRET: secret,
    PERMAFROST_BIND: undefined,
    TORCHELASTIC_USE_AGENT_STORE: undefined,
    TORCHELASTIC_RESTART_COUNT: undefined,
    TORCHELASTIC_RUN_ID: undefined,
  };
}

function invalid(option: string, message: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', message, { option });
}
