import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { TOKENIZERS_PACKAGE } from '../text/tokenizers-library.js';
import type { RunRecord } from './run-record.js';

export type Environment = Pick<RunRecord, 'versions' | 'hardware'>;

/** What only the engine knows. */
export interface EngineFacts {
  /** Version of the libtorch that the addon runs on, null where it does not tell. */
  libtorch: string | null;
  /** Where the model is: `cpu`, `cuda:0`. */
  device: string;
  /** The cards of this machine, in the order of their numbers. @default none is named */
  cards?: () => readonly { name: string }[];
  /** What multiplies large matrices, where the model is on a CPU. */
  matmul?: { library: string } | null;
}

/** Versions and hardware for a run record. Names neither the machine nor its user. */
export function describeEnvironment({
  libtorch,
  device,
  cards = () => [],
  matmul,
}: EngineFacts): Environment {
  const number = /^cuda(?::(\d+))?$/.exec(device);
  const card = number === null ? undefined : cards()[Number(number[1] ?? 0)];
  return {
    versions: {
      permafrost: packageVersion(),
      node: process.versions.node,
      libtorch,
      tokenizers: dependencyVersion(TOKENIZERS_PACKAGE),
    },
    hardware: {
      cpuModel: cpus()[0]?.model.trim() || arch(),
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      platform: `${platform()} ${release()} ${arch()}`,
      device,
      ...(card && { deviceName: card.name }),
      ...(matmul && { matmul: matmul.library }),
    },
  };
}

/** Version of this package, from its package.json (two folders up, in `src` as in `dist`). */
export function packageVersion(): string {
  return versionIn(new URL('../../package.json', import.meta.url)) ?? 'unknown';
}

/** Installed version of a dependency, null where it is not installed. */
export function dependencyVersion(name: string): string | null {
  const require = createRequire(import.meta.url);
  let folder: string;
  try {
    folder = dirname(require.resolve(name));
  } catch {
    return null;
  }
  // The entry point may lie deeper than package.json, and `exports` may hide package.json from resolve.
  for (; folder !== dirname(folder); folder = dirname(folder)) {
    const version = versionIn(join(folder, 'package.json'), name);
    if (version !== null) return version;
  }
  return null;
}

function versionIn(file: string | URL, name?: string): string | null {
  try {
    const content = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
    return name === undefined || content.name === name ? (content.version ?? null) : null;
  } catch {
    return null;
  }
}
