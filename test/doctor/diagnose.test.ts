import { describe, expect, it } from 'vitest';
import { type Check, diagnose } from '../../src/doctor/diagnose.js';
import type { DoctorFacts } from '../../src/doctor/facts.js';
import { PermafrostError } from '../../src/errors/error.js';

type Engine = NonNullable<DoctorFacts['engine']>;

const CARD = { name: 'NVIDIA H100', computeCapability: '9.0' };
const DRIVER = { version: '580.65.06', cudaVersion: '13.0', cards: [CARD], problem: null };
const NO_DRIVER = { version: null, cudaVersion: null, cards: [], problem: 'libcuda.so.1 was not found' };
const TOOLCHAIN = {
  libtorch: { found: { root: '/usr', version: '2.6.0', source: 'system', cuda: false }, tried: [] },
  cmake: '/usr/bin/cmake',
  compiler: 'c++',
  missing: [],
};

/** Facts of a machine without a card on which all is well; a test names what is different. */
function factsWith(
  libtorch: Partial<Engine['libtorch']> = {},
  others: Partial<DoctorFacts> = {},
): DoctorFacts {
  return {
    versions: { permafrost: '0.1.0', node: '22.1.0', platform: 'linux x64', tokenizers: '0.6.0' },
    engine: {
      version: '0.1.0',
      availableCores: 2,
      libtorch: {
        builtVersion: '2.6.0',
        root: '/usr',
        loadedVersion: '2.6.0',
        loadedPath: '/usr/lib/libtorch_cpu.so',
        hasCuda: false,
        isCudaBuild: false,
        cudaRuntime: null,
        cxx11Abi: true,
        blas: { name: 'OpenBLAS', path: '/usr/lib/libopenblas.so.0', threading: 'openmp' },
        products: [
          { library: 'libtorch', description: 'OpenBLAS 0.3.21' },
          { library: 'own', description: "permafrost's kernels" },
        ],
        ...libtorch,
      },
    },
    engineError: null,
    driver: NO_DRIVER,
    toolchain: TOOLCHAIN,
    matmul: {
      library: 'libtorch',
      description: 'OpenBLAS 0.3.21',
      origin: 'kept',
      reason: null,
      threads: 2,
    },
    bf16Instructions: [],
    ompNumThreads: null,
    energy: { counters: ['RAPL package-0'], problem: null },
    selfTests: [{ device: 'cpu', ok: true, difference: 1e-8, problem: null }],
    ...others,
  };
}

/** What is not well, each as its status, name and remedy. */
const complaints = (facts: DoctorFacts): Check[] => diagnose(facts).filter(({ status }) => status !== 'ok');

const CUDA_13 = { isCudaBuild: true, hasCuda: true, cudaRuntime: 13000 };

