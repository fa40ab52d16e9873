import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LibtorchFinding } from '../../scripts/find-libtorch.mjs';
import { rebuildCommand } from '../../scripts/package-manager.mjs';
import { MUSL_PROBLEM, type SystemLibc, systemLibc } from '../../scripts/prebuilt.mjs';
import { REMEDY } from '../../scripts/toolchain.mjs';
import { PermafrostError } from '../errors/error.js';
import { type AddonFile, addonFiles, type PrebuiltAddon } from './addon-files.js';

/** What the addon says about libtorch: the one it was built against, and the one in this process. */
export interface LoadedLibtorch {
  builtVersion: string;
  /** Root of the libtorch that the addon was built against; of a prebuilt addon, of the one that it was given. */
  root: string;
  loadedVersion: string;
  /** The file from which this process took libtorch. */
  loadedPath: string;
  /** CUDA version of the runtime library in this process, 1000 * major + 10 * minor; null without CUDA. */
  cudaRuntime?: number | null;
}

/** One place where the addon was looked for, and why it was not taken. */
export interface LoadAttempt {
  path: string;
  problem: string;
}

export interface LoadAddonOptions {
  /** Directory of the package. @default the package that this module belongs to */
  packageRoot?: string;
  /** Where `PERMAFROST_ADDON` is read, the path of an addon that is taken instead. @default process.env */
  env?: NodeJS.ProcessEnv;
  /** Loads one file. @default Node's `require` */
  load?: (path: string) => unknown;
  /** Finds the libtorch that a prebuilt addon is given. @default scripts/find-libtorch.mjs */
  find?: (env: NodeJS.ProcessEnv) => LibtorchFinding;
  /** Tells the C library of this system. @default what the process says */
  libc?: () => SystemLibc | null;
}

const REBUILD = `Build the addon again: "${rebuildCommand()}".`;

