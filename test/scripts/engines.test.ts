import { describe, expect, it } from 'vitest';
import { compareVersions } from '../../scripts/prebuilt.mjs';

interface Symbols {
  versionedSymbols(text: string): { library: string; version: string; symbol: string }[];
}
interface Release {
  releaseManifest(manifest: object, tarballs: string[], repository?: string): Record<string, unknown>;
}
const { versionedSymbols } = (await import('../../scripts/engine-binary.mjs' as string)) as Symbols;
const { releaseManifest } = (await import('../../scripts/release.mjs' as string)) as Release;

// As objdump prints it, of old and of new make.
const TABLE = `
0000000000000000      DF *UND*	0000000000000000 (GLIBC_2.29) exp
0000000000000000      DF *UND*	0000000000000000  GLIBC_2.2.5 memcpy
0000000000000000      DF *UND*	0000000000000000 (GLIBCXX_3.4.30) _ZNSt18condition_variable4waitEv
0000000000000000      D  *UND*	0000000000000000  Base        napi_create_error
0000000000012340 g    DF .text	0000000000000010  GLIBC_2.99  mine
`;

describe('the check of an engine', () => {
  it('reads which versions of the system a binary asks for, and not what it offers', () => {
    expect(versionedSymbols(TABLE)).toEqual([
      { library: 'GLIBC', version: '2.29', symbol: 'exp' },
      { library: 'GLIBC', version: '2.2.5', symbol: 'memcpy' },
      { library: 'GLIBCXX', version: '3.4.30', symbol: '_ZNSt18condition_variable4waitEv' },
    ]);
  });

  it('compares versions by their numbers', () => {
    expect(compareVersions('2.9', '2.28')).toBeLessThan(0);
    expect(compareVersions('2.28', '2.28')).toBe(0);
    expect(compareVersions('2.28.1', '2.28')).toBeGreaterThan(0);
  });
});

describe('the package of a release', () => {
  const kinds = ['1.13-cpu', '2.6-cpu', '2.9-cuda', '2.11-cpu', '2.11-cuda', '2.14-cpu', '2.14-cuda'];
  const tarballs = kinds.map((kind) => `permafrost-linux-x64-libtorch-${kind}-1.2.3.tgz`);

  it('depends optionally on the engines of the usual libtorches, each of its own version', () => {
    const { optionalDependencies, repository } = releaseManifest(
      { version: '1.2.3' },
      [...tarballs, 'permafrost-linux-arm64-libtorch-2.11-cpu-1.2.3.tgz'],
      'https://example.org/owner/name',
    );
    const names = Object.keys(optionalDependencies as object);
    expect(names).toContain('@permafrost/linux-x64-libtorch-1.13-cpu');
    expect(names).toContain('@permafrost/linux-arm64-libtorch-2.11-cpu');
    expect(names).not.toContain('@permafrost/linux-x64-libtorch-2.9-cuda');
    expect(new Set(Object.values(optionalDependencies as object))).toEqual(new Set(['1.2.3']));
    expect(repository).toEqual({ type: 'git', url: 'git+https://example.org/owner/name.git' });
  });

  it.each([
    [
      'an engine of another version',
      [...tarballs, 'permafrost-linux-x64-libtorch-2.8-cpu-1.2.2.tgz'],
      '1.2.2',
    ],
    ['an engine that was not built', tarballs.slice(1), '1.13-cpu'],
  ])('is refused with %s', (_, files, what) => {
    expect(() => releaseManifest({ version: '1.2.3' }, files)).toThrow(what);
  });
});
