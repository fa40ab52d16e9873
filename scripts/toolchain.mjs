// What the native build needs beside libtorch, and the one remedy that is printed when something is missing.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findLibtorch } from './find-libtorch.mjs';
import { rebuildCommand } from './package-manager.mjs';

export const PROJECT_ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** What to do where there is no engine. */
export const REMEDY =
  'Install libtorch, cmake and a C++ compiler (Debian, Ubuntu: apt-get install libtorch-dev libopenblas0-openmp ' +
  'cmake g++; elsewhere "npx permafrost libtorch install", or LIBTORCH set to the directory of an unpacked libtorch), ' +
  `then run "${rebuildCommand()}".`;

/** Path of a program on the PATH, or null. */
export function findProgram(name, env = process.env) {
  for (const dir of (env.PATH ?? '').split(delimiter)) {
    const path = join(dir, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: the next directory may have it.
    }
  }
  return null;
}

/** What a native build would use; `missing` names what is not there. */
export function inspectToolchain(env = process.env) {
  const libtorch = findLibtorch(env);
  const cmake = findProgram('cmake', env);
  const compiler = env.CXX ?? ['c++', 'g++', 'clang++'].find((name) => findProgram(name, env)) ?? null;
  const make = findProgram('ninja', env) ?? findProgram('make', env);
  const missing = [];
  if (!libtorch.found) missing.push('libtorch');
  if (!cmake) missing.push('cmake');
  if (!compiler) missing.push('a C++ compiler');
  if (!make) missing.push('make');
  return { libtorch, cmake, compiler, make, missing };
}

/** Runs a program in the project's root with its output shown; throws when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: PROJECT_ROOT, stdio: 'inherit', ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    throw new Error(
      `${command} ${args.join(' ')} ended with ${result.signal ?? `exit code ${result.status}`}`,
    );
  }
}
