// Configures and builds with CMake, and says how far it is.
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { buildSteps, durationText, runShown } from './progress.mjs';
import { inspectToolchain, PROJECT_ROOT, REMEDY } from './toolchain.mjs';

// One compiler process that includes libtorch's headers.
const BYTES_PER_JOB = 1.5 * 2 ** 30;
// What is linked, beside the files that are compiled.
const LINK_STEPS = 2;

/** Where the addon is looked for that was built here. */
export const BUILT_ADDON = join(PROJECT_ROOT, 'build', 'Release', 'permafrost.node');

/** The build directory of the libtorch that is found, or the one that PERMAFROST_BUILD_DIR names. */
export function defaultBuildDirectory(env = process.env) {
  const { found } = inspectToolchain(env).libtorch;
  const name = `libtorch-${found?.version}${found?.cuda ? '-cuda' : ''}`;
  return resolve(PROJECT_ROOT, env.PERMAFROST_BUILD_DIR || join('build', name));
}

/** The directory of a package whose headers the build includes. */
function packageDirectory(name) {
  return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
}

/** A build directory keeps the generator that it was made with. */
function generator(buildDir, make) {
  return existsSync(join(buildDir, 'CMakeCache.txt')) || !make.endsWith('ninja') ? [] : ['-G', 'Ninja'];
}

/** The number of files that make compiles for a target. */
function compileSteps(buildDir, target) {
  const isOther = target === 'permafrost_tests' ? /permafrost(_binding)?\.dir/ : /permafrost_tests\.dir/;
  const commands = JSON.parse(readFileSync(join(buildDir, 'compile_commands.json'), 'utf8'));
  return commands.filter(({ command }) => !isOther.test(command)).length;
}

/**
 * Configures a build directory and builds one target in it.
 *
 * @param {{ buildDir: string, definitions: Record<string, string>, target: string | null, jobs?: string }} options
 *   `target` null: configures only
 */
export async function buildWithCmake({ buildDir, definitions, target, jobs }) {
  const { libtorch, make, missing } = inspectToolchain();
  if (missing.length > 0) {
    const tried = libtorch.found ? [] : libtorch.tried;
    const lines = tried.map(({ source, where, problem }) => `  ${source} (${where}): ${problem}`);
    throw new Error([`The native build needs ${missing.join(', ')}.`, ...lines, REMEDY].join('\n'));
  }
  const { root, version } = libtorch.found;
  const cache = {
    CMAKE_BUILD_TYPE: 'Release',
    LIBTORCH: root,
    NODE_ADDON_API_DIR: packageDirectory('node-addon-api'),
    NODE_API_HEADERS: join(packageDirectory('node-api-headers'), 'include'),
    ...definitions,
  };
  const flags = Object.entries(cache).map(([name, value]) => `-D${name}=${value}`);
  const where = ['-S', PROJECT_ROOT, '-B', buildDir, '--log-level=WARNING'];
  const configure = [...where, ...generator(buildDir, make), ...flags];
  await runShown('looking at the compiler and libtorch', 'cmake', configure, { quiet: true });
  if (target === null) return;
  const memoryJobs = Math.floor(totalmem() / BYTES_PER_JOB);
  const parallel = jobs ?? String(Math.max(1, Math.min(availableParallelism(), memoryJobs)));
  console.error(
    `permafrost: building the engine for libtorch ${version} (${root}), ${parallel} files at a time`,
  );
  const steps = buildSteps(compileSteps(buildDir, target) + LINK_STEPS);
  const args = ['--build', buildDir, '--parallel', parallel, '--target', target];
  const elapsed = await runShown('building the engine', 'cmake', args, { steps });
  console.error(`permafrost: the engine was built in ${durationText(elapsed)}`);
}

/** Replaces the addon by renaming: a process that has the old file mapped keeps it. */
export function publish(buildDir) {
  mkdirSync(dirname(BUILT_ADDON), { recursive: true });
  copyFileSync(join(buildDir, 'Release', 'permafrost.node'), `${BUILT_ADDON}.new`);
  renameSync(`${BUILT_ADDON}.new`, BUILT_ADDON);
}
