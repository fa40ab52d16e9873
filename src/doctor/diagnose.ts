import { rebuildCommand } from '../../scripts/package-manager.mjs';
import { TOKENIZERS_PACKAGE } from '../text/tokenizers-library.js';
import { cudaVersionText, type DoctorFacts } from './facts.js';
import type { SelfTest } from './self-test.js';
import { compareVersions } from './versions.js';

/** `warning`: it works, and could work better. `fault`: something does not work. */
export type CheckStatus = 'ok' | 'warning' | 'fault';

/** One thing that was looked at. */
export interface Check {
  name: string;
  value: string;
  status: CheckStatus;
  /** What to do; there is one for every warning and fault. */
  remedy: string | null;
}

const MINIMUM_NODE = '20.19';

/** Judges the facts. Pure, so that every fault can be tried out without having it. */
export function diagnose(facts: DoctorFacts): Check[] {
  return [
    ...packageChecks(facts),
    ...engineChecks(facts),
    ...cudaChecks(facts),
    ...cpuChecks(facts),
    ...toolchainChecks(facts),
    ...selfTestChecks(facts),
  ];
}

const ok = (name: string, value: string): Check => ({ name, value, status: 'ok', remedy: null });
const warning = (name: string, value: string, remedy: string): Check => ({
  name,
  value,
  status: 'warning',
  remedy,
});
const fault = (name: string, value: string, remedy: string): Check => ({
  name,
  value,
  status: 'fault',
  remedy,
});

function packageChecks({ versions }: DoctorFacts): Check[] {
  const { node, platform, tokenizers } = versions;
  return [
    ok('permafrost', versions.permafrost),
    compareVersions(node, MINIMUM_NODE) < 0
      ? fault('node', `${node} (${platform})`, `Install Node.js ${MINIMUM_NODE} or later.`)
      : ok('node', `${node} (${platform})`),
    tokenizers === null
      ? fault(
          'tokenizers',
          'not installed',
          `Run "npm install" again; it brings the package ${TOKENIZERS_PACKAGE}.`,
        )
      : ok('tokenizers', tokenizers),
  ];
}

function engineChecks({ engine, engineError }: DoctorFacts): Check[] {
  if (engine === null)
    return [fault('engine', `does not load: ${engineError?.message}`, remedyOf(engineError))];
  const { builtVersion, root, loadedVersion, loadedPath, cxx11Abi } = engine.libtorch;
  return [
    ok('engine', engine.version),
    ok('built against libtorch', `${builtVersion} (${root})`),
    ok('loaded libtorch', `${loadedVersion} (${loadedPath})`),
    ok(
      'C++ ABI',
      cxx11Abi === null
        ? 'not that of libstdc++'
        : `${cxx11Abi ? 'C++11' : 'before C++11'} (_GLIBCXX_USE_CXX11_ABI=${Number(cxx11Abi)})`,
    ),
  ];
}

/** Libraries of CUDA's toolkit, which libtorch's archives for Linux hold up to 2.11 and no longer since 2.12. */
const CUDA_LIBRARY = /lib(?!cuda\.)(cu\w+|nv\w+|nccl)\.so\S*: cannot open/;
const DRIVER_LIBRARY = /libcuda\.so\S*: cannot open/;

function remedyOf(error: DoctorFacts['engineError']): string {
  if (error !== null && DRIVER_LIBRARY.test(error.message)) {
    return 'Install NVIDIA\'s driver, or take a libtorch without CUDA: "npx permafrost libtorch install --cpu".';
  }
  if (error !== null && CUDA_LIBRARY.test(error.message)) {
    return (
      'Install the CUDA libraries that libtorch was built for and put their directory on LD_LIBRARY_PATH, ' +
      'or take a libtorch that brings them: "npx permafrost libtorch install --version 2.11.0".'
    );
  }
  return typeof error?.details.remedy === 'string' ? error.details.remedy : `Run "${rebuildCommand()}".`;
}

function cudaChecks({ engine, driver }: DoctorFacts): Check[] {
  const cards = driver.cards.map(({ name, computeCapability }, index) =>
    ok(`card cuda:${index}`, `${name}, compute capability ${computeCapability}`),
  );
  const served = driver.cudaVersion === null ? '' : `, serves CUDA up to ${driver.cudaVersion}`;
  const driverValue =
    driver.version === null && driver.cudaVersion === null
      ? `none (${driver.problem})`
      : `${driver.version ?? 'version unknown'}${served}${driver.problem === null ? '' : `; ${driver.problem}`}`;
  const result = [ok('NVIDIA driver', driverValue), ...cards];
  return engine === null ? result : [...result, cudaOfEngine(engine, driver)];
}

function cudaOfEngine(
  { libtorch }: NonNullable<DoctorFacts['engine']>,
  driver: DoctorFacts['driver'],
): Check {
  const name = 'CUDA of libtorch';
  const hasCards = driver.cards.length > 0;
  if (!libtorch.isCudaBuild) {
    if (!hasCards) return ok(name, 'none: a CPU build');
    return warning(
      name,
      'none: a CPU build, so the card is not used',
      'Run "npx permafrost libtorch install", which fetches a libtorch for this driver and builds the engine against it.',
    );
  }
  const runtime = libtorch.cudaRuntime === null ? null : cudaVersionText(libtorch.cudaRuntime);
  const value = runtime ?? 'version unknown';
  if (!hasCards) {
    return warning(
      name,
      `${value}, but there is no card to use it (${driver.problem})`,
      'Without a card use device "cpu". Where there is one, install NVIDIA\'s driver (in a container, start it with ' +
        '"--gpus all"), and see that CUDA_VISIBLE_DEVICES does not hide the card.',
    );
  }
  if (runtime !== null && driver.cudaVersion !== null && major(runtime) > major(driver.cudaVersion)) {
    return fault(
      name,
      `${value}, but the driver serves CUDA up to ${driver.cudaVersion}`,
      `Update NVIDIA's driver, or run "npx permafrost libtorch install", which picks a libtorch for CUDA ${driver.cudaVersion}.`,
    );
  }
  if (!libtorch.hasCuda) {
    return fault(
      name,
      `${value}, but libtorch finds no device that it can use`,
      'Update NVIDIA\'s driver and restart the machine; "nvidia-smi" must list the card.',
    );
  }
  return ok(name, value);
}

