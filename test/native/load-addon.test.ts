import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemLibc } from '../../scripts/prebuilt.mjs';
import { REMEDY } from '../../scripts/toolchain.mjs';
import { PermafrostError } from '../../src/errors/error.js';
import { loadAddon } from '../../src/native/load-addon.js';

let root: string;
const libtorch = () => ({
  builtVersion: '2.6.0',
  loadedVersion: '2.6.0',
  root: join(root, 'libtorch'),
  loadedPath: join(root, 'libtorch', 'lib', 'libtorch_cpu.so'),
});

function writeFile(...parts: string[]): string {
  const path = join(root, ...parts);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, '');
  return path;
}

const none = () => ({ found: null, tried: [] });

function errorOf(action: () => unknown): PermafrostError {
  try {
    action();
  } catch (error) {
    if (error instanceof PermafrostError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'permafrost-load-')));
  writeFile('libtorch', 'lib', 'libtorch_cpu.so');
  writeFileSync(join(root, 'package.json'), '{ "version": "1.2.3" }');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('loadAddon', () => {
  it('takes the local build', () => {
    const path = writeFile('build', 'Release', 'permafrost.node');
    const addon = { libtorch: libtorch() };
    const loadedPaths: string[] = [];
    const load = (file: string) => {
      loadedPaths.push(file);
      return addon;
    };
    expect(loadAddon({ packageRoot: root, env: {}, load })).toBe(addon);
    expect(loadedPaths).toEqual([path]);
  });

  it('takes the file that PERMAFROST_ADDON names, and no other', () => {
    writeFile('build', 'Release', 'permafrost.node');
    const named = join(root, 'elsewhere.node');
    const error = errorOf(() => loadAddon({ packageRoot: root, env: { PERMAFROST_ADDON: named } }));
    expect(error.code).toBe('ADDON_MISSING');
    expect(error.details.attempts).toEqual([{ path: named, problem: 'no such file' }]);
  });

  it('names every place it looked in, and the remedy, where there is no addon', () => {
    const error = errorOf(() => loadAddon({ packageRoot: root, env: {}, find: none }));
    expect(error.code).toBe('ADDON_MISSING');
    for (const place of ['build/Release', 'build/Debug']) expect(error.message).toContain(join(root, place));
    expect(error.message).toContain('no libtorch was found');
    expect(error.message).toContain(REMEDY);
  });

  it('gives the reason of a file that does not load', () => {
    const path = writeFile('build', 'Release', 'permafrost.node');
    const error = errorOf(() => loadAddon({ packageRoot: root, env: {}, find: none }));
    expect(error.code).toBe('ADDON_MISSING');
    expect(error.message).toContain(`${path}: `);
    expect(error.message).toMatch(/file too short|not a mach-o|invalid/i);
  });

  it('calls a libtorch without the symbols of the addon a mismatch', () => {
    writeFile('build', 'Release', 'permafrost.node');
    const load = () => {
      throw new Error('permafrost.node: undefined symbol: _ZN3c105ErrorE');
    };
    const error = errorOf(() => loadAddon({ packageRoot: root, env: {}, load }));
    expect(error.code).toBe('ADDON_MISMATCH');
    expect(error.message).toContain('_ZN3c105ErrorE');
  });

  it('refuses a libtorch of another version than the one it was built against', () => {
    writeFile('build', 'Release', 'permafrost.node');
    const load = () => ({ libtorch: { ...libtorch(), loadedVersion: '1.13.0' } });
    const error = errorOf(() => loadAddon({ packageRoot: root, env: {}, load }));
    expect(error.code).toBe('ADDON_MISMATCH');
    expect(error.message).toMatch(/2\.6\.0.*1\.13\.0/);
  });

  it('refuses a libtorch of the same version from outside of the root it was built against', () => {
    writeFile('build', 'Release', 'permafrost.node');
    const loadedPath = writeFile('libtorch-other', 'libtorch_cpu.so');
    const load = () => ({ libtorch: { ...libtorch(), loadedPath } });
    const error = errorOf(() => loadAddon({ packageRoot: root, env: {}, load }));
    expect(error.code).toBe('ADDON_MISMATCH');
    expect(error.message).toContain(loadedPath);
  });

  it('accepts an addon whose root does not exist here', () => {
    writeFile('build', 'Release', 'permafrost.node');
    const addon = { libtorch: { ...libtorch(), root: join(root, 'gone') } };
    expect(loadAddon({ packageRoot: root, env: {}, load: () => addon })).toBe(addon);
  });
});

