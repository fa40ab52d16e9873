// Damaged and hostile answers of the Hub: most go straight to the functions that read them, some over a socket.
import { createServer } from 'node:http';
import { normalize, sep } from 'node:path';
import { gzipSync } from 'node:zlib';
import { labelsOfCard, labelsOfInfo } from '../../../dist/data/hub/class-labels.js';
import { findFiles } from '../../../dist/data/hub/find-files.js';
import { PermafrostError } from '../../../dist/errors/error.js';
import { listRepo, nextPage, readPage } from '../../../dist/hub/listing.js';
import { isRepoName, parseRepo } from '../../../dist/hub/repo.js';

export const name = 'hub';

const REPO = { type: 'dataset', name: 'some-one/data', revision: 'main' };
const SETTINGS = {
  endpoint: 'http://hub.test',
  cacheDirectory: '/cache',
  token: 'hf_secret',
  offline: false,
};
const COMMIT = 'c'.repeat(40);
/** One attempt of so many goes over a socket, which costs a hundred times as much. */
const SOCKET_EVERY = 200;

const PAGE = [
  { type: 'directory', path: 'data', size: 0, oid: 'd'.repeat(40) },
  { type: 'file', path: 'README.md', size: 12, oid: 'a'.repeat(40) },
  {
    ...{ type: 'file', path: 'data/train-00000-of-00001.parquet', size: 5_000_000_000, oid: 'b'.repeat(40) },
    lfs: { oid: 'e'.repeat(64), size: 5_000_000_000, pointerSize: 134 },
  },
  { type: 'file', path: 'en/validation/0000.parquet', size: 7, oid: 'f'.repeat(40) },
];
const LINK = '<http://hub.test/api/datasets/some-one/data/tree/main?cursor=abc>; rel="next"';
const INFO = {
  default: {
    features: { ner_tags: { feature: { names: ['O', 'B-PER'], _type: 'ClassLabel' }, _type: 'Sequence' } },
  },
};
const CARD =
  '---\ndataset_info:\n- config_name: default\n  features:\n  - name: ner_tags\n    sequence:\n      class_label:\n        ' +
  "names:\n          '0': O\n          '1': B-PER\n---\n# Data\n";

const HOSTILE_VALUES = [
  ...[null, true, false, 0, -1, 0.5, -0, 1e308, 2 ** 53, '', 'x', '0', 'NaN', [], {}, [[]], { a: null }],
  ...[
    '../../x',
    '/etc/passwd',
    'a/../../b',
    'a\\..\\b',
    'C:/x',
    'a\0b',
    './a',
    'a//b',
    'con',
    '…'.repeat(300),
  ],
  ...['a'.repeat(5000), '__proto__', 'constructor', COMMIT, 'z'.repeat(40), 'Z'.repeat(64)],
];
const SNIPPETS = [
  '../',
  '/',
  '\\',
  '\0',
  '"',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  'e999',
  '-',
  'NaN',
  '\ud800',
  '<',
  '>',
  ';',
  '://',
  '@',
  '%2e',
];

/** One attempt; throws where an answer leads to anything but a value that holds or a typed error. */
export async function attempt(random) {
  const kind =
    random.int(SOCKET_EVERY) === 0 ? 'socket' : random.pick(['page', 'link', 'labels', 'files', 'name']);
  await ATTEMPTS[kind](random);
}

