import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { type PushModelOptions, pushModel } from '../../src/entries/publish.js';
import { capturedOutput } from '../helpers/captured-output.js';
import { serve } from '../helpers/http-server.js';
import { writableHub } from '../helpers/local-hub.js';
import { thrownBy } from '../helpers/thrown.js';

const TOKEN = 'hf_write';
const NAME = 'some-one/tagger';
const WEIGHTS = randomBytes(300_000);
const MODEL = {
  'README.md': '# A tagger',
  'config.json': '{"model_type":"bert"}',
  'model.safetensors': WEIGHTS,
  'onnx/model.onnx': randomBytes(1000),
  'tokenizer.json': '{}',
};
/** What training leaves in and around a model's directory. */
const OTHERS = {
  'state.safetensors': 'moments',
  'last/state.safetensors': 'moments',
  'record.json': '{}',
  'onnx/notes.txt': '',
  '.hidden': '',
};

let folder: string;
let hub: Awaited<ReturnType<typeof writableHub>>;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-push-'));
  write({ ...MODEL, ...OTHERS });
  hub = await writableHub({}, TOKEN);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(files: Record<string, string | Buffer>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

const push = (options: Partial<PushModelOptions> = {}) =>
  pushModel({
    model: folder,
    to: NAME,
    settings: { endpoint: hub.url, token: TOKEN, offline: false },
    retry: { firstDelayMs: 5 },
    ...options,
  });
const statesOf = ({ files }: Awaited<ReturnType<typeof push>>) =>
  Object.fromEntries(files.map(({ path, state }) => [path, state]));
const contents = (revision?: string) => {
  const repo = hub.repos[NAME]!;
  const { '.gitattributes': _, ...files } = revision === undefined ? repo.files : repo.revisions![revision]!;
  return files;
};
const puts = () => hub.storage.requests.filter((line) => line.startsWith('PUT'));

describe('a model that is pushed', () => {
  it('comes to the Hub by one commit, its own files and no others', async () => {
    const progress: number[] = [];
    const pushed = await push({
      message: 'First',
      onProgress: ({ path, sentBytes, totalBytes }) => {
        if (path === 'model.safetensors') progress.push(sentBytes / totalBytes);
      },
    });
    expect(Object.keys(contents()).sort()).toEqual(Object.keys(MODEL).sort());
    expect(Buffer.from(contents()['model.safetensors']!).equals(WEIGHTS)).toBe(true);
    expect(hub.writes.commits).toEqual([
      { summary: 'First', revision: 'main', paths: Object.keys(MODEL).sort() },
    ]);
    expect(pushed).toMatchObject({ repo: NAME, revision: 'main', url: `${hub.url}/${NAME}` });
    expect(pushed.commit).toMatch(/^[0-9a-f]{40}$/);
    expect(new Set(Object.values(statesOf(pushed)))).toEqual(new Set(['new']));
    expect(progress.at(-1)).toBe(1);
    expect(hub.writes.privates).toEqual([]);
  });

  it('is not sent again, and only what changed makes a commit', async () => {
    await push();
    const again = await push();
    expect(again.commit).toBeNull();
    expect(new Set(Object.values(statesOf(again)))).toEqual(new Set(['unchanged']));
    expect(puts()).toHaveLength(2);
    write({ 'README.md': '# A better tagger' });
    expect(statesOf(await push())).toMatchObject({
      'README.md': 'changed',
      'model.safetensors': 'unchanged',
    });
    expect(hub.writes.commits.at(-1)!.paths).toEqual(['README.md']);
    expect(puts()).toHaveLength(2);
  });

  it('is not sent where the Hub has its bytes under another name', async () => {
    await push();
    const pushed = await push({ to: 'some-one/copy' });
    expect(statesOf(pushed)).toMatchObject({ 'model.safetensors': 'known', 'README.md': 'new' });
    expect(puts()).toHaveLength(2);
    expect(Buffer.from(hub.repos['some-one/copy']!.files['model.safetensors']!).equals(WEIGHTS)).toBe(true);
  });

  it('goes in the parts that the Hub asks for', async () => {
    hub.writes.partBytes = 70_000;
    const progress: number[] = [];
    await push({
      onProgress: ({ path, sentBytes }) => path === 'model.safetensors' && progress.push(sentBytes),
    });
    expect(puts()).toHaveLength(5 + 1);
    expect(Buffer.from(contents()['model.safetensors']!).equals(WEIGHTS)).toBe(true);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(WEIGHTS.length);
  });

  it('goes to a branch, which is made, and into a private repository', async () => {
    await push({ revision: 'v1', private: true });
    expect(Object.keys(contents('v1')).sort()).toEqual(Object.keys(MODEL).sort());
    expect(contents()).toEqual({});
    expect(hub.writes.privates).toEqual([NAME]);
    expect((await push({ revision: 'v1' })).commit).toBeNull();
  });

  it('leaves out what the rules of the repository ignore', async () => {
    hub.writes.ignored = /^onnx\//;
    expect(statesOf(await push())).toMatchObject({ 'onnx/model.onnx': 'ignored', 'config.json': 'new' });
    expect(Object.keys(contents())).not.toContain('onnx/model.onnx');
  });

  it('is only told of by a dry run', async () => {
    expect(statesOf(await push({ dryRun: true }))).toMatchObject({ 'model.safetensors': 'new' });
    expect(hub.repos).toEqual({});
    await push();
    write({ 'config.json': '{"model_type":"roberta"}' });
    const dry = await push({ dryRun: true });
    expect(dry.commit).toBeNull();
    expect(statesOf(dry)).toMatchObject({ 'config.json': 'changed', 'tokenizer.json': 'unchanged' });
    expect(hub.writes.commits).toHaveLength(1);
  });
});

describe('the token', () => {
  it('goes to the Hub and not to where large files are stored', async () => {
    hub.writes.partBytes = 100_000;
    await push();
    expect(hub.storage.headers.length).toBeGreaterThan(3);
    for (const headers of hub.storage.headers) {
      expect(headers.authorization).toBeUndefined();
      expect(JSON.stringify(headers)).not.toContain(TOKEN);
    }
  });

  it('does not follow where the Hub leads elsewhere', async () => {
    const seen: (string | undefined)[] = [];
    const elsewhere = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    hub.intercept = (request, response) => {
      if (request.url !== '/api/repos/create') return false;
      response.writeHead(307, { location: `${elsewhere.url}/api/repos/create` }).end();
      return true;
    };
    await push().catch(() => undefined);
    expect(seen).toEqual([undefined]);
  });

  it('is needed, and told to be of the wrong kind', async () => {
    const none = await thrownBy(() => push({ settings: { endpoint: hub.url, token: null, offline: false } }));
    expect(none).toMatchObject({ code: 'ACCESS_DENIED' });
    expect(none.message).toContain('set HF_TOKEN');
    expect(hub.requests).toEqual([]);
    const wrong = await thrownBy(() =>
      push({ settings: { endpoint: hub.url, token: 'hf_read', offline: false } }),
    );
    expect(wrong).toMatchObject({ code: 'ACCESS_DENIED' });
    expect(wrong.message).toContain('write access to some-one');
    expect(wrong.message).toContain('The Hub says: no right to write');
    expect(wrong.message).not.toContain('hf_read');
  });
});

describe('a push that goes wrong', () => {
  it('goes on where the storage failed for a while', async () => {
    let failures = 2;
    hub.intercept = (request, response) => {
      if (request.method !== 'PUT' || failures-- <= 0) return false;
      request.resume().on('end', () => response.writeHead(503).end());
      return true;
    };
    await push();
    expect(Buffer.from(contents()['model.safetensors']!).equals(WEIGHTS)).toBe(true);
  });

  it('goes on where a connection broke off', async () => {
    let breaks = 1;
    hub.intercept = (request) => {
      if (request.method !== 'PUT' || breaks-- <= 0) return false;
      request.once('data', () => request.socket.destroy());
      return true;
    };
    await push();
    expect(Buffer.from(contents()['model.safetensors']!).equals(WEIGHTS)).toBe(true);
  });

  it('ends with the signal, and without a commit', async () => {
    const controller = new AbortController();
    hub.writes.partBytes = 50_000;
    const pushing = push({
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(pushing).rejects.toThrow('enough');
    expect(hub.writes.commits).toEqual([]);
  });

  it.each([
    ['preupload', { files: 'none' }, 'files: '],
    ['preupload', { files: [] }, 'no answer for README.md'],
    ['batch', { objects: [] }, 'no answer for model.safetensors'],
    ['batch', { objects: [{ oid: 'OID', error: { code: 422, message: 'too large' } }] }, '422 too large'],
    [
      'batch',
      { objects: [{ oid: 'OID', actions: { upload: { href: 'file:///etc/passwd' } } }] },
      'objects.0.actions.upload.href',
    ],
    [
      'batch',
      { objects: [{ oid: 'OID', actions: { upload: { href: 'http://h/', header: { chunk_size: '1' } } } }] },
      '0 parts of 1 bytes',
    ],
    ['commit', { commitOid: '../..' }, 'commitOid'],
  ])('does not take an answer to %s for one of a Hub: %j', async (path, answer, said) => {
    rmSync(join(folder, 'onnx'), { recursive: true });
    const oid = createHash('sha256').update(WEIGHTS).digest('hex');
    hub.intercept = (request, response) => {
      if (!request.url!.includes(path)) return false;
      const text = JSON.stringify(answer).replace('OID', oid);
      request.resume().on('end', () => response.writeHead(200).end(text));
      return true;
    };
    const error = await thrownBy(push);
    expect(error).toMatchObject({ code: 'NETWORK_FAILED' });
    expect(error.message).toContain(said);
    expect(hub.writes.commits).toEqual([]);
  });

  it('says why the Hub refuses a commit, in one line', async () => {
    hub.intercept = (request, response) => {
      if (!request.url!.includes('/commit/')) return false;
      const headers = { 'x-error-message': `Invalid metadata in README.md ${'!'.repeat(1000)}` };
      request.resume().on('end', () => response.writeHead(400, headers).end());
      return true;
    };
    const error = await thrownBy(push);
    expect(error).toMatchObject({ code: 'NETWORK_FAILED', details: { status: 400 } });
    expect(error.message).toContain('The Hub says: Invalid metadata in README.md !!');
    expect(error.message.length).toBeLessThan(500);
  });

  it('is refused before anything is asked', async () => {
    expect(await thrownBy(() => push({ to: 'tagger' }))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(await thrownBy(() => push({ to: 'some one/tagger' }))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(await thrownBy(() => push({ revision: '../x' }))).toMatchObject({ code: 'INVALID_OPTION' });
    const settings = { endpoint: hub.url, token: TOKEN, offline: true };
    expect(await thrownBy(() => push({ settings }))).toMatchObject({ code: 'OFFLINE' });
    expect(await thrownBy(() => push({ model: join(folder, 'last') }))).toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    write({ 'model.safetensors': 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n' });
    expect(await thrownBy(push)).toMatchObject({ code: 'WEIGHTS_FORMAT' });
    rmSync(join(folder, 'model.safetensors'));
    rmSync(join(folder, 'onnx', 'model.onnx'));
    expect(await thrownBy(push)).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(hub.requests).toEqual([]);
  });
});

describe('permafrost push', () => {
  const output = capturedOutput();
  afterEach(() => vi.unstubAllEnvs());

  it('takes the token from where the other commands do', async () => {
    mkdirSync(join(folder, 'home'));
    writeFileSync(join(folder, 'home', 'token'), `${TOKEN}\n`);
    vi.stubEnv('HF_ENDPOINT', hub.url);
    vi.stubEnv('HF_HOME', join(folder, 'home'));
    vi.stubEnv('HF_TOKEN', '');
    vi.stubEnv('HF_HUB_OFFLINE', '');
    const args = ['push', '--model', folder, '--to', NAME];
    expect(await main([...args, '--dry-run'])).toBe(0);
    expect(output.out).toContain('Nothing was sent.');
    expect(await main([...args, '--message', 'By hand', '--json'])).toBe(0);
    expect(JSON.parse(output.out.trim().split('\n').at(-1)!)).toMatchObject({ type: 'push', repo: NAME });
    expect(hub.writes.commits).toMatchObject([{ summary: 'By hand' }]);
  });
});