describe('diagnose', () => {
  it('finds nothing where all is well, with a card and without', () => {
    expect(complaints(factsWith())).toEqual([]);
    expect(complaints(factsWith(CUDA_13, { driver: DRIVER }))).toEqual([]);
  });

  it('tells what runs: libtorch with its file, ABI, driver, card, BLAS, threads', () => {
    const checks = diagnose(factsWith(CUDA_13, { driver: DRIVER, ompNumThreads: '4' }));
    const values = Object.fromEntries(checks.map(({ name, value }) => [name, value]));
    expect(values).toMatchObject({
      'loaded libtorch': '2.6.0 (/usr/lib/libtorch_cpu.so)',
      'C++ ABI': 'C++11 (_GLIBCXX_USE_CXX11_ABI=1)',
      'NVIDIA driver': '580.65.06, serves CUDA up to 13.0',
      'card cuda:0': 'NVIDIA H100, compute capability 9.0',
      'CUDA of libtorch': '13.0',
      BLAS: 'OpenBLAS, openmp (/usr/lib/libopenblas.so.0)',
      'energy counters': 'RAPL package-0',
      threads: expect.stringContaining('OMP_NUM_THREADS=4'),
    });
  });

  it.each([
    ['kept', null, 'libtorch for bert-base, the fastest, measured earlier;'],
    ['measured', null, 'libtorch for bert-base, the fastest, measured now;'],
    ['forced', null, 'libtorch for bert-base, by PERMAFROST_MATMUL;'],
    ['usual', 'the disk is full', 'libtorch for bert-base, not measured: the disk is full;'],
  ] as const)('says what multiplies, here one that was %s, and what else could', (origin, reason, text) => {
    const chosen = {
      library: 'libtorch',
      description: 'OpenBLAS 0.3.21',
      origin,
      reason,
      threads: 2,
    } as const;
    const check = diagnose(factsWith({}, { matmul: chosen })).find(({ name }) => name === 'products');
    expect(check).toMatchObject({ status: 'ok', value: expect.stringContaining(text) });
    expect(check?.value).toContain("libtorch (OpenBLAS 0.3.21), own (permafrost's kernels)");
  });

  it('is content with any BLAS where oneDNN multiplies', () => {
    const blas = { name: 'OpenBLAS', path: '/x', threading: 'pthread' } as const;
    const checks = diagnose(
      factsWith({ blas, products: [{ library: 'onednn', description: 'oneDNN 2.6.0' }] }),
    );
    expect(checks.find(({ name }) => name === 'BLAS')).toMatchObject({
      status: 'ok',
      value: 'OpenBLAS, pthread (/x); large products by oneDNN',
    });
  });

  it.each<[string, DoctorFacts, Check['status'], string, RegExp]>([
    [
      'a library of products that is not there',
      factsWith({}, { matmul: { problem: "matmul: this libtorch (2.6.0) has no 'onednn'" } }),
      'fault',
      'products',
      /PERMAFROST_MATMUL/,
    ],
    [
      'an OpenBLAS with threads of its own',
      factsWith({ blas: { name: 'OpenBLAS', path: '/x', threading: 'pthread' } }),
      'warning',
      'BLAS',
      /libopenblas0-openmp/,
    ],
    [
      'a BLAS that nobody knows to be fast',
      factsWith({ blas: { name: 'BLAS', path: '/usr/lib/blas/libblas.so.3', threading: null } }),
      'warning',
      'BLAS',
      /OpenBLAS/,
    ],
    [
      'a card that a CPU build leaves idle',
      factsWith({}, { driver: DRIVER }),
      'warning',
      'CUDA of libtorch',
      /libtorch install/,
    ],
    [
      'a CUDA build without a driver',
      factsWith({ ...CUDA_13, hasCuda: false }),
      'warning',
      'CUDA of libtorch',
      /"cpu"/,
    ],
    [
      'a driver older than the CUDA of libtorch',
      factsWith(
        { ...CUDA_13, hasCuda: false },
        { driver: { ...DRIVER, version: '550.54', cudaVersion: '12.4' } },
      ),
      'fault',
      'CUDA of libtorch',
      /CUDA 12\.4/,
    ],
    [
      'a card that libtorch cannot use although the driver is new enough',
      factsWith({ ...CUDA_13, hasCuda: false }, { driver: DRIVER }),
      'fault',
      'CUDA of libtorch',
      /nvidia-smi/,
    ],
    [
      'an engine that was built against another libtorch than the one that was chosen',
      factsWith(
        {},
        {
          toolchain: {
            ...TOOLCHAIN,
            libtorch: {
              found: { root: '/opt/a', version: '2.11.0', source: 'installed', cuda: true },
              tried: [],
            },
          },
        },
      ),
      'warning',
      'libtorch for a build',
      /npm run setup/,
    ],
    [
      'an old Node',
      factsWith(
        {},
        { versions: { permafrost: '0.1.0', node: '20.9.0', platform: 'linux x64', tokenizers: '0.6.0' } },
      ),
      'fault',
      'node',
      /20\.19/,
    ],
    [
      'tokenizers that are not installed',
      factsWith(
        {},
        { versions: { permafrost: '0.1.0', node: '22.1.0', platform: 'linux x64', tokenizers: null } },
      ),
      'fault',
      'tokenizers',
      /npm install/,
    ],
    [
      'a device that computes something else',
      factsWith(
        {},
        {
          selfTests: [
            {
              device: 'cuda:0',
              ok: false,
              difference: 3,
              problem: { code: 'INTERNAL', message: 'expected' },
            },
          ],
        },
      ),
      'fault',
      'self-test cuda:0',
      /"cpu"/,
    ],
    [
      'a variable that keeps the self-test from its model',
      factsWith(
        {},
        {
          selfTests: [
            {
              device: 'cpu',
              ok: false,
              difference: null,
              problem: { code: 'INVALID_OPTION', message: "PERMAFROST_MATMUL: got 'mkl'" },
            },
          ],
        },
      ),
      'fault',
      'self-test cpu',
      /variable/,
    ],
    [
      'a card that libtorch has no code for',
      factsWith(
        {},
        {
          selfTests: [
            {
              device: 'cuda:0',
              ok: false,
              difference: null,
              problem: { code: 'INTERNAL', message: 'CUDA error: no kernel image is available' },
            },
          ],
        },
      ),
      'fault',
      'self-test cuda:0',
      /compute capability/,
    ],
  ])('finds %s, with one remedy', (_, facts, status, name, remedy) => {
    const [found, ...others] = complaints(facts);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ status, name, remedy: expect.stringMatching(remedy) });
  });

  it('gives the remedy of the error where the engine does not load', () => {
    const engineError = new PermafrostError('ADDON_MISSING', 'not there', { remedy: 'Install it.' });
    const [found, ...others] = complaints(factsWith({}, { engine: null, engineError, selfTests: [] }));
    expect(others).toEqual([]);
    expect(found).toMatchObject({ status: 'fault', name: 'engine', remedy: 'Install it.' });
    expect(found?.value).toContain('not there');
  });

  it('tells the driver that is missing apart', () => {
    const message = 'libcuda.so.1: cannot open shared object file: No such file or directory';
    const engineError = new PermafrostError('ADDON_MISSING', message, { remedy: 'Install it.' });
    const [found] = complaints(factsWith({}, { engine: null, engineError, selfTests: [] }));
    expect(found?.remedy).toMatch(/driver.*--cpu/);
  });

  it("says where CUDA's own libraries come from where the loader misses one", () => {
    const engineError = new PermafrostError(
      'ADDON_MISSING',
      'libcudart.so.13: cannot open shared object file: No such file or directory',
      { remedy: 'Install it.' },
    );
    const [found] = complaints(factsWith({}, { engine: null, engineError, selfTests: [] }));
    expect(found?.remedy).toMatch(/LD_LIBRARY_PATH.*libtorch install/);
  });

  it('lists where a libtorch was looked for only where there is no engine', () => {
    const toolchain = {
      ...TOOLCHAIN,
      libtorch: {
        found: null,
        tried: [{ source: 'python', where: 'PATH', problem: 'python3 has no torch' }],
      },
    };
    const names = (facts: DoctorFacts) => diagnose(facts).map(({ name }) => name);
    expect(names(factsWith({}, { toolchain }))).not.toContain('  looked in');
    expect(names(factsWith({}, { toolchain, engine: null, selfTests: [] }))).toContain('  looked in');
  });
});
