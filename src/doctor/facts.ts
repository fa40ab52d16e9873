import type { FoundLibtorch, LibtorchFinding } from '../../scripts/find-libtorch.mjs';
import { inspectToolchain, type Toolchain } from '../../scripts/toolchain.mjs';
import { cardCounters } from '../energy/nvml.js';
import { raplCounters, raplProblem } from '../energy/rapl.js';
import { PermafrostError } from '../errors/error.js';
import { dependencyVersion, packageVersion } from '../experiment/environment.js';
import { type NvidiaDriver, probeNvidiaDriver } from '../libtorch/nvidia-driver.js';
import { type Addon, addon, type MatmulFacts, type NativeLibtorch } from '../native/addon.js';
import { TOKENIZERS_PACKAGE } from '../text/tokenizers-library.js';
import { chosenMatmul } from './matmul.js';
import { type SelfTest, selfTest } from './self-test.js';

/** Everything that the doctor looks at; judging it is left to diagnose.ts. */
export interface DoctorFacts {
  versions: { permafrost: string; node: string; platform: string; tokenizers: string | null };
  engine: { version: string; availableCores: number; libtorch: NativeLibtorch } | null;
  /** Why there is no engine. */
  engineError: PermafrostError | null;
  driver: NvidiaDriver;
  toolchain: Omit<Toolchain, 'libtorch'> & {
    libtorch: Pick<LibtorchFinding, 'tried'> & {
      found: Pick<FoundLibtorch, 'root' | 'version' | 'source' | 'cuda'> | null;
    };
  };
  /** What multiplies the matrices of bert-base on this CPU, or why that cannot be said; null without an engine. */
  matmul: MatmulFacts | { problem: string } | null;
  /** Number of threads that the environment asks OpenMP for. */
  ompNumThreads: string | null;
  /** Names of the energy counters, and why those of the processor are missing. */
  energy: { counters: string[]; problem: string | null };
  /** One for each device; none without an engine. */
  selfTests: SelfTest[];
}

/** Looks at this machine and process, and tries every device out. */
export async function gatherFacts(env: NodeJS.ProcessEnv = process.env): Promise<DoctorFacts> {
  const { engine, engineError } = inspectEngine();
  const driver = engine === null ? probeNvidiaDriver() : driverOf(engine);
  const cards = engine?.libtorch.hasCuda ? driver.cards.map((_, index) => `cuda:${index}`) : [];
  return {
    versions: {
      permafrost: packageVersion(),
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
      tokenizers: dependencyVersion(TOKENIZERS_PACKAGE),
    },
    engine: engine && {
      version: engine.version,
      availableCores: engine.availableCores,
      libtorch: engine.libtorch,
    },
    engineError,
    driver,
    toolchain: inspectToolchain(),
    matmul: engine === null ? null : await chosenMatmul(),
    ompNumThreads: env.OMP_NUM_THREADS ?? null,
    energy: {
      counters: [...raplCounters(), ...cards.flatMap((device) => cardCounters(device))].map(
        ({ name }) => name,
      ),
      problem: raplProblem(),
    },
    selfTests: engine === null ? [] : await testDevices(['cpu', ...cards]),
  };
}

function inspectEngine(): { engine: Addon | null; engineError: PermafrostError | null } {
  try {
    return { engine: addon(), engineError: null };
  } catch (error) {
    if (error instanceof PermafrostError) return { engine: null, engineError: error };
    throw error;
  }
}

function driverOf(engine: Addon): NvidiaDriver {
  const { version, cudaVersion, cards, problem } = engine.nvidiaDriver();
  return {
    version,
    cudaVersion: cudaVersion === null ? null : cudaVersionText(cudaVersion),
    cards: cards.map(({ name, computeCapability }) => ({ name, computeCapability })),
    problem,
  };
}

/** `13.0` for 13000. */
export function cudaVersionText(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}

async function testDevices(devices: string[]): Promise<SelfTest[]> {
  const results: SelfTest[] = [];
  for (const device of devices) results.push(await selfTest(device));
  return results;
}