const ATTEMPTS = {
  page(random) {
    const files = typed(() => readPage(parsed(damagedText(random, PAGE)), REPO, SETTINGS));
    for (const { path, size, digest } of files ?? []) {
      check(normalize(`/root/${path}`).startsWith(`${sep}root${sep}`), `a path that leads out: ${path}`);
      check(!/[\0\\:]/.test(path), `an odd path: ${path}`);
      check(Number.isSafeInteger(size) && size >= 0, `a size: ${size}`);
      check(/^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(digest.hex), `a digest: ${digest.hex}`);
    }
  },
  link(random) {
    const next = typed(() => nextPage(spliced(random, LINK), SETTINGS.endpoint, REPO, SETTINGS));
    if (typeof next === 'string') check(/^https?:\/\//.test(next), `a next page: ${next}`);
  },
  labels(random) {
    for (const describe of [
      typed(() => labelsOfInfo(damagedText(random, INFO), 'default')),
      typed(() => labelsOfCard(spliced(random, CARD), 'default')),
    ]) {
      const names = typed(() => describe?.(random.pick(['ner_tags', '__proto__', 'constructor'])) ?? null);
      check(names === null || names.every((label) => typeof label === 'string'), `labels: ${names}`);
    }
  },
  files(random) {
    const paths = PAGE.map(({ path }) => spliced(random, path));
    typed(() => findFiles(REPO.name, paths, random.pick([null, 'en', '__proto__'])));
  },
  name(random) {
    const text = spliced(random, 'some-one/data@refs/pr/1');
    const repo = typed(() => parseRepo(text, 'dataset'));
    if (repo === null) return;
    check(isRepoName(text), `a name: ${text}`);
    const inside = normalize(`/root/${repo.name}/${repo.revision}`);
    check(inside.startsWith(`${sep}root${sep}`), `a name that leads out: ${text}`);
  },
  /** Both answers of a listing, damaged: as bytes, with wrong lengths, packed, cut off. */
  async socket(random) {
    const answers = [damagedText(random, { sha: COMMIT }, 3), damagedText(random, PAGE, 3)];
    const style = random.int(6);
    let asked = 0;
    const server = createServer((_, response) => {
      const body = Buffer.from(answers[Math.min(asked++, 1)]);
      const headers = { ...(style === 1 && { link: LINK.replace('http://hub.test', '') }) };
      if (style === 2) return response.writeHead(200, { 'content-encoding': 'gzip' }).end(body);
      if (style === 3)
        return response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(body).subarray(0, -5));
      if (style === 4)
        return void response
          .writeHead(200, { 'content-length': body.length + 9 })
          .write(body, () => response.destroy());
      if (style === 5) return void response.socket.end('HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n');
      response.writeHead(random.pick([200, 200, 200, 204, 299]), headers).end(body);
    });
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    const settings = { ...SETTINGS, endpoint: `http://127.0.0.1:${server.address().port}` };
    try {
      await listRepo(REPO, settings, { retry: { attempts: 1 }, limits: { maxPages: 5, timeoutMs: 5000 } });
    } catch (error) {
      if (!(error instanceof PermafrostError)) throw error;
    } finally {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    }
  },
};

/** What a call gives; null for a typed error. */
function typed(call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof PermafrostError) return null;
    throw error;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    // Whoever asks has found that out before.
    return null;
  }
}

/** The text of a value of which some parts are others, or are gone; with a few of its characters exchanged now and then. */
function damagedText(random, value, most = 2) {
  const copy = structuredClone(value);
  for (let n = random.int(most + 1); n > 0; n--) damage(random, copy);
  const text = JSON.stringify(copy);
  return random.int(4) === 0 ? spliced(random, text) : text;
}

function damage(random, value) {
  const keys = Object.keys(value);
  if (keys.length === 0) return;
  const key = random.pick(keys);
  const inner = value[key];
  if (typeof inner === 'object' && inner !== null && random.int(3) > 0) return damage(random, inner);
  const way = random.int(8);
  if (way === 0) delete value[key];
  else if (way === 1 && typeof inner === 'string') value[key] = spliced(random, inner);
  else if (way === 2) value[random.pick(['__proto__x', 'type', 'path', 'size', 'lfs'])] = inner;
  else if (way === 3) value[key] = nested(random.int(2000));
  else value[key] = random.pick(HOSTILE_VALUES);
}

function nested(depth) {
  let value = null;
  for (let n = 0; n < depth; n++) value = { feature: value };
  return value;
}

/** A text with a piece cut out, doubled, or another one put in. */
function spliced(random, text) {
  const at = random.int(text.length + 1);
  const end = Math.min(text.length, at + random.int(6));
  const way = random.int(4);
  if (way === 0) return text.slice(0, at) + text.slice(end);
  if (way === 1) return text.slice(0, at);
  if (way === 2) return text.slice(0, end) + text.slice(at);
  return text.slice(0, at) + random.pick(SNIPPETS) + text.slice(end);
}

function check(holds, what) {
  if (!holds) throw new Error(what);
}
