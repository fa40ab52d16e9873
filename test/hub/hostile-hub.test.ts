import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ListingLimits, listRepo } from '../../src/hub/listing.js';
import { parseRepo } from '../../src/hub/repo.js';
import { settingsOf } from '../../src/hub/settings.js';
import { downloadModel } from '../../src/model/hub-model.js';
import { sendBytes, serve, type TestServer } from '../helpers/http-server.js';
import { commitOf, type LocalHub, localHub } from '../helpers/local-hub.js';
import { thrownBy } from '../helpers/thrown.js';

const CONFIG = Buffer.from('{"model_type":"bert"}');
const FILES = { 'config.json': CONFIG, 'model.safetensors': Buffer.alloc(5000, 7), 'tokenizer.json': '{}' };
const REPO = parseRepo('some-one/tiny', 'model');
const TOKEN = 'hf_secret';

let home: string;
let hub: LocalHub;
/** Another host, and what it was shown. */
let other: TestServer;
let shown: (string | undefined)[];
let answerOfOther: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'permafrost-hostile-'));
  hub = await localHub({ 'some-one/tiny': { files: FILES } });
  shown = [];
  answerOfOther = (_, response) => sendJson(response, []);
  const server = await serve((request, response) => {
    shown.push(request.headers.authorization);
    answerOfOther(request, response);
  });
  other = { ...server, url: server.url.replace('127.0.0.1', 'localhost') };
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const settings = () => ({
  endpoint: hub.url,
  cacheDirectory: join(home, 'hub'),
  token: TOKEN,
  offline: false,
});
const list = (limits: ListingLimits = {}) => listRepo(REPO, settings(), { retry: { attempts: 1 }, limits });

function sendJson(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(text);
}

/** Answers the questions for the file list itself. */
function onTree(handler: (request: IncomingMessage, response: ServerResponse, count: number) => void): void {
  let count = 0;
  hub.intercept = (request, response) => {
    if (!request.url!.includes('/tree/')) return false;
    handler(request, response, ++count);
    return true;
  };
}

describe('the token', () => {
  it.each(['Link', 'a redirect of the listing', 'a redirect of a file'])(
    'does not follow %s to another host',
    async (way) => {
      const own: (string | undefined)[] = [];
      hub.intercept = (request, response) => {
        own.push(request.headers.authorization);
        const isTree = request.url!.includes('/tree/');
        if (way === 'Link' && isTree) {
          response.setHeader('link', `<${other.url}/api/models/some-one/tiny/tree/x>; rel="next"`);
          return false;
        }
        const isFile = request.url!.includes('/resolve/') && request.url!.endsWith('config.json');
        const leads = way === 'a redirect of a file' ? isFile : way !== 'Link' && isTree;
        if (leads) response.writeHead(307, { location: `${other.url}${request.url}` }).end();
        return leads;
      };
      answerOfOther = (request, response) => {
        if (request.url!.includes('/resolve/')) return sendBytes(request, response, CONFIG);
        response
          .writeHead(307, {
            location: `${hub.url}${request.url!.replace('/tree/x', `/tree/${commitOf('main')}`)}`,
          })
          .end();
      };
      await downloadModel('some-one/tiny', { settings: settings(), retry: { attempts: 1 } }).catch(
        () => undefined,
      );
      expect(shown.length).toBeGreaterThan(0);
      expect(new Set(shown)).toEqual(new Set([undefined]));
      expect(own[0]).toBe(`Bearer ${TOKEN}`);
    },
  );

  it('that cannot be a header is refused and not shown', async () => {
    const error = await thrownBy(() => settingsOf({ token: 'hf_a\nb' }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.not.stringContaining('hf_a') });
  });
});

