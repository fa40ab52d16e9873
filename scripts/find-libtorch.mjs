// Finds the libtorch that the native build takes, without running CMake: LIBTORCH, the one that "permafrost libtorch
// install" fetched, the system's CMake packages, the torch of python3. All but the second are known to
// cmake/Libtorch.cmake as well, for a build that is started by CMake itself.
// Run as a program it prints the finding as JSON and exits with 1 when there is none.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const VERSION_HEADERS = [
  'include/torch/headeronly/version.h',
  'include/torch/csrc/api/include/torch/version.h',
];
const MULTIARCH = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch] ?? process.arch;

function readVersion(root) {
  for (const header of VERSION_HEADERS) {
    const path = join(root, header);
    if (!existsSync(path)) continue;
    const text = readFileSync(path, 'utf8');
    const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
      (part) => new RegExp(`define TORCH_VERSION_${part}\\s+(\\d+)`).exec(text)?.[1],
    );
    if (parts.every((part) => part !== undefined)) return parts.join('.');
  }
  return null;
}

/** Describes the libtorch at `root`, or says what is missing there. */
function inspectRoot(root, source) {
  const version = readVersion(root);
  if (version === null) return { problem: `${join(root, VERSION_HEADERS[1])} does not exist` };
  const libraryDirs = [`lib/${MULTIARCH}`, 'lib64', 'lib'].map((dir) => join(root, dir));
  const libraryDir = libraryDirs.find((dir) => existsSync(dir) && hasLibrary(dir, 'torch_cpu'));
  if (!libraryDir) return { problem: `no libtorch_cpu in ${libraryDirs.join(', ')}` };
  const missing = ['c10', 'torch'].filter((name) => !hasLibrary(libraryDir, name));
  if (missing.length > 0) return { problem: `no lib${missing.join(', no lib')} in ${libraryDir}` };
  const cmakePrefix = existsSync(join(root, 'share/cmake/Torch'))
    ? join(root, 'share/cmake')
    : join(libraryDir, 'cmake');
  const cuda = hasLibrary(libraryDir, 'torch_cuda');
  return {
    found: { root, version, libraryDir, cmakePrefix, source, cuda, cxx11Abi: readAbi(cmakePrefix) },
  };
}

/** Whether libtorch was built with the C++11 ABI of libstdc++; null where it does not say. */
function readAbi(cmakePrefix) {
  const config = join(cmakePrefix, 'Torch', 'TorchConfig.cmake');
  if (!existsSync(config)) return null;
  const stated = /_GLIBCXX_USE_CXX11_ABI=([01])/.exec(readFileSync(config, 'utf8'))?.[1];
  return stated === undefined ? null : stated === '1';
}

function hasLibrary(dir, name) {
  return readdirSync(dir).some((file) => file === `lib${name}.so` || file === `lib${name}.dylib`);
}

function systemRoots(env) {
  const prefixes = [...(env.CMAKE_PREFIX_PATH ?? '').split(delimiter), '/usr/local', '/usr', '/opt/homebrew'];
  const suffixes = ['share/cmake/Torch', 'lib/cmake/Torch', `lib/${MULTIARCH}/cmake/Torch`];
  const configs = prefixes
    .filter((prefix) => prefix !== '')
    .flatMap((prefix) => suffixes.map((suffix) => join(prefix, suffix)));
  if (env.Torch_DIR) configs.unshift(env.Torch_DIR);
  return configs.filter((dir) => existsSync(join(dir, 'TorchConfig.cmake'))).map(rootAbove);
}

function rootAbove(start) {
  for (let dir = start, level = 0; level < 6; dir = dirname(dir), level += 1) {
    if (VERSION_HEADERS.some((header) => existsSync(join(dir, header)))) return dir;
  }
  return start;
}

/** Where programs of this user keep their data: XDG_DATA_HOME, or what stands for it on other systems. */
export function dataDirectory(env = process.env) {
  const home = env.HOME ?? homeOrRoot();
  const base = process.platform === 'darwin' ? 'Library/Application Support' : '.local/share';
  return join(env.XDG_DATA_HOME || join(home, base), 'permafrost');
}

function homeOrRoot() {
  try {
    return homedir();
  } catch {
    // A user without a name, as in some containers.
    return '/';
  }
}

/** The file in which "permafrost libtorch install" notes what it fetched. */
export function selectionFile(env = process.env) {
  return join(dataDirectory(env), 'libtorch.json');
}

function selectedRoot(env) {
  const file = selectionFile(env);
  if (!existsSync(file)) return { where: file, problem: 'nothing was installed' };
  try {
    const { root } = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof root === 'string') return { root };
  } catch {
    // Said below, as for any other content.
  }
  return {
    where: file,
    problem: 'not JSON with a "root"; delete it, or run "permafrost libtorch install" again',
  };
}

function pythonRoot(env) {
  // find_spec does not import torch, which would take seconds.
  const program =
    "import importlib.util as u, os; s = u.find_spec('torch'); print(os.path.dirname(s.origin) if s and s.origin else '')";
  const result = spawnSync('python3', ['-c', program], { env, encoding: 'utf8' });
  if (result.error) return { problem: 'python3 is not on the PATH' };
  const root = (result.stdout ?? '').trim();
  return root === '' ? { problem: 'python3 has no torch' } : { root };
}

/** Looks for a libtorch, in the order that is said above; types stand in find-libtorch.d.mts. */
export function findLibtorch(env = process.env) {
  const tried = [];
  const attempt = (root, source) => {
    const { found, problem } = inspectRoot(root, source);
    if (!found) tried.push({ source, where: root, problem });
    return found ?? null;
  };
  if (env.LIBTORCH) return { found: attempt(resolve(env.LIBTORCH), 'LIBTORCH'), tried };
  tried.push({ source: 'LIBTORCH', where: 'environment', problem: 'not set' });

  const selected = selectedRoot(env);
  const installed = selected.root ? attempt(selected.root, 'installed') : null;
  if (installed) return { found: installed, tried };
  if (!selected.root) tried.push({ source: 'installed', where: selected.where, problem: selected.problem });

  const roots = systemRoots(env);
  for (const root of roots) {
    const found = attempt(root, 'system');
    if (found) return { found, tried };
  }
  if (roots.length === 0) {
    tried.push({ source: 'system', where: 'CMake packages', problem: 'no package Torch is installed' });
  }
  const python = pythonRoot(env);
  if (python.root) return { found: attempt(python.root, 'python'), tried };
  tried.push({ source: 'python', where: 'PATH', problem: python.problem });
  return { found: null, tried };
}

// In a bundle this module has the program's own path.
if (
  import.meta.url === pathToFileURL(process.argv[1] ?? '').href &&
  import.meta.url.endsWith('/find-libtorch.mjs')
) {
  const result = findLibtorch();
  console.log(JSON.stringify(result, null, 2));
  process.exitCode = result.found ? 0 : 1;
}
