import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hubSettings } from '../../src/hub/settings.js';
import type { HubOptions } from '../../src/hub/snapshot.js';
import { downloadModel } from '../../src/model/hub-model.js';
import { runChild } from '../helpers/child.js';
import { commitOf, gitBlobId, type LocalHub, localHub } from '../helpers/local-hub.js';
import { thrownBy } from '../helpers/thrown.js';

const WEIGHTS = randomBytes(400_000);
const FILES = {
  'README.md': '# not needed',
  'config.json': '{"model_type":"bert"}',
  'model.safetensors': WEIGHTS,
  'pytorch_model.bin': randomBytes(100),
  'onnx/model.onnx': 'not needed',
  'tokenizer.json': '{}',
  'vocab.txt': '[PAD]\n',
};
const MAIN = commitOf('main');

let home: string;
let hub: LocalHub;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'permafrost-hub-'));
  hub = await localHub({
    'some-one/tiny': { files: FILES, revisions: { 'refs/pr/1': { 'config.json': '{}' } } },
  });
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function options(more: HubOptions = {}, settings: HubOptions['settings'] = {}): HubOptions {
  const own = {
    endpoint: hub.url,
    cacheDirectory: join(home, 'hub'),
    token: null,
    offline: false,
    ...settings,
  };
  return { retry: { firstDelayMs: 5 }, ...more, settings: own };
}

const repoFolder = () => join(home, 'hub', 'models--some-one--tiny');