// What the dynamic loader says when a library is there but is not the one that the addon was linked with.
const WRONG_LIBRARY =
  /undefined symbol|symbol not found|version `[^']*' not found|lib(torch|c10)\S*: cannot open/;

const require = createRequire(import.meta.url);
const ownRoot = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
let loaded: unknown;

/** A bundler has put this module elsewhere, away from the engine and from what else the package reads. */
const isBundled = !existsSync(join(ownRoot, 'scripts', 'install.mjs'));
const BUNDLED =
  'permafrost is bundled into another program, away from its files: name it as external to the bundler ' +
  '("--external:permafrost", or external: [/^permafrost/]), and install it where the program runs.';

/**
 * Loads the native addon on first use and checks that its libtorch is the one it was built for.
 *
 * Takes `build/Release` or `build/Debug` of the package, which was built here on purpose; else the prebuilt addon of the
 * package `@permafrost/<platform>-<arch>-libtorch-<minor>-<cpu|cuda>` that fits the libtorch that is found.
 *
 * @throws ADDON_MISSING where no addon is found or none loads; `details.attempts` lists every path
 * @throws ADDON_MISMATCH where the libtorch in the process is another one than the addon was built for
 */
export function loadAddon(options: LoadAddonOptions = {}): unknown {
  const isDefault = Object.keys(options).length === 0;
  if (isDefault && loaded !== undefined) return loaded;
  const { packageRoot = ownRoot, load = require, libc = systemLibc } = options;
  if (isDefault && isBundled) {
    throw new PermafrostError('ADDON_MISSING', `The native engine is not there: ${BUNDLED}`, {
      remedy: BUNDLED,
    });
  }
  const files = addonFiles({ ...options, packageRoot, libc });
  const addon = withThreadSettings(() => loadFirst(files, load, libc));
  if (isDefault) loaded = addon;
  return addon;
}

/**
 * Loads with a short spin for OpenMP's waiting threads, unless the user has settings of his own.
 *
 * libgomp reads its environment once, when it is loaded. By default its threads spin for milliseconds at
 * every barrier; where another process wants the core meanwhile, a step then takes many times as long.
 */
function withThreadSettings<T>(load: () => T): T {
  const { env } = process;
  if (env.GOMP_SPINCOUNT !== undefined || env.OMP_WAIT_POLICY !== undefined) return load();
  env.GOMP_SPINCOUNT = '1000';
  try {
    return load();
  } finally {
    delete env.GOMP_SPINCOUNT;
  }
}

function loadFirst(
  files: Iterable<AddonFile>,
  load: (path: string) => unknown,
  libc: () => SystemLibc | null,
): unknown {
  const attempts: LoadAttempt[] = [];
  let wrongLibrary: PermafrostError | null = null;
  for (const { path, problem, prebuilt } of files) {
    if (problem !== null) {
      attempts.push({ path, problem });
      continue;
    }
    try {
      if (prebuilt) openLibraries(prebuilt, load);
      const addon = load(path);
      checkLibtorch(addon, prebuilt);
      return addon;
    } catch (error) {
      if (error instanceof PermafrostError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      attempts.push({ path, problem: reason });
      // A later addon may fit; where none does, this says more than that there is none.
      if (WRONG_LIBRARY.test(reason)) {
        wrongLibrary ??= mismatch(`${path} does not load: ${reason}`, { path, problem: reason, attempts });
      }
    }
  }
  if (wrongLibrary !== null) throw wrongLibrary;
  const remedy = libc()?.name === 'musl' ? MUSL_PROBLEM : REMEDY;
  const list = attempts.map(({ path, problem }) => `  ${path}: ${problem}`).join('\n');
  throw new PermafrostError('ADDON_MISSING', `The native engine is not there. Tried:\n${list}\n${remedy}`, {
    attempts,
    remedy,
  });
}

/** A prebuilt addon asks for libtorch by name; the loader takes what is open already for what is asked for. */
function openLibraries({ preload, libraries }: PrebuiltAddon, load: (path: string) => unknown): void {
  const { open } = load(preload) as { open(path: string): void };
  for (const library of libraries) open(library);
}

function checkLibtorch(addon: unknown, prebuilt: PrebuiltAddon | null): void {
  const { libtorch } = addon as { libtorch?: LoadedLibtorch };
  if (libtorch === undefined)
    throw mismatch('The addon does not say which libtorch it was built against.', {});
  if (prebuilt) libtorch.root = prebuilt.root;
  const { builtVersion, loadedVersion, root, loadedPath } = libtorch;
  const refused = (what: string) => mismatch(what, { ...libtorch });
  // Releases that differ in the last number alone have one interface.
  const isSame = prebuilt ? minorOf(builtVersion) === minorOf(loadedVersion) : builtVersion === loadedVersion;
  if (!isSame) {
    throw refused(
      `The addon was built against libtorch ${builtVersion}${prebuilt ? '' : ` (${root})`}, but this process loaded ` +
        `libtorch ${loadedVersion} from ${loadedPath}.`,
    );
  }
  const cuda = libtorch.cudaRuntime ? Math.floor(libtorch.cudaRuntime / 1000) : null;
  if (prebuilt && cuda !== null && cuda !== prebuilt.cuda) {
    throw refused(
      `The addon was built for CUDA ${prebuilt.cuda}, but the libtorch at ${root} is for CUDA ${cuda}.`,
    );
  }
  // An addon that was copied from where it was built has a root that does not exist here; there is the version alone.
  if (
    existsSync(root) &&
    existsSync(loadedPath) &&
    !realpathSync(loadedPath).startsWith(realpathSync(root) + sep)
  ) {
    throw refused(
      `The addon ${prebuilt ? 'was given' : 'was built against'} the libtorch at ${root}, but this process loaded ${loadedPath}.`,
    );
  }
}

function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

function mismatch(what: string, details: Record<string, unknown>): PermafrostError {
  return new PermafrostError('ADDON_MISMATCH', `${what} ${REBUILD}`, { ...details, remedy: REBUILD });
}
