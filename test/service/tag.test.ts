import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  getJson,
  makeModel,
  post,
  type RunningService,
  removeFolder,
  startService,
  task,
} from './running-service.js';

let folder: string;
let service: RunningService;
const texts = task.test.map(({ words }) => words.join(' '));

beforeAll(async () => {
  folder = await makeModel();
  service = await startService(folder, { maxTextLength: 2000, maxTagBytes: 4096 });
});
afterAll(async () => {
  await service.stop();
  await removeFolder(folder);
});

const tag = (body: unknown) => post(`${service.url}/tag`, body);

async function expectHealthy(): Promise<void> {
  expect((await tag({ text: texts[0] })).status).toBe(200);
  // A client that has gone is noticed in a moment, and holds no call open from then on.
  await expect.poll(async () => (await getJson(`${service.url}/health`)).tagger.open).toBe(0);
}

/** Sends bytes over a socket and destroys it. */
function breakOff(bytes: string): Promise<void> {
  const { hostname, port } = new URL(service.url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(bytes, () => {
        socket.destroy();
        resolve();
      });
    });
  });
}

describe('POST /tag', () => {
  it('gives the entities that the tagger gives', async () => {
    for (const body of [{ text: texts[1]! }, { words: task.test[1]!.words }]) {
      const found = await tag(body);
      expect(found.status).toBe(200);
      const expected = await service.tagger.tag(body.text ?? body.words!);
      expect(found.body.entities).toEqual(expected);
      expect(expected.length).toBeGreaterThan(0);
    }
    const { body } = await tag({ text: texts[1], aggregation: 'none' });
    expect(body.entities).toEqual(await service.tagger.tag(texts[1]!, { aggregation: 'none' }));
    expect((await tag({ text: '' })).body).toEqual({ entities: [] });
  });

  it.each([
    ['text that is no JSON', '{"text":', 400, 'INVALID_REQUEST'],
    ['nothing to tag', {}, 400, 'INVALID_REQUEST'],
    ['a number for a text', { text: 5 }, 400, 'INVALID_REQUEST'],
    ['a text and words', { text: 'x', words: ['x'] }, 400, 'INVALID_REQUEST'],
    ['a misspelt field', { txt: 'x' }, 400, 'INVALID_REQUEST'],
    ['an unknown strategy', { text: 'x', aggregation: 'best' }, 400, 'INVALID_REQUEST'],
    ['a text that is too long', { text: 'x'.repeat(2001) }, 413, 'TOO_LARGE'],
    ['too many words', { words: new Array(600).fill('xyz') }, 413, 'TOO_LARGE'],
    ['a body that is too large', { text: 'x'.repeat(5000) }, 413, 'TOO_LARGE'],
  ])('refuses %s', async (_, body, status, code) => {
    const answer = await tag(body);
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    expect(answer.body.error.message.length).toBeGreaterThan(5);
  });

  it('answers what it does not have with 404', async () => {
    const response = await fetch(`${service.url}/nothing`);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      error: { code: 'NOT_FOUND', message: 'There is no GET /nothing.' },
    });
  });

  it('answers 503 and when to come back where too many come at once', async () => {
    const narrow = await startService(folder, {}, { maxQueue: 1 });
    try {
      const long = narrow.tagger.tag(new Array(30_000).fill('x'));
      const response = await fetch(`${narrow.url}/tag`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text: texts[0] }),
      });
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
      expect(await response.json()).toMatchObject({ error: { code: 'QUEUE_FULL' } });
      await long;
    } finally {
      await narrow.stop();
    }
  });

  it('lives on when clients break off in the middle', async () => {
    const head = 'POST /tag HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
    const body = JSON.stringify({ text: texts[0] });
    for (let i = 0; i < 20; i++) {
      await breakOff(`${head}content-length: 4000\r\n\r\n{"text": "half of`);
      await breakOff(`${head}content-length: ${body.length}\r\n\r\n${body}`);
      await breakOff('GARBAGE\r\n\r\n');
    }
    await expectHealthy();
  });

  it('holds no more memory after many requests', async () => {
    setFlagsFromString('--expose_gc');
    const collect = runInNewContext('gc') as () => void;
    const hammer = async (count: number) => {
      let next = 0;
      const caller = async () => {
        while (next < count) expect((await tag({ text: texts[next++ % texts.length] })).status).toBe(200);
      };
      await Promise.all(Array.from({ length: 16 }, caller));
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const before = await hammer(600);
    const after = await hammer(1500);
    // A request leaves less than a kilobyte behind, where its text and answer alone are about as much.
    expect(after - before).toBeLessThan(1500 * 1024);
    await expectHealthy();
  });
});
