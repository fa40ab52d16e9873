// What a shared library asks of the machine that it runs on, as objdump tells it, and whether a prebuilt engine asks for
// too much.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareVersions } from './prebuilt.mjs';
import { PROJECT_ROOT } from './toolchain.mjs';

/** What every supported system has; a libtorch that needs more runs on newer systems alone, and so may its engine. */
export const FLOOR = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11' };

function objdump(args) {
  const { status, stdout, stderr, error } = spawnSync('objdump', args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

const newest = (versions) => versions.reduce((a, b) => (compareVersions(a, b) < 0 ? b : a), '0');

/**
 * The symbols that a binary takes from the C and C++ libraries, with the versions that have them, out of what
 * `objdump -T` prints.
 *
 * @returns {{ library: 'GLIBC' | 'GLIBCXX' | 'CXXABI', version: string, symbol: string }[]}
 */
export function versionedSymbols(text) {
  const pattern = /\*UND\*\s+[0-9a-f]+\s+\(?(GLIBC|GLIBCXX|CXXABI)_([\d.]+)\)?\s+(\S+)/g;
  return [...text.matchAll(pattern)].map(([, library, version, symbol]) => ({ library, version, symbol }));
}

const newestOf = (symbols, library) =>
  newest(symbols.filter((found) => found.library === library).map(({ version }) => version));

/** Names that a binary asks for, and its run paths. */
export function dynamicSection(file) {
  const text = objdump(['-p', file]);
  const values = (key) =>
    [...text.matchAll(new RegExp(`^\\s+${key}\\s+(\\S+)`, 'gm'))].map((match) => match[1]);
  return { needed: values('NEEDED'), runPaths: [...values('RPATH'), ...values('RUNPATH')] };
}

/** What the loader of engines must know of one. */
export function inspectBinary(file, libtorch) {
  const { needed } = dynamicSection(file);
  // The others come from the system; those are opened in this order, each after what it needs itself.
  const order = ['c10', 'c10_cuda', 'torch_cpu', 'torch_cuda', 'torch'];
  const rank = (name) => order.indexOf(/^lib(\w+)\.so/.exec(name)?.[1]);
  const own = needed.filter((name) => rank(name) >= 0 && existsSync(join(libtorch.libraryDir, name)));
  const cuda = join(libtorch.libraryDir, 'libc10_cuda.so');
  const runtime = existsSync(cuda)
    ? dynamicSection(cuda).needed.find((name) => /^libcudart\.so/.test(name))
    : undefined;
  return {
    /** Major version of CUDA, whose structures differ between two of them; null without CUDA. */
    cuda: runtime === undefined ? null : Number(/\d+/.exec(runtime)[0]),
    glibc: newestOf(versionedSymbols(objdump(['-T', file])), 'GLIBC'),
    libtorchLibraries: own.sort((a, b) => rank(a) - rank(b)),
  };
}

/**
 * Says why an engine would not run on another machine with such a libtorch: run paths, paths of this machine, or newer
 * symbols of the C and C++ libraries than both {@link FLOOR} and libtorch itself need.
 *
 * @returns {string[]}
 */
export function checkEngine(directory, files, libtorch, { allowNewer = false } = {}) {
  const ofLibtorch = versionedSymbols(objdump(['-T', join(libtorch.libraryDir, 'libtorch_cpu.so')]));
  const limits = Object.fromEntries(
    Object.entries(FLOOR).map(([library, floor]) => [
      library,
      newest([floor, newestOf(ofLibtorch, library)]),
    ]),
  );
  return files.flatMap((name) => {
    const file = join(directory, name);
    const { needed, runPaths } = dynamicSection(file);
    const problems = runPaths.map((path) => `${name} has the run path ${path}`);
    problems.push(
      ...needed.filter((path) => path.includes('/')).map((path) => `${name} asks for ${path} by its path`),
    );
    const content = readFileSync(file, 'latin1');
    for (const path of [PROJECT_ROOT, libtorch.root]) {
      // A root such as /usr is part of names that are no path of this machine.
      if (path.length > '/usr/local'.length && content.includes(path))
        problems.push(`${name} holds the path ${path}`);
    }
    if (allowNewer) return problems;
    for (const { library, version, symbol } of versionedSymbols(objdump(['-T', file]))) {
      if (compareVersions(version, limits[library]) <= 0) continue;
      problems.push(`${name} needs ${symbol} of ${library}_${version}; up to ${limits[library]} is allowed`);
    }
    return problems;
  });
}
