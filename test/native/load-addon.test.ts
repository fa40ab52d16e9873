import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PermafrostError } from '../../src/errors/error.js';
import { ADDON_REMEDY, loadAddon } from '../../src/native/load-addon.js';

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

  it('takes the prebuilt addon of this platform where there is no local build', () => {
    const path = writeFile('prebuilds', `${process.platform}-${process.arch}`, 'permafrost.node');
    const load = (file: string) => ({ libtorch: libtorch(), file });
    expect(loadAddon({ packageRoot: root, env: {}, load })).toMatchObject({ file: path });
  });

  it('takes the file that PERMAFROST_ADDON names, and no other', () => {
    writeFile('build', 'Release', 'permafrost.node');
    const named = join(root, 'elsewhere.node');
    const error = errorOf(() => loadAddon({ packageRoot: root, env: { PERMAFROST_ADDON: named } }));
    expect(error.code).toBe('ADDON_MISSING');
    expect(error.details.attempts).toEqual([{ path: named, problem: 'no such file' }]);
  });

  it('names every place it looked in, and the remedy, where there is no addon', () => {
    const error = errorOf(() => loadAddon({ packageRoot: root, env: {} }));
    expect(error.code).toBe('ADDON_MISSING');
    const places = ['build/Release', 'build/Debug', `prebuilds/${process.platform}-${process.arch}`];
    for (const place of places) expect(error.message).toContain(join(root, place));
    expect(error.message).toContain(ADDON_REMEDY);
  });

  it('gives the reason of a file that does not load', () => {
    const path = writeFile('build', 'Release', 'permafrost.node');
    const error = errorOf(() => loadAddon({ packageRoot: root, env: {} }));
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

  it('accepts a prebuilt addon whose root does not exist here', () => {
    writeFile('build', 'Release', 'permafrost.node');
    const addon = { libtorch: { ...libtorch(), root: join(root, 'gone') } };
    expect(loadAddon({ packageRoot: root, env: {}, load: () => addon })).toBe(addon);
  });

  it('gives the remedy that the installation prints', async () => {
    const { REMEDY } = (await import('../../scripts/toolchain.mjs' as string)) as { REMEDY: string };
    expect(REMEDY).toBe(ADDON_REMEDY);
  });
});
