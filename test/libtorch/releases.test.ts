import { describe, expect, it } from 'vitest';
import { chooseRelease, DEFAULT_VERSION, HOST, type ReleaseChoice } from '../../src/libtorch/releases.js';
import { thrownBy } from '../helpers/thrown.js';

const NO_DRIVER = { version: null, cudaVersion: null, cards: [], problem: 'no NVIDIA driver was found' };
const driver = (cudaVersion: string) => ({ version: '1.2', cudaVersion, cards: [], problem: null });
const choose = (choice: Partial<ReleaseChoice>) =>
  chooseRelease({ driver: NO_DRIVER, platform: 'linux', arch: 'x64', ...choice });

describe('chooseRelease', () => {
  it('takes the build without CUDA where there is no driver, or where that is asked for', () => {
    const expected = {
      version: DEFAULT_VERSION,
      build: 'cpu',
      url: `${HOST}/cpu/libtorch-shared-with-deps-${DEFAULT_VERSION}%2Bcpu.zip`,
    };
    expect(choose({})).toMatchObject(expected);
    expect(choose({ cpu: true, driver: driver('13.0') })).toMatchObject(expected);
  });

  it.each([
    ['13.0', undefined, DEFAULT_VERSION, 'cu130'],
    ['13.1', undefined, DEFAULT_VERSION, 'cu130'],
    ['12.8', undefined, DEFAULT_VERSION, 'cu128'],
    ['12.9', undefined, DEFAULT_VERSION, 'cu128'],
    // Within one major version a driver also serves what came later.
    ['12.2', undefined, DEFAULT_VERSION, 'cu126'],
    ['11.8', undefined, '2.7.1', 'cu118'],
    ['11.4', undefined, '2.7.1', 'cu118'],
    ['13.0', '2.8.0', '2.8.0', 'cu128'],
    ['12.4', '2.5.1', '2.5.1', 'cu124'],
    ['13.2', '2.14.0', '2.14.0', 'cu132'],
  ])('for a driver that serves CUDA %s and version %s picks %s %s', (cuda, version, expected, build) => {
    expect(choose({ driver: driver(cuda), ...(version && { version }) })).toMatchObject({
      version: expected,
      build,
    });
  });

  it('names archives as they are named: with the ABI up to 2.7, without it since', () => {
    const file = (version: string) => choose({ version, cuda: '12.6' }).url.split('/').at(-1);
    expect(file('2.7.1')).toBe('libtorch-cxx11-abi-shared-with-deps-2.7.1%2Bcu126.zip');
    expect(file('2.8.0')).toBe('libtorch-shared-with-deps-2.8.0%2Bcu126.zip');
    expect(file('2.10.0')).toBe('libtorch-shared-with-deps-2.10.0%2Bcu126.zip');
    expect(choose({ platform: 'darwin', arch: 'arm64', version: '2.10.0' }).url).toBe(
      `${HOST}/cpu/libtorch-macos-arm64-2.10.0.zip`,
    );
  });

  it('takes the CUDA version that is asked for, and the newest libtorch that has it where the default has not', () => {
    expect(choose({ cuda: '13.0' })).toMatchObject({ version: DEFAULT_VERSION, build: 'cu130' });
    expect(choose({ cuda: '12.4' })).toMatchObject({ version: '2.6.0', build: 'cu124' });
    expect(choose({ cuda: '13.2' })).toMatchObject({ version: '2.12.0', build: 'cu132' });
    // Later than all that are known: tried as it is named.
    expect(choose({ cuda: '14.0', version: '3.0.0' }).url).toContain(
      '/cu140/libtorch-shared-with-deps-3.0.0',
    );
  });

  it('knows the SHA-256 of some archives only', () => {
    expect(choose({ version: '2.10.0', cpu: true }).sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(choose({ version: '2.10.0', cuda: '13.0' }).sha256).toBeNull();
    expect(choose({ version: '2.10.0', platform: 'darwin', arch: 'arm64' }).sha256).toBeNull();
  });

  it.each<[Partial<ReleaseChoice>, string, RegExp]>([
    [{ cpu: true, cuda: '13.0' }, 'INVALID_OPTION', /`cpu` and `cuda`/],
    [{ cuda: 'thirteen' }, 'INVALID_OPTION', /such as 13\.0/],
    [{ cuda: '9.2' }, 'INVALID_OPTION', /11\.8, 12\.1/],
    [{ cuda: '11.8', version: '2.11.0' }, 'INVALID_OPTION', /12\.6, 12\.8, 13\.0/],
    [{ version: 'latest' }, 'INVALID_OPTION', /such as 2\./],
    [{ version: '3.0.0', driver: driver('13.0') }, 'INVALID_OPTION', /`cuda` or `cpu`/],
    [{ driver: driver('10.2') }, 'DEVICE_UNAVAILABLE', /`cpu`/],
    [{ version: '2.11.0', driver: driver('11.8') }, 'DEVICE_UNAVAILABLE', /`version`/],
    [{ platform: 'linux', arch: 'arm64' }, 'DEVICE_UNAVAILABLE', /LIBTORCH/],
    [{ platform: 'darwin', arch: 'arm64', cuda: '13.0' }, 'INVALID_OPTION', /macOS/],
  ])('refuses %j', async (choice, code, message) => {
    const error = await thrownBy(() => choose(choice));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});
