// Builds the addon with CMake; `--tests` builds and runs the C++ tests, which need no Node.
//
//   node scripts/build-native.mjs [--tests] [--configure-only] [--jobs N] [--sanitize address,undefined]
//
// Each libtorch has a build directory of its own (build/libtorch-<version>), or PERMAFROST_BUILD_DIR names one.
// Without PERMAFROST_BUILD_DIR the addon is also put where it is looked for: build/Release/permafrost.node.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildWithCmake, defaultBuildDirectory, publish } from './cmake-build.mjs';
import { PROJECT_ROOT, run } from './toolchain.mjs';

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

async function build() {
  const buildDir = defaultBuildDirectory();
  await buildWithCmake({
    buildDir,
    definitions: {
      PERMAFROST_SANITIZE: values.sanitize ?? '',
      ...(values.tests && { PERMAFROST_TESTS: 'ON' }),
    },
    target: values['configure-only'] ? null : values.tests ? 'permafrost_tests' : 'permafrost',
    ...(values.jobs && { jobs: values.jobs }),
  });
  if (values['configure-only']) return;
  if (values.tests) {
    const report = join(PROJECT_ROOT, 'build', 'ctest.xml');
    run('ctest', ['--test-dir', buildDir, '--output-on-failure', '--output-junit', report, ...CTEST_LIMITS]);
  } else if (!process.env.PERMAFROST_BUILD_DIR) {
    publish(buildDir);
  }
}

try {
  await build();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
