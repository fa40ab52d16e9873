import { PermafrostError } from '../errors/error.js';
import type { NvidiaDriver } from './nvidia-driver.js';

/** One official archive of libtorch. */
export interface LibtorchRelease {
  version: string;
  /** What it was built for: `cpu`, or `cu130` for CUDA 13.0. */
  build: string;
  url: string;
  /** SHA-256 of the archive; null where it is not known, since the host publishes none. */
  sha256: string | null;
}

export interface ReleaseChoice {
  /** @default {@link DEFAULT_VERSION}, or an older one where the driver needs it */
  version?: string;
  cpu?: boolean;
  /** A CUDA version such as `13.0`. @default what the driver serves */
  cuda?: string;
  driver: NvidiaDriver;
  /** As in `process.platform` and `process.arch`. */
  platform: string;
  arch: string;
  /** Where the archives lie. @default {@link HOST} */
  mirror?: string;
}

export const HOST = 'https://download.pytorch.org/libtorch';

/** The newest version whose archives for CUDA hold CUDA's own libraries; since 2.12 they come without them. */
export const DEFAULT_VERSION = '2.11.0';

/** The CUDA builds of each version for Linux on x64, newest version first. */
const CUDA_BUILDS: Readonly<Record<string, readonly string[]>> = {
  '2.14.0': ['cu126', 'cu130', 'cu132'],
  '2.13.0': ['cu126', 'cu130', 'cu132'],
  '2.12.0': ['cu126', 'cu130', 'cu132'],
  '2.11.0': ['cu126', 'cu128', 'cu130'],
  '2.10.0': ['cu126', 'cu128', 'cu130'],
  '2.9.1': ['cu126', 'cu128', 'cu130'],
  '2.9.0': ['cu126', 'cu128', 'cu130'],
  '2.8.0': ['cu126', 'cu128'],
  '2.7.1': ['cu118', 'cu126', 'cu128'],
  '2.6.0': ['cu118', 'cu124', 'cu126'],
  '2.5.1': ['cu118', 'cu121', 'cu124'],
  '2.4.1': ['cu118', 'cu121', 'cu124'],
  '2.3.1': ['cu118', 'cu121'],
  '2.2.2': ['cu118', 'cu121'],
  '2.1.2': ['cu118', 'cu121'],
  '2.0.1': ['cu117', 'cu118'],
  '1.13.1': ['cu116', 'cu117'],
};

const SHA256: Readonly<Record<string, string>> = {
  '2.10.0+cpu': 'c5bf8efda9224a2d971b19d1ef6cf3ba6fee8ab53e69c49427db003d1d300496',
};

/** Versions that are known, newest first. */
export const KNOWN_VERSIONS: readonly string[] = Object.keys(CUDA_BUILDS);

/**
 * Picks the archive for what was asked for, else for the driver that is there.
 *
 * A driver serves its own CUDA version and the earlier ones, and within one major version also the later ones
 * (CUDA's minor version compatibility).
 *
 * @throws INVALID_OPTION for builds that do not exist; DEVICE_UNAVAILABLE where there is no archive for this system or
 *   driver.
 */
export function chooseRelease(choice: ReleaseChoice): LibtorchRelease {
  const { platform, arch, cpu, cuda, version } = choice;
  if (cpu && cuda !== undefined) throw invalid('cuda', '`cpu` and `cuda`: give one of them.');
  const system = `${platform} ${arch}`;
  if (system === 'darwin arm64') {
    if (cuda !== undefined) throw invalid('cuda', '`cuda`: there is no CUDA on macOS.');
    const chosen = version ?? DEFAULT_VERSION;
    return release(choice, chosen, 'cpu', `libtorch-macos-arm64-${chosen}.zip`);
  }
  if (system !== 'linux x64') {
    throw new PermafrostError(
      'DEVICE_UNAVAILABLE',
      `There is no official libtorch archive for ${system}. Install PyTorch for Python ("python3 -m pip install torch"), ` +
        'whose libtorch the build finds by itself, or set LIBTORCH to a libtorch of your own.',
      { platform, arch },
    );
  }
  const [chosen, build] = cpu
    ? [version ?? DEFAULT_VERSION, 'cpu']
    : cuda !== undefined
      ? buildAskedFor(cuda, version)
      : buildForDriver(choice.driver, version);
  return release(choice, chosen, build, linuxArchive(chosen, build));
}