describe('a model of the Hub', () => {
  it('comes into the cache that Hugging Face tools share, without files that nobody needs', async () => {
    const model = await downloadModel('some-one/tiny', options());
    expect(model).toEqual({
      directory: join(repoFolder(), 'snapshots', MAIN),
      name: 'some-one/tiny',
      commit: MAIN,
    });
    expect(readdirSync(model.directory).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'vocab.txt',
    ]);
    expect(readFileSync(join(repoFolder(), 'refs', 'main'), 'utf8')).toBe(MAIN);
    const link = readlinkSync(join(model.directory, 'config.json'));
    expect(link).toBe(`../../blobs/${gitBlobId(Buffer.from(FILES['config.json']))}`);
    expect(readFileSync(join(model.directory, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
    expect(readdirSync(join(repoFolder(), 'blobs'))).toHaveLength(4);
    expect(readdirSync(join(repoFolder(), 'blobs')).filter((name) => name.includes('.'))).toEqual([]);
  });

  it('is not fetched again, and tells of its progress only while it comes', async () => {
    const seen: string[] = [];
    const watched = options({ onProgress: ({ path }) => seen.push(path) });
    await downloadModel('some-one/tiny', watched);
    expect(new Set(seen)).toEqual(
      new Set(['config.json', 'tokenizer.json', 'vocab.txt', 'model.safetensors']),
    );
    seen.length = 0;
    const before = hub.requests.length;
    await downloadModel('some-one/tiny', watched);
    expect(seen).toEqual([]);
    expect(hub.requests.slice(before).every((request) => request.includes('/api/'))).toBe(true);
  });

  it('comes through a connection that is cut again and again', async () => {
    hub.cutAfter = 90_000;
    const { directory } = await downloadModel('some-one/tiny', options());
    expect(readFileSync(join(directory, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
    expect(hub.requests.some((request) => request.includes('bytes='))).toBe(true);
  });

  it('goes on later with what an interrupted download left', async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    hub.cutAfter = 150_000;
    const stopped = downloadModel(
      'some-one/tiny',
      options({
        signal: controller.signal,
        onProgress: ({ path, receivedBytes }) => {
          if (path === 'model.safetensors' && receivedBytes > 100_000) controller.abort(reason);
        },
      }),
    );
    await expect(stopped).rejects.toBe(reason);
    const [part] = readdirSync(join(repoFolder(), 'blobs')).filter((name) => name.endsWith('.incomplete'));
    expect(part).toBeDefined();
    hub.cutAfter = null;
    const before = hub.requests.length;
    const { directory } = await downloadModel('some-one/tiny', options());
    expect(hub.requests.slice(before).some((request) => /\/cdn\/.* bytes=[1-9]/.test(request))).toBe(true);
    expect(readFileSync(join(directory, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
    expect(readdirSync(join(repoFolder(), 'blobs')).filter((name) => name.includes('.'))).toEqual([]);
  });

  it('serves from the cache without the network', async () => {
    const first = await downloadModel('some-one/tiny', options());
    const before = hub.requests.length;
    expect(await downloadModel('some-one/tiny', options({}, { offline: true }))).toEqual(first);
    expect(hub.requests).toHaveLength(before);
    await hub.stop();
    const reasons: string[] = [];
    const again = await downloadModel(
      'some-one/tiny',
      options({ onFallback: ({ code }) => reasons.push(code) }),
    );
    expect(again).toEqual(first);
    expect(reasons).toEqual(['NETWORK_FAILED']);
  });

  it('is found where another tool put it', async () => {
    const snapshot = join(repoFolder(), 'snapshots', MAIN);
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(repoFolder(), 'refs'));
    writeFileSync(join(repoFolder(), 'refs', 'main'), MAIN);
    for (const name of ['config.json', 'model.safetensors']) writeFileSync(join(snapshot, name), 'x');
    const { directory } = await downloadModel('some-one/tiny', options({}, { offline: true }));
    expect(directory).toBe(snapshot);
  });

  it('fetches the shards that the index names', async () => {
    const map = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' };
    hub.repos['some-one/large'] = {
      files: {
        'config.json': '{}',
        'model.safetensors.index.json': JSON.stringify({ weight_map: map }),
        [map.a]: 'one',
        [map.b]: 'two',
        'model-00001-of-00009.safetensors': 'of something else',
      },
    };
    const { directory } = await downloadModel('some-one/large', options());
    expect(readdirSync(directory).sort()).toEqual(
      ['config.json', map.a, map.b, 'model.safetensors.index.json'].sort(),
    );
  });

  it('takes the revision that is named', async () => {
    const error = await thrownBy(() => downloadModel('some-one/tiny@refs/pr/1', options()));
    expect(error.code).toBe('UNSUPPORTED_MODEL');
    expect(readFileSync(join(repoFolder(), 'refs', 'refs', 'pr', '1'), 'utf8')).toBe(commitOf('refs/pr/1'));
  });

  it('of which two processes fetch the same file at once has one good copy', async () => {
    const big = randomBytes(3_000_000);
    hub.repos['some-one/tiny']!.files = { ...FILES, 'model.safetensors': big };
    hub.cutAfter = 700_000;
    const module = pathToFileURL(resolve('dist/model/hub-model.js')).href;
    const source = `import { downloadModel } from ${JSON.stringify(module)};
      const { directory } = await downloadModel('some-one/tiny', { retry: { firstDelayMs: 5 } });
      console.log(directory);`;
    const env = { HF_ENDPOINT: hub.url, HF_HOME: home };
    const previous = { ...process.env };
    Object.assign(process.env, env);
    try {
      const results = await Promise.all([runChild(source), runChild(source), runChild(source)]);
      for (const result of results) expect(result).toMatchObject({ code: 0, stderr: '' });
      expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
      const directory = results[0]!.stdout.trim();
      expect(readFileSync(join(directory, 'model.safetensors')).equals(big)).toBe(true);
      expect(readdirSync(join(repoFolder(), 'blobs')).filter((name) => name.includes('.'))).toEqual([]);
      // Each byte came once: five pieces, each asked for by one request of the three processes.
      expect(hub.requests.filter((request) => request.includes('/cdn/'))).toHaveLength(5);
    } finally {
      process.env = previous;
    }
  });
});

describe('what goes wrong', () => {
  it.each([
    ['no-one/nothing', null, 'ACCESS_DENIED', 'does not exist, or it is private'],
    ['no-one/nothing', 'hf_x', 'REMOTE_NOT_FOUND', 'There is no model no-one/nothing'],
    ['some-one/gated', null, 'ACCESS_DENIED', 'accept its terms at'],
    ['some-one/secret', null, 'ACCESS_DENIED', 'HF_TOKEN'],
    ['some-one/secret', 'hf_wrong', 'ACCESS_DENIED', 'may not read'],
    ['some-one/tiny@v9', null, 'REMOTE_NOT_FOUND', 'has no revision v9'],
    ['some-one/empty', null, 'REMOTE_NOT_FOUND', 'has no file config.json'],
    ['../escape', null, 'INVALID_OPTION', 'owner/name'],
  ])('%s with token %s: %s', async (name, token, code, text) => {
    hub.repos['some-one/gated'] = { files: FILES, gated: true };
    hub.repos['some-one/secret'] = { files: FILES, token: 'hf_right' };
    hub.repos['some-one/empty'] = { files: { 'README.md': '' } };
    const error = await thrownBy(() => downloadModel(name, options({}, { token })));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  });

  it('reads a private repository with its token', async () => {
    hub.repos['some-one/secret'] = { files: FILES, token: 'right' };
    const { directory } = await downloadModel('some-one/secret', options({}, { token: 'right' }));
    expect(existsSync(join(directory, 'model.safetensors'))).toBe(true);
  });

  it('names the file of wrong bytes and keeps none of them', async () => {
    hub.intercept = (request, response) => {
      if (!request.url!.startsWith('/cdn/')) return false;
      response.end(randomBytes(WEIGHTS.length));
      return true;
    };
    const error = await thrownBy(() => downloadModel('some-one/tiny', options()));
    expect(error.code).toBe('HASH_MISMATCH');
    expect(error.message).toContain('model.safetensors');
    expect(existsSync(join(repoFolder(), 'snapshots', MAIN, 'model.safetensors'))).toBe(false);
    expect(readdirSync(join(repoFolder(), 'blobs'))).toHaveLength(3);
  });

  it('waits for a Hub that wants fewer requests', async () => {
    const refused = new Set<string>();
    hub.intercept = ({ url }, response) => {
      if (refused.has(url!)) return false;
      refused.add(url!);
      response.writeHead(429, { 'retry-after': '0' }).end();
      return true;
    };
    await downloadModel('some-one/tiny', options());
    hub.intercept = (_, response) => {
      response.writeHead(429).end();
      return true;
    };
    rmSync(repoFolder(), { recursive: true });
    const error = await thrownBy(() => downloadModel('some-one/tiny', options()));
    expect(error).toMatchObject({ code: 'NETWORK_FAILED', details: { status: 429 } });
  });

  it('says that there is no network, and what is not in the cache', async () => {
    const offline = await thrownBy(() => downloadModel('some-one/tiny', options({}, { offline: true })));
    expect(offline.code).toBe('OFFLINE');
    expect(offline.message).toContain(join(home, 'hub'));
    await hub.stop();
    const error = await thrownBy(() => downloadModel('some-one/tiny', options()));
    expect(error).toMatchObject({ code: 'NETWORK_FAILED', details: { isUnreachable: true } });
  });

  it('writes no path of a listing that leads out of the cache', async () => {
    hub.repos['some-one/evil'] = { files: { '../../../evil': 'x', 'config.json': '{}' } };
    const error = await thrownBy(() => downloadModel('some-one/evil', options()));
    expect(error.message).toContain('../../../evil');
  });

  it('takes pytorch_model.bin where there are no safetensors, by its index where it is in shards', async () => {
    hub.repos['some-one/old'] = {
      files: { 'config.json': '{}', 'pytorch_model.bin': 'x', 'tf_model.h5': 'y' },
    };
    const { directory } = await downloadModel('some-one/old', options());
    expect(readdirSync(directory).sort()).toEqual(['config.json', 'pytorch_model.bin']);

    const index = JSON.stringify({ weight_map: { a: 'one.bin', b: 'two.bin', c: 'one.bin' } });
    const files = {
      'config.json': '{}',
      'pytorch_model.bin.index.json': index,
      'one.bin': '1',
      'two.bin': '2',
    };
    hub.repos['some-one/shards'] = { files };
    const shards = await downloadModel('some-one/shards', options());
    expect(readdirSync(shards.directory).sort()).toEqual(Object.keys(files).sort());

    hub.repos['some-one/none'] = { files: { 'config.json': '{}', 'tf_model.h5': 'y' } };
    const error = await thrownBy(() => downloadModel('some-one/none', options()));
    expect(error.code).toBe('UNSUPPORTED_MODEL');
    expect(error.message).toContain(
      'no weights in a form that is read (model.safetensors, pytorch_model.bin, model.onnx',
    );
  });
});

describe('the settings of the Hub', () => {
  it('come from the variables that Hugging Face tools read', async () => {
    const token = join(home, 'token');
    writeFileSync(token, 'hf_file\n');
    expect(await hubSettings({ HF_HOME: home })).toEqual({
      endpoint: 'https://huggingface.co',
      cacheDirectory: join(home, 'hub'),
      token: 'hf_file',
      offline: false,
    });
    const env = {
      HF_HOME: '/a',
      HF_HUB_CACHE: '/b',
      HF_TOKEN: ' t ',
      HF_HUB_OFFLINE: '1',
      HF_ENDPOINT: 'http://m/',
    };
    expect(await hubSettings(env)).toEqual({
      endpoint: 'http://m',
      cacheDirectory: '/b',
      token: 't',
      offline: true,
    });
    expect((await hubSettings({ XDG_CACHE_HOME: '/c' })).cacheDirectory).toBe('/c/huggingface/hub');
    expect((await thrownBy(() => hubSettings({ HF_ENDPOINT: 'huggingface' }))).code).toBe('INVALID_OPTION');
  });
});
