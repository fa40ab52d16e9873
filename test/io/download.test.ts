import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DownloadOptions, download } from '../../src/io/download.js';
import { sendBytes, serve } from '../helpers/http-server.js';
import { thrownBy } from '../helpers/thrown.js';

const CONTENT = randomBytes(300_000);
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');
const QUICK = { firstDelayMs: 5 };

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'permafrost-download-'));
  file = join(directory, 'deep', 'file.bin');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function fetchFile(url: string, more: Partial<DownloadOptions> = {}): Promise<void> {
  return download({ url, file, digest: { algorithm: 'sha256', hex: SHA256 }, retry: QUICK, ...more });
}

describe('a download', () => {
  it('brings the file, reports its progress and leaves nothing beside it', async () => {
    const { url } = await serve((request, response) => sendBytes(request, response, CONTENT));
    const seen: number[] = [];
    await fetchFile(url, {
      onProgress: ({ receivedBytes, totalBytes }) => {
        expect(totalBytes).toBe(CONTENT.length);
        seen.push(receivedBytes);
      },
    });
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    expect(seen.at(-1)).toBe(CONTENT.length);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(existsSync(`${file}.incomplete`)).toBe(false);
  });

  it('goes on where the connection was cut', async () => {
    const { url, requests } = await serve((request, response) =>
      sendBytes(request, response, CONTENT, { cutAfter: 80_000 }),
    );
    await fetchFile(url);
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    expect(requests.length).toBeGreaterThanOrEqual(4);
    expect(requests.slice(1).every((request) => /bytes=\d+-$/.test(request))).toBe(true);
  });

  it('goes on with what an earlier call left', async () => {
    let isBroken = true;
    const { url, requests } = await serve((request, response) => {
      if (isBroken && request.headers.range !== undefined) response.destroy();
      else sendBytes(request, response, CONTENT, isBroken ? { cutAfter: 100_000 } : {});
    });
    const error = await thrownBy(() => fetchFile(url, { retry: { attempts: 2, firstDelayMs: 5 } }));
    expect(error.code).toBe('NETWORK_FAILED');
    const part = readFileSync(`${file}.incomplete`).length;
    expect(part).toBeGreaterThan(0);
    isBroken = false;
    await fetchFile(url);
    expect(requests.at(-1)).toBe(`GET / bytes=${part}-`);
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
  });

  it('starts anew where the server knows no ranges, and gives up where it never comes through', async () => {
    let cut = 2;
    const { url } = await serve((request, response) =>
      sendBytes(request, response, CONTENT, { ranges: false, ...(cut-- > 0 && { cutAfter: 50_000 }) }),
    );
    await fetchFile(url);
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    rmSync(file);
    const never = await serve((request, response) =>
      sendBytes(request, response, CONTENT, { ranges: false, cutAfter: 50_000 }),
    );
    expect((await thrownBy(() => fetchFile(never.url))).code).toBe('NETWORK_FAILED');
    expect(never.requests.length).toBeLessThan(12);
  });

  it('throws away a part that is not of this file', async () => {
    const { url, requests } = await serve((request, response) => sendBytes(request, response, CONTENT));
    await fetchFile(url);
    rmSync(file);
    writeFileSync(`${file}.incomplete`, randomBytes(1000));
    await fetchFile(url);
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    expect(requests.slice(-2)).toEqual(['GET / bytes=1000-', 'GET /']);
    rmSync(file);
    writeFileSync(`${file}.incomplete`, randomBytes(CONTENT.length + 5));
    await fetchFile(url);
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
  });

  it('refuses other bytes than were promised and keeps none of them', async () => {
    const { url } = await serve((request, response) => sendBytes(request, response, randomBytes(5000)));
    const error = await thrownBy(() => fetchFile(url));
    expect(error.code).toBe('HASH_MISMATCH');
    expect(error.message).toContain(SHA256);
    const short = await thrownBy(() => fetchFile(url, { size: 4000 }));
    expect(short.code).toBe('HASH_MISMATCH');
    expect(existsSync(file) || existsSync(`${file}.incomplete`)).toBe(false);
  });

  it('checks the object id that git gives a file', async () => {
    const { url } = await serve((request, response) => sendBytes(request, response, Buffer.from('hello\n')));
    // git hash-object of a file that holds "hello" and a newline
    const hex = 'ce013625030ba8dba906f756967f9e9ca394464a';
    await fetchFile(url, { digest: { algorithm: 'git-blob', hex } });
    expect(readFileSync(file, 'utf8')).toBe('hello\n');
  });

  it('waits as long as a busy server asks for, and not longer than is sensible', async () => {
    const times: number[] = [];
    const { url } = await serve((request, response) => {
      times.push(Date.now());
      if (times.length === 1) response.writeHead(429, { 'retry-after': '1' }).end();
      else if (times.length === 2) response.writeHead(503).end();
      else sendBytes(request, response, CONTENT);
    });
    await fetchFile(url);
    expect(times).toHaveLength(3);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990);
    const busy = await serve((_, response) => response.writeHead(429, { 'retry-after': '86400' }).end());
    rmSync(file);
    const error = await thrownBy(() => fetchFile(busy.url));
    expect(error).toMatchObject({ code: 'NETWORK_FAILED', details: { status: 429 } });
    expect(busy.requests).toHaveLength(1);
  });

  it.each([
    [401, 'ACCESS_DENIED'],
    [403, 'ACCESS_DENIED'],
    [404, 'REMOTE_NOT_FOUND'],
    [400, 'NETWORK_FAILED'],
  ])('answers %i with %s at once', async (status, code) => {
    const { url, requests } = await serve((_, response) => response.writeHead(status).end('no'));
    expect(await thrownBy(() => fetchFile(url))).toMatchObject({ code, details: { status } });
    expect(requests).toHaveLength(1);
  });

  it('says that there is no network', async () => {
    const { url, stop } = await serve((_, response) => response.end());
    await stop();
    const error = await thrownBy(() => fetchFile(url));
    expect(error).toMatchObject({ code: 'NETWORK_FAILED', details: { isUnreachable: true } });
    expect(error.message).toContain('127.0.0.1');
  });

  it('counts a silent connection as broken', async () => {
    let first = true;
    const { url } = await serve((request, response) => {
      if (!first) return sendBytes(request, response, CONTENT);
      first = false;
      response.writeHead(200, { 'content-length': CONTENT.length });
      response.write(CONTENT.subarray(0, 1000));
    });
    await fetchFile(url, { idleTimeoutMs: 200 });
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    const silent = await serve(() => {});
    rmSync(file);
    const error = await thrownBy(() =>
      fetchFile(silent.url, { idleTimeoutMs: 50, retry: { attempts: 2, firstDelayMs: 5 } }),
    );
    expect(error.message).toContain('next to nothing came for 0.05 s');
  });

  it('counts a connection that drips as broken', async () => {
    const { url } = await serve((request, response) => {
      response.writeHead(200, { 'content-length': CONTENT.length });
      const drops = setInterval(() => response.write('x'), 10);
      request.on('close', () => clearInterval(drops));
    });
    const error = await thrownBy(() =>
      fetchFile(url, { idleTimeoutMs: 200, retry: { attempts: 1, firstDelayMs: 5 } }),
    );
    expect(error).toMatchObject({ code: 'NETWORK_FAILED' });
  });

  it('gives up a file without a size that does not end, and keeps nothing of it', async () => {
    const { url } = await serve((request, response) => {
      const flood = () => void (response.destroyed || response.write(Buffer.alloc(10_000), flood));
      flood();
      request.on('close', () => response.destroy());
    });
    const error = await thrownBy(() => fetchFile(url, { maxBytes: 100_000 }));
    expect(error).toMatchObject({ code: 'HASH_MISMATCH', message: expect.stringContaining('100000 bytes') });
    expect(existsSync(`${file}.incomplete`)).toBe(false);
  });

  it('sends credentials to the named host alone', async () => {
    const tokens: (string | undefined)[] = [];
    const cdn = await serve((request, response) => {
      tokens.push(request.headers.authorization);
      sendBytes(request, response, CONTENT);
    });
    const { url } = await serve((request, response) => {
      tokens.push(request.headers.authorization);
      response.writeHead(302, { location: cdn.url.replace('127.0.0.1', 'localhost') }).end();
    });
    await fetchFile(url, { headers: { authorization: 'Bearer secret' } });
    expect(tokens).toEqual(['Bearer secret', undefined]);
  });

  it('stops with the reason of its signal and keeps what came', async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(200, { 'content-length': CONTENT.length });
      response.write(CONTENT.subarray(0, 100_000));
    });
    const controller = new AbortController();
    const reason = new Error('enough');
    const running = fetchFile(url, {
      signal: controller.signal,
      onProgress: ({ receivedBytes }) => {
        if (receivedBytes === 100_000) controller.abort(reason);
      },
    });
    await expect(running).rejects.toBe(reason);
    expect(readFileSync(`${file}.incomplete`).length).toBe(100_000);
    await expect(fetchFile(url, { signal: controller.signal })).rejects.toBe(reason);
  });

  it.runIf(existsSync('/dev/full'))('says that the disk is full', async () => {
    const { url } = await serve((request, response) => sendBytes(request, response, CONTENT));
    const partial = join(directory, 'partial');
    symlinkSync('/dev/full', partial);
    const error = await thrownBy(() => fetchFile(url, { partial }));
    expect(error).toMatchObject({ code: 'WRITE_FAILED', details: { code: 'ENOSPC' } });
    expect(error.message).toContain('The disk is full');
  });

  it('asks for no byte of a file that the disk cannot hold', async () => {
    const huge = 2 ** 60;
    const { url } = await serve((_, response) => response.writeHead(200, { 'content-length': huge }).end());
    const error = await thrownBy(() => fetchFile(url));
    expect(error).toMatchObject({ code: 'WRITE_FAILED', details: { code: 'ENOSPC', neededBytes: huge } });
  });
});
