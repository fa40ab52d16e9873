import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unpack } from '../../src/libtorch/unpack.js';
import { thrownBy } from '../helpers/thrown.js';
import { type ArchiveFiles, SYMBOLIC_LINK, smallLibtorch, zipOf } from './archive.js';

let root: string;
const directory = () => join(root, 'libtorch-9.9.9-cpu');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'permafrost-unpack-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function archiveOf(files: ArchiveFiles, options?: { zip64: boolean }): Promise<string> {
  const path = join(root, 'archive.zip');
  writeFileSync(path, await zipOf(files, options));
  return path;
}

describe('unpack', () => {
  it.each([false, true])('keeps contents, permissions and links (zip64: %s)', async (zip64) => {
    const archive = await archiveOf(smallLibtorch(), { zip64 });
    const progress: number[] = [];
    await unpack({ archive, directory: directory(), onProgress: ({ bytes }) => progress.push(bytes) });
    expect(readFileSync(join(directory(), 'build-version'), 'utf8')).toBe('9.9.9+cpu\n');
    expect(readFileSync(join(directory(), 'lib/libtorch_cpu.so'), 'utf8').length).toBeGreaterThan(100_000);
    expect(readlinkSync(join(directory(), 'lib/libgomp.so.1'))).toBe('libc10.so');
    expect(lstatSync(join(directory(), 'bin/protoc')).mode & 0o111).toBe(0o111);
    expect(lstatSync(join(directory(), 'lib/libc10.so')).mode & 0o111).toBe(0);
    expect(progress).toHaveLength(Object.keys(smallLibtorch()).length);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(readdirSync(root).sort()).toEqual(['archive.zip', 'libtorch-9.9.9-cpu']);
  });

  it('finds a byte that is not the one that was packed, and leaves nothing behind', async () => {
    const archive = await archiveOf(smallLibtorch());
    const bytes = readFileSync(archive);
    const at = bytes.indexOf('c10');
    // Files this small are deflated; the stored name comes first, the content is somewhere behind it.
    expect(at).toBeGreaterThan(0);
    const content = bytes.indexOf(Buffer.from('libtorch/lib/libtorch_cpu.so')) + 5000;
    bytes[content] = bytes[content]! ^ 0xff;
    writeFileSync(archive, bytes);
    const error = await thrownBy(() => unpack({ archive, directory: directory() }));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toContain(archive);
    expect(readdirSync(root)).toEqual(['archive.zip']);
  });

  it.each<[string, ArchiveFiles]>([
    ['an absolute link', { 'libtorch/lib/x': { content: '/etc/passwd', mode: SYMBOLIC_LINK } }],
    ['a link upwards', { 'libtorch/lib/x': { content: '../../../x', mode: SYMBOLIC_LINK } }],
  ])('refuses %s', async (_, files) => {
    const archive = await archiveOf(files);
    const error = await thrownBy(() => unpack({ archive, directory: directory() }));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toContain('outside');
    expect(existsSync(directory())).toBe(false);
  });

  it('refuses a link whose name is a file', async () => {
    const content = 'a/'.repeat(4000);
    const archive = await archiveOf({ 'libtorch/lib/x': { content, mode: SYMBOLIC_LINK } });
    const error = await thrownBy(() => unpack({ archive, directory: directory() }));
    expect(error).toMatchObject({ code: 'DATA_FORMAT', message: expect.stringContaining('8000 bytes') });
    expect(existsSync(directory())).toBe(false);
  });

  it('refuses a file name that leads out of the directory', async () => {
    const archive = await archiveOf({ 'libtorch/aa/evil': 'x' });
    const bytes = readFileSync(archive)
      .toString('latin1')
      .replaceAll('libtorch/aa/evil', 'libtorch/../../ev');
    writeFileSync(archive, Buffer.from(bytes, 'latin1'));
    const error = await thrownBy(() => unpack({ archive, directory: directory() }));
    expect(error.code).toBe('DATA_FORMAT');
    expect(readdirSync(root)).toEqual(['archive.zip']);
  });

  it.each([
    ['what is no archive', Buffer.from('<html>not found</html>')],
    ['an archive that was cut', null],
  ])('refuses %s', async (_, content) => {
    const whole = await zipOf(smallLibtorch());
    const archive = join(root, 'archive.zip');
    writeFileSync(archive, content ?? whole.subarray(0, whole.length / 2));
    const error = await thrownBy(() => unpack({ archive, directory: directory() }));
    expect(error.code).toBe('DATA_FORMAT');
    expect(existsSync(directory())).toBe(false);
  });

  it('clears away what a killed call left, and nothing else', async () => {
    const archive = await archiveOf(smallLibtorch());
    const stale = await archiveOf({ 'libtorch/stale': 'x' });
    await unpack({ archive: stale, directory: `${directory()}.unpacking` });
    writeFileSync(join(root, 'archive.zip'), await zipOf(smallLibtorch()));
    await unpack({ archive, directory: directory() });
    expect(existsSync(join(directory(), 'stale'))).toBe(false);
    expect(existsSync(`${directory()}.unpacking`)).toBe(false);
  });

  it('stops where it is told to, and leaves nothing behind', async () => {
    const archive = await archiveOf(smallLibtorch());
    const controller = new AbortController();
    const reason = new Error('enough');
    const onProgress = () => controller.abort(reason);
    await expect(
      unpack({ archive, directory: directory(), onProgress, signal: controller.signal }),
    ).rejects.toBe(reason);
    expect(readdirSync(root)).toEqual(['archive.zip']);
  });
});
