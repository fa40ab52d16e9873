// Builds everything with the sanitizers and runs the tests under them; the first report ends it with exit code 1.
//
//   node scripts/sanitize.mjs [--only address|thread] [--skip-javascript] [--jobs N]
//
// address  AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer: the C++ tests, and the JavaScript tests that
//          work the addon hardest
// thread   ThreadSanitizer: the C++ tests. Each engine computes with one thread, for the libraries' own threads are
//          none that it knows
//
// Each has a build directory of its own. native/test/suppressions names what is not ours. Needs g++ and Linux.
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { PROJECT_ROOT, run } from './toolchain.mjs';

const JAVASCRIPT_TESTS = [
  'test/native/border.test.ts',
  'test/model/families.test.ts',
  'test/model/freeze.test.ts',
  'test/model/lifetime.test.ts',
  'test/model/precision.test.ts',
  'test/model/training-state.test.ts',
  'test/model/training-step.test.ts',
  'test/training/prefix-cache.test.ts',
  'test/inference/tagger.test.ts',
];

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    'skip-javascript': { type: 'boolean', default: false },
    jobs: { type: 'string' },
  },
});

const suppressions = (name) => join(PROJECT_ROOT, 'native', 'test', 'suppressions', `${name}.txt`);
const options = (settings) =>
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join(':');

const ADDRESS = {
  // libtorch and Node take what they can get and look whether they got it.
  ASAN_OPTIONS: options({ detect_stack_use_after_return: 1, allocator_may_return_null: 1 }),
  LSAN_OPTIONS: options({ suppressions: suppressions('leak'), print_suppressions: 0 }),
  UBSAN_OPTIONS: options({
    suppressions: suppressions('undefined'),
    halt_on_error: 1,
    print_stacktrace: 1,
  }),
};

const THREAD = {
  TSAN_OPTIONS: options({ suppressions: suppressions('thread'), halt_on_error: 1, print_suppressions: 0 }),
  OMP_NUM_THREADS: '1',
};

function build(name, sanitizers, args, env) {
  const jobs = values.jobs === undefined ? [] : ['--jobs', values.jobs];
  run(process.execPath, ['scripts/build-native.mjs', '--sanitize', sanitizers, ...jobs, ...args], {
    env: { ...process.env, PERMAFROST_BUILD_DIR: `build/sanitize-${name}`, ...env },
  });
}

/** Node itself is not built with the sanitizer, whose library must then be there before any other. */
function runJavascript() {
  const compiler = process.env.CXX ?? 'g++';
  const library = execFileSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
  const manifest = createRequire(import.meta.url).resolve('vitest/package.json');
  run(process.execPath, ['scripts/build-typescript.mjs']);
  run(process.execPath, [join(dirname(manifest), 'vitest.mjs'), 'run', ...JAVASCRIPT_TESTS], {
    env: {
      ...process.env,
      ...ADDRESS,
      // What Node itself leaves behind at its end is no leak of ours; V8 has its own use for faults.
      ASAN_OPTIONS: `${ADDRESS.ASAN_OPTIONS}:${options({ detect_leaks: 0, handle_segv: 0, use_sigaltstack: 0 })}`,
      LD_PRELOAD: realpathSync(library),
      PERMAFROST_ADDON: join(PROJECT_ROOT, 'build', 'sanitize-address', 'Release', 'permafrost.node'),
    },
  });
}

const CHECKS = {
  address() {
    build('address', 'address,undefined', ['--tests'], ADDRESS);
    if (values['skip-javascript']) return;
    build('address', 'address,undefined', [], {});
    runJavascript();
  },
  thread: () => build('thread', 'thread', ['--tests'], THREAD),
};

const chosen = values.only === undefined ? Object.keys(CHECKS) : [values.only];
const unknown = chosen.find((name) => !Object.hasOwn(CHECKS, name));
if (unknown !== undefined) {
  console.error(`--only: expected ${Object.keys(CHECKS).join(' or ')}, got '${unknown}'.`);
  process.exit(2);
}
try {
  for (const name of chosen) CHECKS[name]();
  console.log(`No report of the sanitizers: ${chosen.join(', ')}.`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
