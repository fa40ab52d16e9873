import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface Finding {
  found: { root: string; version: string; libraryDir: string; source: string; cuda: boolean } | null;
  tried: { source: string; where: string; problem: string }[];
}
const { findLibtorch } = (await import('../../scripts/find-libtorch.mjs' as string)) as {
  findLibtorch(env: NodeJS.ProcessEnv): Finding;
};

let root: string;

function write(path: string, text = ''): void {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
}

function writeLibtorch(prefix: string, version: string, libraries = ['c10', 'torch', 'torch_cpu']): void {
  const parts = version.split('.');
  const lines = ['MAJOR', 'MINOR', 'PATCH'].map((part, i) => `#define TORCH_VERSION_${part} ${parts[i]}`);
  write(join(prefix, 'include/torch/csrc/api/include/torch/version.h'), lines.join('\n'));
  for (const library of libraries) write(join(prefix, `lib/lib${library}.so`));
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'permafrost-find-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('findLibtorch', () => {
  it('takes the root that LIBTORCH names, with its version', () => {
    writeLibtorch('unpacked', '2.6.0');
    const { found } = findLibtorch({ LIBTORCH: join(root, 'unpacked') });
    expect(found).toMatchObject({
      root: join(root, 'unpacked'),
      version: '2.6.0',
      libraryDir: join(root, 'unpacked', 'lib'),
      source: 'LIBTORCH',
      cuda: false,
    });
  });

  it('sees that a libtorch has CUDA', () => {
    writeLibtorch('unpacked', '2.13.0', ['c10', 'torch', 'torch_cpu', 'c10_cuda', 'torch_cuda']);
    expect(findLibtorch({ LIBTORCH: join(root, 'unpacked') }).found?.cuda).toBe(true);
  });

  it('looks nowhere else where LIBTORCH is wrong', () => {
    writeLibtorch('system', '2.6.0');
    write('system/share/cmake/Torch/TorchConfig.cmake');
    const env = { LIBTORCH: join(root, 'gone'), CMAKE_PREFIX_PATH: join(root, 'system') };
    const { found, tried } = findLibtorch(env);
    expect(found).toBeNull();
    expect(tried).toEqual([
      { source: 'LIBTORCH', where: join(root, 'gone'), problem: expect.stringContaining('does not exist') },
    ]);
  });

  it('names the library that a root lacks', () => {
    writeLibtorch('unpacked', '2.6.0', ['torch', 'torch_cpu']);
    const { found, tried } = findLibtorch({ LIBTORCH: join(root, 'unpacked') });
    expect(found).toBeNull();
    expect(tried[0]?.problem).toContain('no libc10');
  });

  it('takes the CMake package of a prefix', () => {
    writeLibtorch('system', '2.6.0');
    write('system/share/cmake/Torch/TorchConfig.cmake');
    const { found } = findLibtorch({ CMAKE_PREFIX_PATH: join(root, 'system'), XDG_DATA_HOME: root });
    expect(found).toMatchObject({ root: join(root, 'system'), source: 'system' });
  });

  it("takes the one that was installed before the system's, and LIBTORCH before both", () => {
    for (const name of ['system', 'fetched', 'own']) writeLibtorch(name, '2.6.0');
    write('system/share/cmake/Torch/TorchConfig.cmake');
    write('permafrost/libtorch.json', JSON.stringify({ root: join(root, 'fetched') }));
    const env = { CMAKE_PREFIX_PATH: join(root, 'system'), XDG_DATA_HOME: root };
    expect(findLibtorch(env).found).toMatchObject({ root: join(root, 'fetched'), source: 'installed' });
    expect(findLibtorch({ ...env, LIBTORCH: join(root, 'own') }).found?.source).toBe('LIBTORCH');
  });

  it.each([
    ['is gone', (): string => JSON.stringify({ root: join(root, 'gone') })],
    ['was noted in a file that is damaged', () => '{'],
  ])('goes on where the installed one %s, and says so', (_, content) => {
    writeLibtorch('system', '2.6.0');
    write('system/share/cmake/Torch/TorchConfig.cmake');
    write('permafrost/libtorch.json', content());
    const { found, tried } = findLibtorch({ CMAKE_PREFIX_PATH: join(root, 'system'), XDG_DATA_HOME: root });
    expect(found?.source).toBe('system');
    expect(tried.filter(({ source }) => source === 'installed')).toHaveLength(1);
  });
});
