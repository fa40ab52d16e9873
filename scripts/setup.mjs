// Prepares a clone: system packages, npm packages, the native build, the TypeScript build.
// Each part runs only when what it depends on has changed since it last succeeded.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { buildWithCmake, defaultBuildDirectory, publish } from './cmake-build.mjs';
import { runShown } from './progress.mjs';
import { findProgram, inspectToolchain, PROJECT_ROOT, REMEDY } from './toolchain.mjs';

const STAMP = join(PROJECT_ROOT, '.setup-stamp.json');
const PACKAGES = { libtorch: 'libtorch-dev', cmake: 'cmake', 'a C++ compiler': 'g++', make: 'make' };

function filesUnder(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path).sort();
  return names.flatMap((name) => filesUnder(join(path, name)));
}

/** One digest over the names and contents of files, and over further facts. */
function digestOf(paths, facts = []) {
  const hash = createHash('sha256');
  for (const file of paths.flatMap((path) => filesUnder(join(PROJECT_ROOT, path)))) {
    hash
      .update(`${relative(PROJECT_ROOT, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return hash.update(JSON.stringify(facts)).digest('hex');
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(STAMP, 'utf8'));
  } catch {
    // No stamp, or one that was cut short: everything runs.
    return {};
  }
}

const stamp = readStamp();

function writeStamp() {
  writeFileSync(STAMP, `${JSON.stringify(stamp, null, 2)}\n`);
}

/** Runs `work` unless it succeeded with the same digest before and its output is still there. */
async function part(name, digest, output, work) {
  if (stamp[name] === digest && existsSync(join(PROJECT_ROOT, output))) return;
  console.log(`setup: ${name}`);
  await work();
  stamp[name] = digest;
  writeStamp();
}

/** Whether the BLAS at hand is OpenBLAS with a thread pool of its own, which fights with libtorch's OpenMP threads. */
function hasOnlyPthreadBlas() {
  const dir = `/usr/lib/${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch]}-linux-gnu`;
  return existsSync(join(dir, 'openblas-pthread')) && !existsSync(join(dir, 'openblas-openmp'));
}

function systemPackages() {
  const { libtorch, missing } = inspectToolchain();
  const packages = missing.map((name) => PACKAGES[name]);
  const usesSystem = !libtorch.found || libtorch.found.source === 'system';
  // A machine that cannot install the faster BLAS works without it, and is not asked again.
  const isWanted = !libtorch.found || (hasOnlyPthreadBlas() && stamp.blas !== 'asked for');
  if (usesSystem && isWanted) packages.push('libopenblas0-openmp');
  return packages;
}

async function installSystemPackages() {
  const packages = systemPackages();
  if (packages.length > 0 && process.getuid?.() === 0 && findProgram('apt-get') !== null) {
    console.log(`setup: apt-get install ${packages.join(' ')}`);
    // Hundreds of lines that nobody reads; errors go to stderr.
    const options = { quiet: true, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
    const install = ['install', '-y', '-q', '--no-install-recommends', ...packages];
    stamp.blas = 'asked for';
    writeStamp();
    try {
      await runShown('apt-get update', 'apt-get', ['update', '-q'], options);
      await runShown('apt-get install', 'apt-get', install, options);
    } catch (error) {
      console.error(`setup: ${error.message}`);
    }
  }
  const { missing } = inspectToolchain();
  if (missing.length > 0) throw new Error(`Not found: ${missing.join(', ')}. ${REMEDY}`);
}

async function setup() {
  await installSystemPackages();

  await part(
    'packages',
    digestOf(['package.json', 'package-lock.json']),
    'node_modules/.package-lock.json',
    () => {
      // The native build is a part of its own below.
      const env = { ...process.env, PERMAFROST_SKIP_BUILD: '1' };
      return runShown('npm ci', 'npm', ['ci', '--no-audit', '--no-fund'], { env });
    },
  );

  const { root, version } = inspectToolchain().libtorch.found;
  const nativeInputs = ['native', 'cmake', 'CMakeLists.txt', 'scripts/cmake-build.mjs'];
  await part(
    'native build',
    digestOf(nativeInputs, [root, version]),
    'build/Release/permafrost.node',
    async () => {
      // The published addon is the one that the stamp speaks of, wherever PERMAFROST_BUILD_DIR has others built.
      const buildDir = defaultBuildDirectory({ ...process.env, PERMAFROST_BUILD_DIR: '' });
      await buildWithCmake({ buildDir, definitions: { PERMAFROST_SANITIZE: '' }, target: 'permafrost' });
      publish(buildDir);
    },
  );

  const typescriptInputs = ['src', 'tsconfig.json', 'package-lock.json', 'scripts/guard-entries.mjs'];
  await part('TypeScript build', digestOf(typescriptInputs), 'dist/index.js', () =>
    runShown('compiling the TypeScript', process.execPath, ['scripts/build-typescript.mjs']),
  );
}

try {
  await setup();
} catch (error) {
  console.error(`setup failed: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
