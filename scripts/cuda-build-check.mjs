// Builds against a CUDA libtorch and checks, on a machine without a card, all that can be checked there:
//
//   LIBTORCH=/path/to/cuda/libtorch node scripts/cuda-build-check.mjs [--jobs N]
//
//   - the C++ tests pass, and the addon links libtorch_cuda
//   - NVRTC, which libtorch brings, compiles the kernels of a card for three architectures
//   - Node loads it, and it says that it has CUDA compiled in
//   - a model on device "cuda" is refused with DEVICE_UNAVAILABLE (or made, where there is a card after all)
//   - the parity tests pass on the CPU through it
//
// Needs what the native build needs, and CUDA's headers (CUDA_HOME) for step graphs. Builds in build/cuda-check.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { findLibtorch } from './find-libtorch.mjs';
import { PROJECT_ROOT, run } from './toolchain.mjs';

const BUILD = process.env.PERMAFROST_BUILD_DIR || join(PROJECT_ROOT, 'build/cuda-check');
const ADDON = join(BUILD, 'Release/permafrost.node');

const { values } = parseArgs({ options: { jobs: { type: 'string' } } });

function require(holds, message) {
  if (!holds) throw new Error(message);
}

/** Runs a program and gives what it printed. */
function output(command, args, env = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  if (result.error) throw result.error;
  require(result.status === 0, `${command} ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** Run in a process of its own: what the addon says about itself, and what it answers to device "cuda". */
const PROBE = `
  const { addon } = await import(${JSON.stringify(`${PROJECT_ROOT}/dist/native/addon.js`)});
  const { TokenClassifier } = await import(${JSON.stringify(`${PROJECT_ROOT}/dist/model/token-classifier.js`)});
  const { libtorch } = addon();
  const config = { vocabSize: 50, hiddenSize: 32, numLayers: 1, numHeads: 2, intermediateSize: 32, maxPositions: 16,
    labels: ['O', 'X'] };
  const answer = await TokenClassifier.create(config, { device: 'cuda' }).then(
    async (model) => { const { name } = await model.deviceFacts(); await model.dispose(); return { name }; },
    ({ name, code, message }) => ({ error: name, code, message }));
  const auto = await TokenClassifier.create(config, { device: 'auto', precision: 'bf16' });
  const { name } = await auto.deviceFacts();
  await auto.dispose();
  console.log(JSON.stringify({ libtorch, answer, auto: name }));
`;

const CHECKS = {
  'the libtorch is one for CUDA'() {
    const { found, tried } = findLibtorch();
    require(found, `no libtorch: ${JSON.stringify(tried)}`);
    require(found.cuda, `${found.root} has no libtorch_cuda; set LIBTORCH to one for CUDA`);
    return `${found.version} at ${found.root}`;
  },
  'the C++ tests pass'() {
    const build = join(PROJECT_ROOT, 'scripts/build-native.mjs');
    const jobs = values.jobs ? ['--jobs', values.jobs] : [];
    const env = { ...process.env, PERMAFROST_BUILD_DIR: BUILD };
    run(process.execPath, [build, '--tests', ...jobs], { env });
    run(process.execPath, [build, ...jobs], { env });
    return 'and the addon is built';
  },
  'NVRTC compiles every kernel'() {
    const printed = output(join(BUILD, 'permafrost_tests'), ['NVRTC compiles every kernel']);
    require(!printed.includes('skipped'), printed.trim());
    return 'for compute capability 8.0, 9.0 and 10.0';
  },
  'step graphs are compiled in'() {
    const flags = output('grep', [
      '-o',
      '-m1',
      'PERMAFROST_CUDA_HEADERS=[01]',
      join(BUILD, 'compile_commands.json'),
    ]);
    require(flags.includes('=1'), "CUDA's headers were not found: set CUDA_HOME to a CUDA toolkit");
    return "with CUDA's headers";
  },
  'the addon links libtorch_cuda'() {
    const needed = output('readelf', ['-d', ADDON])
      .split('\n')
      .filter((line) => line.includes('NEEDED'))
      .map((line) => /\[(.*)\]/.exec(line)[1]);
    for (const library of ['libtorch_cuda', 'libc10_cuda', 'libtorch_cpu']) {
      require(needed.some((name) => name.startsWith(library)), `no ${library} among ${needed.join(', ')}`);
    }
    return needed.filter((name) => name.includes('cuda')).join(', ');
  },
  'Node loads it and answers for the missing card'() {
    const printed = output(process.execPath, ['--input-type=module', '-e', PROBE], {
      PERMAFROST_ADDON: ADDON,
    });
    const { libtorch, answer, auto } = JSON.parse(printed.trim().split('\n').at(-1));
    if (libtorch.hasCuda) {
      require(answer.name?.startsWith('cuda'), `expected a model on the card, got ${JSON.stringify(answer)}`);
      return `libtorch ${libtorch.loadedVersion}; there is a card, and the model is on ${answer.name}`;
    }
    require(answer.error === 'PermafrostError', `expected a PermafrostError, got ${JSON.stringify(answer)}`);
    require(answer.code === 'DEVICE_UNAVAILABLE', `expected DEVICE_UNAVAILABLE, got ${answer.code}`);
    require(/no CUDA device/.test(answer.message), `expected "no CUDA device", got: ${answer.message}`);
    require(auto === 'cpu', `device auto gave ${auto}`);
    return `libtorch ${libtorch.loadedVersion}; ${answer.code}; auto is ${auto}`;
  },
  'the parity tests pass on the CPU'() {
    const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
    const env = { ...process.env, PERMAFROST_ADDON: ADDON };
    run(process.execPath, [vitest, 'run', 'test/parity', 'test/model/precision.test.ts'], { env });
    return 'through the CUDA build';
  },
};

let failed = 0;
const lines = [];
for (const [name, check] of Object.entries(CHECKS)) {
  try {
    lines.push(`ok      ${name} (${check()})`);
  } catch (error) {
    failed += 1;
    lines.push(`FAILED  ${name}: ${error instanceof Error ? error.message : error}`);
    break; // each needs the ones before it
  }
}
console.log(lines.join('\n'));
console.log(`${lines.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
