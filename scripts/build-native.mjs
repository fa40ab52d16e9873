// Builds the addon through cmake-js; `--tests` builds and runs the C++ tests, which need no Node.
//
//   node scripts/build-native.mjs [--tests] [--configure-only] [--jobs N] [--sanitize address,undefined]
//
// Each libtorch has a build directory of its own (build/libtorch-<version>), or PERMAFROST_BUILD_DIR names one.
// Without PERMAFROST_BUILD_DIR the addon is also put where node-gyp-build looks: build/Release/permafrost.node.
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { inspectToolchain, PROJECT_ROOT, REMEDY, run } from './toolchain.mjs';

// One compiler process that includes libtorch's headers.
const BYTES_PER_JOB = 1.5 * 2 ** 30;

// The counts stand at the end of the test program's output, which ctest otherwise cuts.
const CTEST_LIMITS = [
  '--no-tests=error',
  '--test-output-size-passed',
  '4000000',
  '--test-output-size-failed',
  '4000000',
];

const { values } = parseArgs({
  options: {
    tests: { type: 'boolean', default: false },
    'configure-only': { type: 'boolean', default: false },
    jobs: { type: 'string' },
    sanitize: { type: 'string' },
  },
});

function cmakeJs() {
  const manifest = createRequire(import.meta.url).resolve('cmake-js/package.json');
  return join(dirname(manifest), 'bin', 'cmake-js');
}

function build() {
  const { libtorch, missing } = inspectToolchain();
  if (missing.length > 0) {
    const tried = libtorch.found ? [] : libtorch.tried;
    const lines = tried.map(({ source, where, problem }) => `  ${source} (${where}): ${problem}`);
    throw new Error([`The native build needs ${missing.join(', ')}.`, ...lines, REMEDY].join('\n'));
  }
  const { root, version } = libtorch.found;
  const buildDir = resolve(PROJECT_ROOT, process.env.PERMAFROST_BUILD_DIR || `build/libtorch-${version}`);
  const jobs =
    values.jobs ??
    String(Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_JOB))));

  const definitions = {
    LIBTORCH: root,
    PERMAFROST_SANITIZE: values.sanitize ?? '',
    ...(values.tests && { PERMAFROST_TESTS: 'ON' }),
  };
  const flags = Object.entries(definitions).map(([name, value]) => `--CD${name}=${value}`);
  run(process.execPath, [cmakeJs(), 'configure', '--log-level', 'warn', '--out', buildDir, ...flags]);
  if (values['configure-only']) return;

  const target = values.tests ? ['--target', 'permafrost_tests'] : ['--target', 'permafrost'];
  run('cmake', ['--build', buildDir, '--parallel', jobs, ...target]);
  if (values.tests) {
    const report = join(PROJECT_ROOT, 'build', 'ctest.xml');
    run('ctest', ['--test-dir', buildDir, '--output-on-failure', '--output-junit', report, ...CTEST_LIMITS]);
  } else if (!process.env.PERMAFROST_BUILD_DIR) {
    publish(join(buildDir, 'Release', 'permafrost.node'));
  }
}

/** Replaces the addon by renaming: a process that has the old file mapped keeps it. */
function publish(addon) {
  const published = join(PROJECT_ROOT, 'build', 'Release', 'permafrost.node');
  mkdirSync(dirname(published), { recursive: true });
  copyFileSync(addon, `${published}.new`);
  renameSync(`${published}.new`, published);
}

try {
  build();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
