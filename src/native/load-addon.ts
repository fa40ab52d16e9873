import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PermafrostError } from '../errors/error.js';

/** What the addon says about libtorch: the one it was built against, and the one in this process. */
export interface LoadedLibtorch {
  builtVersion: string;
  /** Root of the libtorch that the addon was built against. */
  root: string;
  loadedVersion: string;
  /** The file from which this process took libtorch. */
  loadedPath: string;
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
}

// Also stands in scripts/toolchain.mjs, which must work before anything is compiled.
export const ADDON_REMEDY =
  'Install libtorch, cmake and a C++ compiler (Debian, Ubuntu: apt-get install libtorch-dev libopenblas0-openmp ' +
  'cmake g++; elsewhere "npx permafrost libtorch install", or LIBTORCH set to the directory of an unpacked libtorch), ' +
  'then run "npm rebuild permafrost", or "npm run setup" in a clone.';

const REBUILD =
  'Build the addon again: "npm rebuild permafrost --foreground-scripts", or "npm run setup" in a clone.';

// What the dynamic loader says when a library is there but is not the one that the addon was linked with.
const WRONG_LIBRARY =
  /undefined symbol|symbol not found|version `[^']*' not found|lib(torch|c10)\S*: cannot open/;

const require = createRequire(import.meta.url);
const ownRoot = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
let loaded: unknown;

/**
 * Loads the native addon on first use and checks that its libtorch is the one it was built against.
 *
 * Looks in `build/Release`, `build/Debug` and `prebuilds/<platform>-<arch>` of the package.
 *
 * @throws ADDON_MISSING where no addon is found or none loads; `details.attempts` lists every path
 * @throws ADDON_MISMATCH where the libtorch in the process is another one than the addon was built against
 */
export function loadAddon(options: LoadAddonOptions = {}): unknown {
  const isDefault = Object.keys(options).length === 0;
  if (isDefault && loaded !== undefined) return loaded;
  const { packageRoot = ownRoot, env = process.env, load = require } = options;
  const addon = withThreadSettings(() => loadFirst(candidates(packageRoot, env), load));
  checkLibtorch(addon);
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

function candidates(
  packageRoot: string,
  env: NodeJS.ProcessEnv,
): { paths: string[]; attempts: LoadAttempt[] } {
  const override = env.PERMAFROST_ADDON;
  if (override) return { paths: [resolve(override)], attempts: [] };
  const { path } = require('node-gyp-build') as { path(directory: string): string };
  try {
    return { paths: [path(packageRoot)], attempts: [] };
  } catch {
    // node-gyp-build throws only where none of these directories holds an addon.
    const directories = ['build/Release', 'build/Debug', `prebuilds/${process.platform}-${process.arch}`];
    const attempts = directories.map((directory) => ({
      path: join(packageRoot, directory),
      problem: 'no addon there',
    }));
    return { paths: [], attempts };
  }
}

function loadFirst(found: ReturnType<typeof candidates>, load: (path: string) => unknown): unknown {
  const attempts = [...found.attempts];
  for (const path of found.paths) {
    if (!existsSync(path)) {
      attempts.push({ path, problem: 'no such file' });
      continue;
    }
    try {
      return load(path);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (WRONG_LIBRARY.test(problem)) throw mismatch(`${path} does not load: ${problem}`, { path, problem });
      attempts.push({ path, problem });
    }
  }
  const list = attempts.map(({ path, problem }) => `  ${path}: ${problem}`).join('\n');
  throw new PermafrostError(
    'ADDON_MISSING',
    `The native engine is not there. Tried:\n${list}\n${ADDON_REMEDY}`,
    {
      attempts,
      remedy: ADDON_REMEDY,
    },
  );
}

function checkLibtorch(addon: unknown): void {
  const { libtorch } = addon as { libtorch?: LoadedLibtorch };
  if (libtorch === undefined)
    throw mismatch('The addon does not say which libtorch it was built against.', {});
  const { builtVersion, loadedVersion, root, loadedPath } = libtorch;
  const details = { ...libtorch };
  if (builtVersion !== loadedVersion) {
    throw mismatch(
      `The addon was built against libtorch ${builtVersion} (${root}), but this process loaded libtorch ` +
        `${loadedVersion} from ${loadedPath}.`,
      details,
    );
  }
  // A prebuilt addon was built where its root no longer exists; its version is all there is to compare.
  if (
    existsSync(root) &&
    existsSync(loadedPath) &&
    !realpathSync(loadedPath).startsWith(realpathSync(root) + sep)
  ) {
    throw mismatch(
      `The addon was built against the libtorch at ${root}, but this process loaded ${loadedPath}.`,
      details,
    );
  }
}

function mismatch(what: string, details: Record<string, unknown>): PermafrostError {
  return new PermafrostError('ADDON_MISMATCH', `${what} ${REBUILD}`, { ...details, remedy: REBUILD });
}