function release(
  { mirror = HOST }: ReleaseChoice,
  version: string,
  build: string,
  archive: string,
): LibtorchRelease {
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    throw invalid('version', `\`version\`: expected a version such as ${DEFAULT_VERSION}, got '${version}'.`);
  }
  return {
    version,
    build,
    url: `${mirror.replace(/\/+$/, '')}/${build}/${encodeURIComponent(archive)}`,
    sha256: archive.includes('macos') ? null : (SHA256[`${version}+${build}`] ?? null),
  };
}

// Up to 2.7 there were two C++ ABIs; the archives since have the newer one.
function linuxArchive(version: string, build: string): string {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const hasTwoAbis = major < 2 || (major === 2 && minor < 8);
  return `libtorch-${hasTwoAbis ? 'cxx11-abi-' : ''}shared-with-deps-${version}+${build}.zip`;
}

function buildAskedFor(cuda: string, version: string | undefined): [version: string, build: string] {
  const match = /^(\d+)\.(\d)$/.exec(cuda);
  if (match === null) throw invalid('cuda', `\`cuda\`: expected a version such as 13.0, got '${cuda}'.`);
  const build = `cu${match[1]}${match[2]}`;
  if (version !== undefined) {
    const known = CUDA_BUILDS[version];
    // A version that came out later than this table may have any build.
    if (known === undefined || known.includes(build)) return [version, build];
    throw invalid(
      'cuda',
      `\`cuda\` ${cuda}: libtorch ${version} is built for CUDA ${known.map(cudaOf).join(', ')}.`,
    );
  }
  const found = inOrder().find((candidate) => CUDA_BUILDS[candidate]!.includes(build));
  if (found !== undefined) return [found, build];
  const all = [...new Set(Object.values(CUDA_BUILDS).flat())].sort();
  throw invalid(
    'cuda',
    `\`cuda\` ${cuda}: no libtorch is built for it. There are ${all.map(cudaOf).join(', ')}.`,
  );
}

function buildForDriver(
  { cudaVersion, version: driverVersion }: NvidiaDriver,
  version: string | undefined,
): [version: string, build: string] {
  if (cudaVersion === null && driverVersion === null) return [version ?? DEFAULT_VERSION, 'cpu'];
  if (version !== undefined && CUDA_BUILDS[version] === undefined) {
    throw invalid(
      'version',
      `\`version\` ${version} is not among those whose CUDA builds are known (${KNOWN_VERSIONS.join(', ')}). ` +
        'Say which build with `cuda` or `cpu`.',
    );
  }
  for (const candidate of version === undefined ? inOrder() : [version]) {
    const build = cudaVersion === null ? null : servedBuild(CUDA_BUILDS[candidate]!, cudaVersion);
    if (build !== null) return [candidate, build];
  }
  throw new PermafrostError(
    'DEVICE_UNAVAILABLE',
    `NVIDIA's driver ${driverVersion ?? ''} serves CUDA up to ${cudaVersion ?? 'an unknown version'}, and ` +
      `${version === undefined ? 'no libtorch' : `libtorch ${version} is not`} built for that. ` +
      'Update the driver, give another `version`, or take `cpu`.',
    { driver: driverVersion, cuda: cudaVersion },
  );
}

function servedBuild(builds: readonly string[], cudaVersion: string): string | null {
  const driver = Number(cudaVersion.replace('.', ''));
  const numbers = builds.map((build) => Number(build.slice(2))).sort((a, b) => a - b);
  const majorOf = (number: number) => Math.floor(number / 10);
  const served =
    numbers.filter((number) => number <= driver && majorOf(number) === majorOf(driver)).at(-1) ??
    numbers.find((number) => majorOf(number) === majorOf(driver)) ??
    numbers.filter((number) => number <= driver).at(-1);
  return served === undefined ? null : `cu${served}`;
}

/** Versions in the order in which they are taken: the default, then older ones, then newer ones. */
function inOrder(): string[] {
  const at = KNOWN_VERSIONS.indexOf(DEFAULT_VERSION);
  return [...KNOWN_VERSIONS.slice(at), ...KNOWN_VERSIONS.slice(0, at).reverse()];
}

function cudaOf(build: string): string {
  return `${build.slice(2, -1)}.${build.slice(-1)}`;
}

function invalid(option: string, message: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', message, { option });
}
