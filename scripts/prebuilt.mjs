// Prebuilt engines: packages of their own, one for each platform, minor version of libtorch, and CPU or CUDA. Which one
// fits is a matter of the libtorch that is found, and whether it fits is looked at before it is loaded.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const SCOPE = '@permafrost';

/** What musl's systems are told: nothing that can be installed there would help. */
export const MUSL_PROBLEM =
  'This system has musl as its C library (Alpine Linux), and libtorch exists for glibc alone. ' +
  'Use a system with glibc, such as the images node:22-bookworm-slim or debian:12.';

/**
 * The C library of this process.
 *
 * @returns {{ name: 'glibc' | 'musl', version: string | null } | null} null where it is another one, or not known
 */
export function systemLibc(platform = process.platform, report = processReport, exists = existsSync) {
  if (platform !== 'linux') return null;
  const version = report()?.header?.glibcVersionRuntime;
  if (version) return { name: 'glibc', version };
  // Systems with glibc may have musl's loader beside their own.
  const loaders = ['x86_64', 'aarch64'].map((arch) => `/lib/ld-musl-${arch}.so.1`);
  return loaders.some((path) => exists(path)) ? { name: 'musl', version: null } : null;
}

function processReport() {
  const { report } = process;
  if (!report?.getReport) return null;
  // Names of the network's other ends take seconds where no name server answers.
  const { excludeNetwork } = report;
  report.excludeNetwork = true;
  try {
    return report.getReport();
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

/** Name of the package with the engine for a libtorch, such as `@permafrost/linux-x64-libtorch-2.11-cpu`. */
export function prebuiltName(libtorch, { platform, arch } = process) {
  const [major, minor] = libtorch.version.split('.');
  return `${SCOPE}/${platform}-${arch}-libtorch-${major}.${minor}-${libtorch.cuda ? 'cuda' : 'cpu'}`;
}

/**
 * Finds the installed package with the engine for a libtorch, and says why it cannot be taken where it cannot.
 *
 * @param {{ version: string, cuda: boolean, libraryDir: string, cxx11Abi: boolean | null }} libtorch as
 *   find-libtorch.mjs found it
 * @param {{ packageRoot: string, version: string, libc?: ReturnType<typeof systemLibc> }} own directory and version of
 *   permafrost, which must be that of the engine
 * @returns {import('./prebuilt.mjs').Prebuilt}
 */
export function findPrebuilt(libtorch, { packageRoot, version, libc = systemLibc() }) {
  const name = prebuiltName(libtorch);
  let file;
  try {
    file = createRequire(join(packageRoot, 'package.json')).resolve(`${name}/package.json`);
  } catch {
    return {
      name,
      directory: null,
      problem: `not installed; where it was published, "npm install ${name}@${version}" brings it`,
    };
  }
  return inspectPrebuilt(dirname(file), libtorch, { version, libc });
}

/** The same for the package in a directory. */
export function inspectPrebuilt(directory, libtorch, { version, libc = systemLibc() }) {
  const manifest = readManifest(directory);
  const name = manifest?.name ?? directory;
  const refused = (problem) => ({ name, directory, problem });
  const engine = manifest?.permafrost;
  if (!Array.isArray(engine?.libraries)) return refused('its package.json does not describe an engine');
  if (manifest.version !== version) {
    return refused(
      `it is of version ${manifest.version}, and permafrost of ${version}; both must be the same`,
    );
  }
  if (name !== prebuiltName(libtorch)) {
    return refused(
      `it is for another libtorch than the ${describe(libtorch)}, which needs ${prebuiltName(libtorch)}`,
    );
  }
  const missing = engine.libraries.filter((library) => !existsSync(join(libtorch.libraryDir, library)));
  if (missing.length > 0) {
    return refused(
      `it is for a libtorch ${engine.libtorch} of other make, which has ${missing.join(', ')}; that is not in ${libtorch.libraryDir}`,
    );
  }
  if (libtorch.cxx11Abi !== null && engine.cxx11Abi !== libtorch.cxx11Abi) {
    const abi = (isNew) => `_GLIBCXX_USE_CXX11_ABI=${Number(isNew)}`;
    return refused(
      `it has the C++ ABI of ${abi(engine.cxx11Abi)}, and this libtorch that of ${abi(libtorch.cxx11Abi)}`,
    );
  }
  if (libc?.name === 'glibc' && compareVersions(libc.version, engine.glibc) < 0) {
    return refused(`it needs glibc ${engine.glibc}, and this system has ${libc.version}`);
  }
  return {
    name,
    directory,
    problem: null,
    addon: join(directory, 'permafrost.node'),
    preload: join(directory, 'permafrost_preload.node'),
    cuda: engine.cuda,
    libraries: engine.libraries.map((library) => join(libtorch.libraryDir, library)),
  };
}

function readManifest(directory) {
  try {
    return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  } catch {
    // Said of it as of a manifest without an engine.
    return null;
  }
}

const describe = ({ version, cuda, libraryDir }) =>
  `libtorch ${version} (${cuda ? 'CUDA' : 'CPU'}) in ${libraryDir}`;

/** Negative where `a` is older. */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