function cpuChecks({ engine, matmul, bf16Instructions, ompNumThreads, energy }: DoctorFacts): Check[] {
  if (engine === null) return [];
  const { libtorch, availableCores } = engine;
  const asked = ompNumThreads === null ? '' : `, OMP_NUM_THREADS=${ompNumThreads}`;
  return [
    blasCheck(libtorch),
    ...matmulChecks(libtorch.products, matmul),
    ok('bf16 on the CPU', bf16Instructions.join(', ') || 'no instructions for it: it saves memory, not time'),
    ok('energy counters', energyText(energy)),
    ok('threads', `${availableCores}, one a core that this process may use${asked}`),
  ];
}

function energyText({ counters, problem }: DoctorFacts['energy']): string {
  const found = counters.length > 0 ? counters.join(', ') : 'none';
  return problem === null ? found : `${found} (${problem})`;
}

function matmulChecks(
  products: NonNullable<DoctorFacts['engine']>['libtorch']['products'],
  matmul: DoctorFacts['matmul'],
): Check[] {
  if (matmul === null) return [];
  const name = 'products';
  const all = products.map(({ library, description }) => `${library} (${description})`).join(', ');
  if ('problem' in matmul) {
    return [fault(name, `${all}; ${matmul.problem}`, 'Unset PERMAFROST_MATMUL, or name one of those.')];
  }
  const { library, origin, reason } = matmul;
  const how = {
    forced: 'by PERMAFROST_MATMUL',
    measured: 'the fastest, measured now',
    kept: 'the fastest, measured earlier',
    usual: `not measured: ${reason}`,
  }[origin];
  return [ok(name, `${library} for bert-base, ${how}; there are ${all}`)];
}

function blasCheck({ blas, products }: NonNullable<DoctorFacts['engine']>['libtorch']): Check {
  const { name, path, threading } = blas;
  const value = `${name ?? 'not recognised'}${threading === null ? '' : `, ${threading}`}${path === null ? '' : ` (${path})`}`;
  // What is left to the BLAS is small.
  if (products[0]?.library === 'onednn') return ok('BLAS', `${value}; large products by oneDNN`);
  if (threading === 'pthread') {
    return warning(
      'BLAS',
      `${value}: its threads and libtorch's take the cores from each other`,
      'Take the build of OpenBLAS that shares libtorch\'s threads (Debian, Ubuntu: "apt-get install libopenblas0-openmp"), ' +
        'or a libtorch that brings its own BLAS: "npx permafrost libtorch install".',
    );
  }
  if (name === 'BLAS') {
    return warning(
      'BLAS',
      `${value}: not recognised as a fast one`,
      'Install OpenBLAS (Debian, Ubuntu: "apt-get install libopenblas0-openmp").',
    );
  }
  return ok('BLAS', value);
}

function toolchainChecks({ toolchain, engine }: DoctorFacts): Check[] {
  const { found, tried } = toolchain.libtorch;
  const value = found ? `${found.version} (${found.root}, from ${found.source})` : 'none found';
  // Whoever named or fetched a libtorch expects the engine to run on it.
  const wasChosen = found?.source === 'LIBTORCH' || found?.source === 'installed';
  const isOther = engine !== null && found !== null && found.root !== engine.libtorch.root;
  return [
    wasChosen && isOther
      ? warning(
          'libtorch for a build',
          `${value}, and the engine was built against another one`,
          `Build the engine against it: "${rebuildCommand()}".`,
        )
      : ok('libtorch for a build', value),
    // Where the engine works, nobody asks where else a libtorch might be.
    ...(found || engine ? [] : tried.map(({ where, problem }) => ok('  looked in', `${where}: ${problem}`))),
    ok('cmake', toolchain.cmake ?? 'not found'),
    ok('C++ compiler', toolchain.compiler ?? 'not found'),
  ];
}

function selfTestChecks({ selfTests }: DoctorFacts): Check[] {
  return selfTests.map(({ device, ok: passed, difference, problem }) => {
    const name = `self-test ${device}`;
    if (passed) return ok(name, `passed, largest relative difference ${difference?.toExponential(1)}`);
    return fault(name, `failed: ${problem?.code}: ${problem?.message}`, selfTestRemedy(device, problem));
  });
}

function selfTestRemedy(device: string, problem: SelfTest['problem']): string {
  const { code, message } = problem ?? { code: '', message: '' };
  // The model that is tried is a right one, so it is the environment that names what is not there.
  if (code === 'INVALID_OPTION') return 'Set the variable that it names to one of those, or unset it.';
  if (/no kernel image/i.test(message)) {
    return (
      'This libtorch has no code for the card\'s compute capability: run "npx permafrost libtorch install" with a ' +
      '--version that has (older cards: 2.7.1, newer cards: 2.11.0).'
    );
  }
  const elsewhere = device === 'cpu' ? '' : ' Until then, device "cpu" works if its own self-test does.';
  return `Build the engine again ("${rebuildCommand()}"), and report it if it stays.${elsewhere}`;
}

function major(version: string): number {
  return Number.parseInt(version, 10);
}