describe('loadAddon with a prebuilt engine', () => {
  const name = `@permafrost/${process.platform}-${process.arch}-libtorch-2.6-cpu`;
  const libraryDir = () => join(root, 'libtorch', 'lib');
  const find = () => ({
    found: {
      root: join(root, 'libtorch'),
      version: '2.6.0',
      libraryDir: libraryDir(),
      cmakePrefix: '',
      source: 'LIBTORCH' as const,
      cuda: false,
      cxx11Abi: true,
    },
    tried: [],
  });

  function writePackage(engine: object = {}, version = '1.2.3'): string {
    const described = {
      libtorch: '2.6.1',
      cuda: null,
      cxx11Abi: true,
      glibc: '2.28',
      libraries: ['libc10.so', 'libtorch_cpu.so'],
      ...engine,
    };
    writeFile('libtorch', 'lib', 'libc10.so');
    writeFile('node_modules', name, 'permafrost_preload.node');
    writeFileSync(
      join(root, 'node_modules', name, 'package.json'),
      JSON.stringify({ name, version, permafrost: described }),
    );
    return writeFile('node_modules', name, 'permafrost.node');
  }

  /** Loads nothing, and tells what was loaded and opened. */
  function recorder(libtorchOfAddon: object = {}) {
    const calls: string[] = [];
    const load = (path: string) => {
      calls.push(path);
      if (path.endsWith('preload.node')) return { open: (library: string) => calls.push(library) };
      return { libtorch: { ...libtorch(), builtVersion: '2.6.1', root: '', ...libtorchOfAddon } };
    };
    return { calls, load };
  }

  const search = (options: object = {}) => ({
    packageRoot: root,
    env: {},
    find,
    libc: () => ({ name: 'glibc' as const, version: '2.36' }),
    ...options,
  });

  it('opens the libraries of the libtorch that is found, then loads the package for it', () => {
    const path = writePackage();
    const { calls, load } = recorder();
    const addon = loadAddon(search({ load }));
    expect(calls).toEqual([
      join(root, 'node_modules', name, 'permafrost_preload.node'),
      join(libraryDir(), 'libc10.so'),
      join(libraryDir(), 'libtorch_cpu.so'),
      path,
    ]);
    expect(addon).toMatchObject({ libtorch: { builtVersion: '2.6.1', root: join(root, 'libtorch') } });
  });

  it('takes what was built here before it', () => {
    writePackage();
    const path = writeFile('build', 'Release', 'permafrost.node');
    const { calls, load } = recorder({ builtVersion: '2.6.0' });
    loadAddon(search({ load }));
    expect(calls).toEqual([path]);
  });

  it('takes it where what was built here no longer loads', () => {
    const path = writePackage();
    writeFile('build', 'Release', 'permafrost.node');
    const { calls, load } = recorder();
    const failing = (file: string) => {
      if (file.includes('Release')) throw new Error('libtorch_cpu.so.1.13: cannot open shared object file');
      return load(file);
    };
    expect(loadAddon(search({ load: failing }))).toBeTruthy();
    expect(calls.at(-1)).toBe(path);
  });

  it('takes the package of the addon that PERMAFROST_ADDON names', () => {
    const path = writePackage();
    const { calls, load } = recorder();
    loadAddon(search({ load, env: { PERMAFROST_ADDON: path } }));
    expect(calls).toHaveLength(4);
  });

  it.each([
    ['is not installed', () => undefined, `npm install ${name}@1.2.3`],
    ['is of another version', () => writePackage({}, '1.2.4'), 'version 1.2.4, and permafrost of 1.2.3'],
    [
      'was built for a libtorch of other make',
      () => writePackage({ libraries: ['libtorch_cpu.so.2.6'] }),
      'libtorch_cpu.so.2.6; that is not in',
    ],
    ['has the other C++ ABI', () => writePackage({ cxx11Abi: false }), '_GLIBCXX_USE_CXX11_ABI=0'],
    [
      'needs a newer glibc',
      () => writePackage({ glibc: '2.38' }),
      'needs glibc 2.38, and this system has 2.36',
    ],
    ['is no engine', () => writePackage({ libraries: undefined }), 'does not describe an engine'],
  ])('says why a package is not taken that %s', (_, write, problem) => {
    write();
    const { load } = recorder();
    const error = errorOf(() => loadAddon(search({ load })));
    expect(error.code).toBe('ADDON_MISSING');
    expect(error.message).toContain(`${name}: `);
    expect(error.message).toContain(problem);
    expect(error.message).toContain(REMEDY);
  });

  it.each([
    ['another minor version', { loadedVersion: '2.7.0' }, /2\.6\.1.*2\.7\.0/],
    ['another CUDA', { cudaRuntime: 12_060 }, /CUDA 13.*CUDA 12/],
  ])('refuses a libtorch of %s than it was built for', (_, loaded, message) => {
    writePackage({ cuda: 13 });
    const error = errorOf(() => loadAddon(search({ load: recorder(loaded).load })));
    expect(error.code).toBe('ADDON_MISMATCH');
    expect(error.message).toMatch(message);
  });

  it('says on a system with musl that libtorch needs glibc', () => {
    const error = errorOf(() =>
      loadAddon(search({ find: none, libc: () => ({ name: 'musl', version: null }) })),
    );
    expect(error.code).toBe('ADDON_MISSING');
    expect(error.message).toMatch(/musl.*glibc alone.*bookworm-slim/);
    expect(error.message).not.toContain('apt-get');
  });
});

describe('systemLibc', () => {
  const musl = (path: string) => path === '/lib/ld-musl-x86_64.so.1';
  it.each([
    ['glibc by what the process reports', 'linux', { glibcVersionRuntime: '2.36' }, () => false, 'glibc'],
    ['glibc beside the loader of musl', 'linux', { glibcVersionRuntime: '2.36' }, musl, 'glibc'],
    ['musl by its loader', 'linux', {}, musl, 'musl'],
    ['neither where nothing tells', 'linux', {}, () => false, undefined],
    ['neither on other systems', 'darwin', {}, musl, undefined],
  ])('finds %s', (_, platform, header, exists, name) => {
    expect(systemLibc(platform, () => ({ header }), exists)?.name).toBe(name);
  });

  it.runIf(process.platform === 'linux')('tells the glibc of this process', () => {
    expect(systemLibc()?.version).toMatch(/^2\.\d+$/);
  });
});
