import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sendBytes, serve } from '../helpers/http-server.js';
import { smallLibtorch, zipOf } from './archive.js';

const ARCHIVE = '/cpu/libtorch-shared-with-deps-9.9.9%2Bcpu.zip';
const NAME = 'libtorch-9.9.9-cpu';

let zip: Buffer;
let home: string;
const data = () => join(home, 'permafrost');

beforeAll(async () => {
  zip = await zipOf(smallLibtorch());
});
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'permafrost-libtorch-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the command as users do; the server is in this process, so that it must not be waited for in a block. */
function install(mirror: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const fixed = ['libtorch', 'install', '--version', '9.9.9', '--mirror', mirror];
  const child = spawn(process.execPath, [resolve('dist/cli/main.js'), ...fixed, ...args], {
    env: { ...process.env, XDG_DATA_HOME: home, ...env },
  });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    outcome.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    outcome.stderr += chunk;
  });
  return new Promise((settle, reject) => {
    child.on('error', reject);
    child.on('close', (code) => settle({ ...outcome, code }));
  });
}

const serveArchive = () => serve((request, response) => sendBytes(request, response, zip));
const lastObject = ({ stdout }: Outcome) => JSON.parse(stdout.trim().split('\n').at(-1)!);

describe.runIf(process.platform === 'linux' && process.arch === 'x64')('permafrost libtorch install', () => {
  it('fetches, unpacks, and makes it the libtorch that builds find', async () => {
    const server = await serveArchive();
    const { code, stdout, stderr } = await install(server.url, ['--cpu', '--no-build']);
    expect(code, stderr).toBe(0);
    expect(server.requests).toEqual([`GET ${ARCHIVE}`]);
    expect(stderr).toMatch(/download: (\d\.\d) of \1 MB\n(.*\n)*unpack: /);
    expect(stderr).toContain('CRC-32');
    expect(stdout).toContain(`LIBTORCH=${join(data(), NAME)}`);
    expect(readdirSync(data()).sort()).toEqual([NAME, 'libtorch.json']);

    const { findLibtorch } = (await import('../../scripts/find-libtorch.mjs' as string)) as {
      findLibtorch(env: NodeJS.ProcessEnv): { found: unknown };
    };
    expect(findLibtorch({ XDG_DATA_HOME: home }).found).toMatchObject({
      root: join(data(), NAME),
      version: '9.9.9',
      source: 'installed',
    });
  });

  it.skipIf(existsSync('/proc/driver/nvidia/version'))(
    'takes the CPU build without a driver, and says so',
    async () => {
      const server = await serveArchive();
      const { code, stderr } = await install(server.url, ['--no-build'], { PATH: '/nowhere' });
      expect(code, stderr).toBe(0);
      expect(stderr).toContain('no NVIDIA driver here');
      expect(server.requests).toEqual([`GET ${ARCHIVE}`]);
    },
  );

  it('fetches nothing a second time', async () => {
    const server = await serveArchive();
    await install(server.url, ['--cpu', '--no-build']);
    const again = await install(server.url, ['--cpu', '--no-build', '--json']);
    expect(again.code, again.stderr).toBe(0);
    expect(lastObject(again)).toMatchObject({ type: 'libtorch', checkedBy: null, version: '9.9.9' });
    expect(server.requests).toHaveLength(1);
  });

  it('fetches once where two calls come together', async () => {
    const server = await serveArchive();
    const both = await Promise.all([
      install(server.url, ['--cpu', '--no-build', '--json']),
      install(server.url, ['--cpu', '--no-build', '--json']),
    ]);
    expect(both.map(({ code, stderr }) => `${code} ${stderr}`)).toEqual(['0 ', '0 ']);
    expect(both.map((outcome) => lastObject(outcome).checkedBy).sort()).toEqual(['crc32', null]);
    expect(server.requests).toHaveLength(1);
    expect(readdirSync(data()).sort()).toEqual([NAME, 'libtorch.json']);
  });

  it('goes on with a download that was cut, in the same call and in a later one', async () => {
    let isCut = false;
    const server = await serve((request, response) => {
      if (isCut) return sendBytes(request, response, zip);
      isCut = true;
      response.writeHead(200, { 'content-length': zip.length }).write(zip.subarray(0, 50_000));
      // Long enough for what was sent to arrive.
      setTimeout(() => response.destroy(), 1000);
    });
    const { code, stderr } = await install(server.url, ['--cpu', '--no-build']);
    expect(code, stderr).toBe(0);
    expect(server.requests).toEqual([`GET ${ARCHIVE}`, expect.stringMatching(/bytes=[1-9]\d*-$/)]);

    rmSync(join(data(), NAME), { recursive: true });
    writeFileSync(join(data(), `${NAME}.zip.incomplete`), zip.subarray(0, 70_000));
    expect((await install(server.url, ['--cpu', '--no-build'])).code).toBe(0);
    expect(server.requests.at(-1)).toBe(`GET ${ARCHIVE} bytes=70000-`);
    expect(readFileSync(join(data(), NAME, 'build-version'), 'utf8')).toBe('9.9.9+cpu\n');
  });

  it('checks the SHA-256 that is given', async () => {
    const server = await serveArchive();
    const digest = createHash('sha256').update(zip).digest('hex');
    const right = await install(server.url, [
      '--cpu',
      '--no-build',
      '--json',
      '--sha256',
      digest.toUpperCase(),
    ]);
    expect(lastObject(right)).toMatchObject({ checkedBy: 'sha256' });

    const elsewhere = join(home, 'other');
    const wrong = await install(server.url, [
      '--cpu',
      '--no-build',
      '--json',
      '--sha256',
      '0'.repeat(64),
      '--directory',
      elsewhere,
    ]);
    expect(wrong.code).toBe(1);
    expect(lastObject(wrong)).toMatchObject({ type: 'error', code: 'HASH_MISMATCH' });
    expect(readdirSync(home)).toEqual(['permafrost']);
  });

  it('says what the host does not have', async () => {
    const server = await serve((_, response) => response.writeHead(404).end('no'));
    const { code, stdout } = await install(server.url, ['--cpu', '--no-build', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ code: 'REMOTE_NOT_FOUND' });
    expect(JSON.parse(stdout).message).toContain(ARCHIVE);
    expect(existsSync(join(data(), NAME))).toBe(false);
    expect(existsSync(join(data(), 'libtorch.json'))).toBe(false);
  });

  it('refuses an archive that is no libtorch', async () => {
    const other = await zipOf({ 'libtorch/README': 'nothing here' });
    const server = await serve((request, response) => sendBytes(request, response, other));
    const { code, stdout } = await install(server.url, ['--cpu', '--no-build', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ code: 'DATA_FORMAT' });
    expect(existsSync(join(data(), 'libtorch.json'))).toBe(false);
  });

  it('names a directory that cannot be written to', async () => {
    const server = await serveArchive();
    const file = join(home, 'file');
    writeFileSync(file, '');
    const directory = join(file, 'below');
    const { code, stdout } = await install(server.url, [
      '--cpu',
      '--no-build',
      '--json',
      '--directory',
      directory,
    ]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ code: 'WRITE_FAILED' });
    expect(JSON.parse(stdout).message).toContain(directory);
    expect(statSync(file).size).toBe(0);
  });

  it('refuses to take another version for the one that is there', async () => {
    const server = await serveArchive();
    const directory = join(home, 'mine');
    await install(server.url, ['--cpu', '--no-build', '--directory', directory]);
    const { code, stderr } = await install(server.url, [
      '--cpu',
      '--no-build',
      '--directory',
      directory,
      '--version',
      '9.8.0',
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain('9.9.9+cpu');
  });

  it('keeps what it fetched where the engine cannot be built, and says what is missing', async () => {
    const server = await serveArchive();
    const { code, stderr } = await install(server.url, ['--cpu'], { PATH: '/nowhere', CXX: '' });
    expect(code).toBe(1);
    expect(stderr).toContain('needs cmake');
    expect(stderr).toContain('ADDON_MISSING');
    expect(existsSync(join(data(), NAME, 'lib/libtorch_cpu.so'))).toBe(true);
  });
});
