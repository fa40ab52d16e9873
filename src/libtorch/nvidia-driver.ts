import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What is known of NVIDIA's driver and its cards. */
export interface NvidiaDriver {
  /** Such as `580.65.06`; null without a driver. */
  version: string | null;
  /** The newest CUDA that the driver serves, such as `13.0`; null without a driver. */
  cudaVersion: string | null;
  cards: { name: string; computeCapability: string }[];
  /** Why there are no cards. */
  problem: string | null;
}

/** How the machine is asked; tests give answers of their own. */
export interface DriverProbe {
  /** Standard output of a program, null where it is missing or fails. */
  run(command: string, args: string[]): string | null;
  /** Content of a file, null where it cannot be read. */
  read(path: string): string | null;
}

/** First driver branch of each CUDA version; see "CUDA Toolkit and Minimum Driver Versions" of its release notes. */
const CUDA_OF_DRIVER: readonly [branch: number, cuda: string][] = [
  [590, '13.1'],
  [580, '13.0'],
  [575, '12.9'],
  [570, '12.8'],
  [565, '12.7'],
  [560, '12.6'],
  [555, '12.5'],
  [550, '12.4'],
  [545, '12.3'],
  [535, '12.2'],
  [530, '12.1'],
  [525, '12.0'],
  [520, '11.8'],
  [450, '11.0'],
];

/**
 * Asks for the driver without the engine: `nvidia-smi`, else the kernel module's own file.
 *
 * Through the engine more is known (`nvidiaDriver()` of the addon), but it needs a libtorch first.
 */
export function probeNvidiaDriver(probe: DriverProbe = systemProbe): NvidiaDriver {
  const table = probe.run('nvidia-smi', [
    '--query-gpu=name,compute_cap,driver_version',
    '--format=csv,noheader',
  ]);
  const rows = (table ?? '')
    .trim()
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter((cells) => cells.length === 3);
  const version = rows[0]?.[2] ?? moduleVersion(probe.read('/proc/driver/nvidia/version'));
  if (version === null) {
    return { version: null, cudaVersion: null, cards: [], problem: 'no NVIDIA driver was found' };
  }
  return {
    version,
    cudaVersion: announcedCuda(probe.run('nvidia-smi', [])) ?? cudaOfDriver(version),
    cards: rows.map(([name, computeCapability]) => ({
      name: name!,
      computeCapability: computeCapability!,
    })),
    problem: rows.length > 0 ? null : 'the driver is there, but nvidia-smi lists no card',
  };
}

/** The newest CUDA that a driver serves by its version, null for one older than CUDA 11. */
export function cudaOfDriver(version: string): string | null {
  const branch = Number.parseInt(version, 10);
  return CUDA_OF_DRIVER.find(([first]) => branch >= first)?.[1] ?? null;
}

// Newer drivers write "CUDA UMD Version".
function announcedCuda(text: string | null): string | null {
  return /CUDA (?:UMD )?Version\s*:\s*(\d+\.\d+)/.exec(text ?? '')?.[1] ?? null;
}

function moduleVersion(text: string | null): string | null {
  return /NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s/.exec(text ?? '')?.[1] ?? null;
}

const systemProbe: DriverProbe = {
  run(command, args) {
    const result = spawnSync(command, args, { encoding: 'utf8', timeout: 20_000 });
    return result.status === 0 ? result.stdout : null;
  },
  read(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return null;
    }
  },
};