describe('an answer without an end', () => {
  it('of pages is left: one that names itself, two that name each other, ever new ones', async () => {
    for (const next of [() => 'x', (n: number) => `x${n % 2}`, (n: number) => `x${n}`]) {
      onTree((_, response, n) => {
        sendJson(response, [], { link: `<${hub.url}/api/models/some-one/tiny/tree/${next(n)}>; rel="next"` });
      });
      hub.requests.length = 0;
      const error = await thrownBy(() => list({ maxPages: 20 }));
      expect(error).toMatchObject({
        code: 'NETWORK_FAILED',
        message: expect.stringMatching(/itself|more than 20 pages/),
      });
      expect(hub.requests.length).toBeLessThanOrEqual(21);
    }
  });

  it('of bytes is left, however small it was packed', async () => {
    const member = gzipSync(Buffer.alloc(2 ** 24, ' '));
    onTree((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      for (let n = 0; n < 64; n++) response.write(member);
      response.end();
    });
    const before = process.memoryUsage().rss;
    const error = await thrownBy(() => list());
    expect(error).toMatchObject({
      code: 'NETWORK_FAILED',
      message: expect.stringContaining('at most 32 MiB'),
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 2 ** 20);
  });

  it.each([
    ['that comes a byte at a time', { timeoutMs: 300 }],
    ['whose pages each take their time', { totalMs: 300 }],
  ])('of time is left: one %s', async (_, limits) => {
    onTree((request, response, n) => {
      if ('totalMs' in limits) {
        const link = `<${hub.url}/api/models/some-one/tiny/tree/${n}>; rel="next"`;
        setTimeout(() => sendJson(response, [], { link }), 100);
        return;
      }
      response.writeHead(200);
      const drops = setInterval(() => response.write(' '), 20);
      request.on('close', () => clearInterval(drops));
    });
    const began = performance.now();
    expect(await thrownBy(() => list(limits))).toMatchObject({ code: 'NETWORK_FAILED' });
    expect(performance.now() - began).toBeLessThan(5000);
  });
});

describe('an answer that is wrong', () => {
  const oid = '0'.repeat(40);
  const file = { type: 'file', path: 'a.json', size: 1, oid };
  it.each<[name: string, value: unknown]>([
    ['no JSON', '<html>'],
    ['JSON that ends early', '[{"type":"file","pa'],
    ['nothing', ''],
    ['null', null],
    ['an object', { files: [] }],
    ['entries that are none', [null, 5]],
    ['a path that is no text', [{ ...file, path: 5 }]],
    ['a path that leads out', [{ ...file, path: '../../x' }]],
    ['a path from the root', [{ ...file, path: '/etc/x' }]],
    ['a path of Windows', [{ ...file, path: 'a\\..\\..\\x' }]],
    ['a path with a drive', [{ ...file, path: 'C:/x' }]],
    ['a path with a zero', [{ ...file, path: 'a\0b' }]],
    ['a path of dots', [{ ...file, path: './a' }]],
    ['a path of a megabyte', [{ ...file, path: 'a'.repeat(2 ** 20) }]],
    ['a size that is text', [{ ...file, size: '5' }]],
    ['a negative size', [{ ...file, size: -1 }]],
    ['a size that is none', '[{"type":"file","path":"a","size":NaN}]'],
    ['a size beyond all disks', `[{"type":"file","path":"a","size":1e400,"oid":"${oid}"}]`],
    ['a size of half a byte', [{ ...file, size: 0.5 }]],
    ['no size', [{ ...file, size: undefined }]],
    ['no digest', [{ ...file, oid: undefined }]],
    ['a digest that leads out', [{ ...file, oid: '../../../x' }]],
    ['a digest of large files that is none', [{ ...file, lfs: { oid: 'zz', size: 1 } }]],
    ['a size of large files that is text', [{ ...file, lfs: { oid: 'a'.repeat(64), size: '1' } }]],
  ])('is told of and leaves nothing behind: %s', async (_, value) => {
    onTree((_, response) => sendJson(response, value));
    const load = () => downloadModel('some-one/tiny', { settings: settings(), retry: { attempts: 1 } });
    const error = await thrownBy(load);
    expect(error.code).toBe('NETWORK_FAILED');
    expect(error.message.length).toBeLessThan(5000);
    expect(readdirSync(home)).toEqual([]);
  });

  it.each(['file:///etc/passwd', 'data:application/json,[]', 'http://[', 'https://a:b@host/x'])(
    'is told of: a next page at %s',
    async (target) => {
      onTree((_, response) => sendJson(response, [], { link: `<${target}>; rel="next"` }));
      expect(await thrownBy(() => list())).toMatchObject({ code: 'NETWORK_FAILED' });
    },
  );

  it.each([null, 5, { sha: 5 }, { sha: '../../x' }, {}])('is told of: the commit %j', async (value) => {
    hub.intercept = (_, response) => {
      sendJson(response, value);
      return true;
    };
    expect(await thrownBy(() => list())).toMatchObject({ code: 'NETWORK_FAILED' });
  });

  it('of a redirect without an end, or to something else than a server, is told of', async () => {
    for (const location of ['/api/models/again', 'file:///etc/passwd']) {
      hub.intercept = (_, response) => {
        response.writeHead(302, { location }).end();
        return true;
      };
      expect(await thrownBy(() => list())).toMatchObject({ code: 'NETWORK_FAILED' });
    }
  });
});

it('settings that are left open are those of the environment, and wrong ones are named', async () => {
  expect(await settingsOf({ offline: undefined, endpoint: undefined } as never)).toEqual(
    await settingsOf({}),
  );
  for (const wrong of [
    { endpoint: 'ftp://x' },
    { endpoint: 'https://a:b@x' },
    { offline: 'yes' },
    { tokn: 'x' },
  ]) {
    expect(await thrownBy(() => settingsOf(wrong as never))).toMatchObject({ code: 'INVALID_OPTION' });
  }
});
