import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dataDirectory, findLibtorch, selectionFile } from '../../scripts/find-libtorch.mjs';
import { PermafrostError } from '../errors/error.js';
import { writeFileAtomic } from '../io/atomic-write.js';
import { download } from '../io/download.js';
import { withFileLock } from '../io/process-lock.js';
import type { LibtorchRelease } from './releases.js';
import { unpack } from './unpack.js';

export interface InstallOptions {
  release: LibtorchRelease;
  /** Where libtorch ends up. @default `libtorch-<version>-<build>` in the user's data directory */
  directory?: string;
  /** What the archive must hash to; stands in for that of the release. */
  sha256?: string;
  /** Sees to an engine for it: the prebuilt one, else one that is built here. @default true */
  build?: boolean;
  signal?: AbortSignal;
  /** @default process.env */
  env?: NodeJS.ProcessEnv;
}

export type InstallEvent =
  | { type: 'download'; receivedBytes: number; totalBytes: number | null }
  | { type: 'unpack'; bytes: number; totalBytes: number }
  /** It is there already, whole, from an earlier call. */
  | { type: 'present'; directory: string }
  | { type: 'build'; directory: string };

export interface Installed {
  directory: string;
  version: string;
  build: string;
  /** How the archive was checked; `crc32` where no SHA-256 was known; null where it was there already. */
  checkedBy: 'sha256' | 'crc32' | null;
  /** Libraries that libtorch asks for and that this system does not have. */
  missingLibraries: string[];
  /** Whether there is an engine for it. */
  isBuilt: boolean;
}

/**
 * Fetches a libtorch, unpacks it, makes it the one that builds take, and sees to an engine for it.
 *
 * A call that was cut goes on where it stopped: the part of the archive that arrived is kept beside the directory.
 *
 * @throws NETWORK_FAILED, REMOTE_NOT_FOUND, HASH_MISMATCH from the download; DATA_FORMAT for a damaged archive;
 *   WRITE_FAILED; ADDON_MISSING where the build fails; `signal.reason`.
 */
export async function installLibtorch(
  options: InstallOptions,
  onEvent: (event: InstallEvent) => void = () => undefined,
): Promise<Installed> {
  const { release, env = process.env, build = true } = options;
  const name = `libtorch-${release.version}-${release.build}`;
  const directory = resolve(options.directory ?? join(dataDirectory(env), name));
  const inspect = () => findLibtorch({ ...env, LIBTORCH: directory });
  const fetchMissing = async (): Promise<Installed['checkedBy']> => {
    const present = inspect().found;
    if (present !== null) {
      await requireSame(directory, present.version, release);
      onEvent({ type: 'present', directory });
      return null;
    }
    const checkedBy = await fetchInto(directory, options, onEvent);
    const { found, tried } = inspect();
    if (found === null) throw notLibtorch(release, directory, tried[0]?.problem);
    return checkedBy;
  };
  // A second call for the same directory waits, and then finds it there. One that is there needs no lock, whose file
  // may lie where nobody may write.
  const checkedBy =
    inspect().found !== null
      ? await fetchMissing()
      : await withFileLock(`${directory}.lock`, fetchMissing, options.signal);
  await writeFileAtomic(
    selectionFile(env),
    `${JSON.stringify({ root: directory, version: release.version, build: release.build }, null, 2)}\n`,
  );
  if (build) {
    onEvent({ type: 'build', directory });
    await buildEngine(directory, env, options.signal);
  }
  return {
    directory,
    version: release.version,
    build: release.build,
    checkedBy,
    missingLibraries: missingLibraries(directory),
    isBuilt: build,
  };
}

async function fetchInto(
  directory: string,
  { release, sha256 = release.sha256 ?? undefined, signal }: InstallOptions,
  onEvent: (event: InstallEvent) => void,
): Promise<'sha256' | 'crc32'> {
  const archive = `${directory}.zip`;
  await download({
    url: release.url,
    file: archive,
    ...(sha256 !== undefined && { digest: { algorithm: 'sha256', hex: sha256.toLowerCase() } }),
    ...(signal && { signal }),
    onProgress: (progress) => onEvent({ type: 'download', ...progress }),
  });
  // Unpacked it is of no more use, and one that turned out damaged must not be taken again.
  const discard = () => rm(archive, { force: true });
  try {
    await unpack({
      archive,
      directory,
      ...(signal && { signal }),
      onProgress: (progress) => onEvent({ type: 'unpack', ...progress }),
    });
  } catch (error) {
    if (error instanceof PermafrostError && error.code === 'DATA_FORMAT') await discard();
    throw error;
  }
  await discard();
  return sha256 === undefined ? 'crc32' : 'sha256';
}

async function requireSame(
  directory: string,
  presentVersion: string,
  { version, build }: LibtorchRelease,
): Promise<void> {
  // The version with its build, as PyTorch's archives state it: `2.11.0+cu130`.
  const stated = await readFile(join(directory, 'build-version'), 'utf8').then(
    (text) => text.trim(),
    () => presentVersion,
  );
  if (stated === version || stated === `${version}+${build}`) return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`directory\` ${directory}: libtorch ${stated} is there, and ${version}+${build} was asked for. ` +
      'Give another `directory`, or delete that one.',
    { option: 'directory', directory },
  );
}

function notLibtorch(
  release: LibtorchRelease,
  directory: string,
  problem: string | undefined,
): PermafrostError {
  return new PermafrostError(
    'DATA_FORMAT',
    `${release.url}: unpacked into ${directory}, it is no whole libtorch: ${problem ?? 'unknown problem'}. ` +
      'Delete the directory and choose another `version`.',
    { url: release.url, directory },
  );
}

/** Names that the loader would look for in vain; empty where it cannot be asked. */
function missingLibraries(directory: string): string[] {
  const lib = join(directory, 'lib');
  const files = readdirSync(lib).filter((file) => /^lib(c10|torch)\w*\.so$/.test(file));
  const names = files.flatMap((file) => {
    const { stdout } = spawnSync('ldd', [join(lib, file)], { encoding: 'utf8' });
    return [...(stdout ?? '').matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]!);
  });
  // The driver's own library is absent where there is no card, and nothing can be done about it here.
  return [...new Set(names)].filter((name) => !name.startsWith('libcuda.so')).sort();
}

async function buildEngine(
  directory: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<void> {
  const script = fileURLToPath(new URL('../../scripts/install.mjs', import.meta.url));
  // What it says belongs to neither results nor JSON.
  const child = spawn(process.execPath, [script, '--required'], {
    env: { ...env, LIBTORCH: directory },
    stdio: ['ignore', 2, 2],
    ...(signal && { signal }),
  });
  const code = await new Promise<number | null>((settle, reject) => {
    child.on('error', reject);
    child.on('close', settle);
  }).catch((error) => {
    signal?.throwIfAborted();
    throw error;
  });
  if (code === 0) return;
  throw new PermafrostError(
    'ADDON_MISSING',
    `libtorch lies in ${directory}, but building the engine against it failed (its output is above). ` +
      'Install what it names, then run the same command again: nothing is fetched a second time.',
    { directory, remedy: 'Install cmake and a C++ compiler (Debian, Ubuntu: apt-get install cmake g++).' },
  );
}
