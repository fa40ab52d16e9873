import { createServer } from 'node:http';
import { normalize } from 'node:path';
import { gzipSync } from 'node:zlib';
import { built } from '../built.mjs';
import { anyText, mutatedJson, mutatedText } from '../mutate.mjs';

const COMMIT = 'c'.repeat(40);
const REPO = { type: 'dataset', name: 'some-one/data', revision: 'main' };
const SETTINGS = {
  endpoint: 'http://hub.test',
  cacheDirectory: '/cache',
  token: 'hf_secret',
  offline: false,
};

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
const CARD = [
  ...['---', 'dataset_info:', '- config_name: default', '  features:', '  - name: ner_tags', '    sequence:'],
  ...[
    '      class_label:',
    '        names:',
    "          '0': O",
    "          '1': B-PER",
    '---',
    '# Data',
    '',
  ],
].join('\n');

/** Paths that no listing may bring into the cache, of which a mutation seldom makes one. */
const PATHS = ['../../x', '/etc/x', 'a/../../x', 'a\\..\\x', 'C:/x', 'a\0b', './a', 'a//b', 'a/', '..', ''];
/** One input of so many goes over a socket, which takes a hundred times as long. */
const SOCKET_EVERY = 200;
const COLUMNS = ['ner_tags', '__proto__', 'constructor'];

// What the Hub and its mirrors answer: listings, links to further pages, what a dataset says of its labels, names.
export default {
  name: 'hub',
  async setUp() {
    return {
      ...(await built('hub/listing.js')),
      ...(await built('hub/repo.js')),
      ...(await built('data/hub/class-labels.js')),
      ...(await built('data/hub/find-files.js')),
    };
  },
  input(random) {
    if (random.once(SOCKET_EVERY)) {
      const style = random.pick(['plain', 'linked', 'unpacked', 'cut gzip', 'short', 'status']);
      return { kind: 'socket', info: damaged(random, { sha: COMMIT }), page: damaged(random, PAGE), style };
    }
    switch (random.below(5)) {
      case 0:
        return { kind: 'link', text: mutatedText(random, LINK) };
      case 1:
        return {
          kind: 'labels',
          info: damaged(random, INFO),
          card: mutatedText(random, CARD),
          column: random.pick(COLUMNS),
        };
      case 2:
        return { kind: 'name', text: mutatedText(random, 'some-one/data@refs/pr/1') };
      default:
        return { kind: 'page', page: damaged(random, PAGE), config: random.pick([null, 'en', '__proto__']) };
    }
  },
  run: (input, modules) => RUNS[input.kind](input, modules),
};

const RUNS = {
  page({ page, config }, { readPage, findFiles }) {
    const files = readPage(parsed(page), REPO, SETTINGS);
    for (const { path, size, digest } of files) {
      check(isInside(path) && !/[\0\\:]/.test(path), `a path that leads out: ${path}`);
      check(Number.isSafeInteger(size) && size >= 0, `a size: ${size}`);
      check(/^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(digest.hex), `a digest: ${digest.hex}`);
    }
    findFiles(
      REPO.name,
      files.map(({ path }) => path),
      config,
    );
  },
  link({ text }, { nextPage }) {
    const next = nextPage(text, SETTINGS.endpoint, REPO, SETTINGS);
    check(next === null || /^https?:\/\//.test(next), `a next page: ${next}`);
  },
  labels({ info, card, column }, { labelsOfInfo, labelsOfCard }) {
    for (const describe of [labelsOfInfo(info, 'default'), labelsOfCard(card, 'default')]) {
      const names = describe(column);
      check(names === null || names.every((name) => typeof name === 'string'), `labels: ${names}`);
    }
  },
  name({ text }, { parseRepo }) {
    const { name, revision } = parseRepo(text, 'dataset');
    check(isInside(`${name}/${revision}`), `a name that leads out: ${text}`);
  },
  /** Both answers of a listing from a server that packs, cuts and counts them wrongly. */
  async socket({ info, page, style }, { listRepo }) {
    const answers = [info, page];
    const server = createServer((_, response) =>
      answer(response, Buffer.from(answers.shift() ?? page), style),
    );
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    const settings = { ...SETTINGS, endpoint: `http://127.0.0.1:${server.address().port}` };
    try {
      await listRepo(REPO, settings, { retry: { attempts: 1 }, limits: { maxPages: 5, timeoutMs: 5000 } });
    } finally {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    }
  },
};

function answer(response, body, style) {
  const packed = { 'content-encoding': 'gzip' };
  switch (style) {
    case 'linked':
      return response.writeHead(200, { link: LINK.replace('http://hub.test', '') }).end(body);
    case 'unpacked':
      return response.writeHead(200, packed).end(body);
    case 'cut gzip':
      return response.writeHead(200, packed).end(gzipSync(body).subarray(0, -5));
    case 'short':
      response.writeHead(200, { 'content-length': body.length + 9 });
      return response.write(body, () => response.destroy());
    case 'status':
      return response.socket.end('HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n');
    default:
      return response.writeHead(200).end(body);
  }
}

/** The text of a value that was changed here and there; now and then of no JSON any more, or deep. */
function damaged(random, value) {
  const changed = random.once(8) ? value : mutatedJson(random, value);
  if (Array.isArray(changed) && random.once(3)) {
    for (const entry of changed)
      if (entry?.path && random.once(2)) entry.path = random.pick(PATHS) + anyText(random, 4);
  }
  const text = JSON.stringify(changed);
  if (random.once(50)) return `${'{"feature":'.repeat(5000)}${text}${'}'.repeat(5000)}`;
  return random.once(4) ? mutatedText(random, text) : text;
}

/** What is no JSON is found before a listing is read. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isInside(path) {
  return normalize(`/root/${path}`).startsWith('/root/');
}

function check(holds, what) {
  if (!holds) throw new Error(what);
}
