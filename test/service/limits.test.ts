import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import fastify from 'fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { trainingAccess } from '../../examples/service/src/auth.js';
import { sendEvents } from '../../examples/service/src/event-stream.js';
import type { JobEvent } from '../../examples/service/src/job.js';
import type { ServiceOptions } from '../../examples/service/src/server.js';
import {
  conllText,
  makeModel,
  post,
  type RunningService,
  removeFolder,
  startService,
  task,
} from './running-service.js';

let folder: string;
let service: RunningService | null = null;
const sockets: Socket[] = [];
beforeAll(async () => {
  folder = await makeModel();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await service?.stop();
  service = null;
});
afterAll(() => removeFolder(folder));

async function start(options: Partial<ServiceOptions>): Promise<string> {
  service = await startService(folder, options);
  return service.url;
}

/** A client that writes what it is told, and what it was answered. */
async function dial(url: string): Promise<{ socket: Socket; answer: () => string }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  // A server that cuts off is what some tests wait for.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return { socket, answer: () => text };
}

const head = (path: string, bytes: number) =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`;

describe('who may train', () => {
  const upload = { train: 'x O\n', validation: 'x O\n', epochs: 1 };
  const everyRoute = (url: string, headers: Record<string, string>) =>
    Promise.all(
      [
        ['POST', '/jobs'],
        ['GET', '/jobs/x'],
        ['GET', '/jobs/x/events'],
        ['DELETE', '/jobs/x'],
      ].map(async ([method, path]) => (await fetch(`${url}${path}`, { method: method!, headers })).status),
    );

  it('is nobody, where nothing is said', async () => {
    const url = await start({ training: trainingAccess(undefined, false) });
    expect(await everyRoute(url, { authorization: 'Bearer anything' })).toEqual([403, 403, 403, 403]);
    expect((await post(`${url}/tag`, { text: 'Ann sings.' })).status).toBe(200);
  });

  it('is whoever shows the token', async () => {
    const token = 'a-token-of-some-length';
    const url = await start({ training: trainingAccess(token, false) });
    for (const headers of [
      {},
      { authorization: 'Bearer a-token-of-some-lengtX' },
      { authorization: token },
    ]) {
      expect(await everyRoute(url, headers)).toEqual([401, 401, 401, 401]);
    }
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const response = await fetch(`${url}/jobs`, { method: 'POST', headers, body: JSON.stringify(upload) });
    expect(response.status).toBe(202);
    expect(() => trainingAccess('short', false)).toThrow('at least 16');
  });

  it('is asked before a byte of an upload is read', async () => {
    const url = await start({ training: 'off' });
    const { socket, answer } = await dial(url);
    socket.write(head('/jobs', 30_000_000));
    await expect.poll(answer).toContain('403');
  });
});

describe('bodies', () => {
  it('that come together take no more than there is for them', async () => {
    const url = await start({});
    const before = process.memoryUsage().rss;
    const piece = Buffer.alloc(2 ** 20, 'x');
    const clients = await Promise.all(Array.from({ length: 60 }, () => dial(url)));
    for (const { socket } of clients) {
      socket.write(`${head('/jobs', 30_000_000)}{"train":"`);
      for (let n = 0; n < 12; n++) socket.write(piece);
    }
    await expect
      .poll(() => clients.filter(({ answer }) => answer().includes('503')).length, { timeout: 20_000 })
      .toBe(58);
    expect(clients.find(({ answer }) => answer() !== '')!.answer()).toContain('"BUSY"');
    // The sockets' own buffers, on both sides, are in this process.
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 2 ** 20);
    // Others are served all the while, and what they held is free again.
    expect((await post(`${url}/tag`, { text: 'Ann sings.' })).status).toBe(200);
    for (const { socket } of clients) socket.destroy();
    await expect.poll(async () => (await post(`${url}/jobs`, { train: 5 })).status).toBe(400);
  });

  it('that do not come are waited for no longer than the limit', async () => {
    const url = await start({ requestTimeoutMs: 400 });
    const { socket, answer } = await dial(url);
    socket.write(`${head('/tag', 1000)}{"text":`);
    const began = performance.now();
    await once(socket, 'close');
    expect(performance.now() - began).toBeLessThan(5000);
    expect(answer()).toContain('408');
  });
});

describe('a text', () => {
  it.each([
    ['of 50,000 words', { text: 'a '.repeat(50_000).trim() }],
    ['of 50,000 listed words', { words: new Array(50_000).fill('a') }],
    ['of 50,000 empty words', { words: new Array(50_000).fill('') }],
    ['of a script without spaces', { text: '山'.repeat(50_000) }],
    ['of one word that is endless', { text: 'ab'.repeat(50_000) }],
  ])('%s is refused at once', async (_, body) => {
    const url = await start({});
    const began = performance.now();
    const answer = await post(`${url}/tag`, body);
    expect([answer.status, answer.body.error.code]).toEqual([413, 'TOO_LARGE']);
    expect(performance.now() - began).toBeLessThan(2000);
  });
});

describe('an error', () => {
  it('does not send back what was sent', async () => {
    const url = await start({});
    const long = 'x'.repeat(500_000);
    const answers = [
      await post(`${url}/jobs`, { train: 'x O\n', validation: 'x O\n', freezing: long }),
      await post(`${url}/tag`, { text: 'x', [long]: 1 }),
      await post(`${url}/tag`, `{"text": ${long}`),
      await post(`${url}/tag`, { text: 'x', aggregation: long }),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(400);
      expect(JSON.stringify(body).length).toBeLessThan(1000);
    }
    const { body } = await post(`${url}/jobs`, {
      train: `${long} B-A\nx ${long}\n`,
      validation: conllText(task.validation),
    });
    const job = async () =>
      (await (await fetch(`${url}/jobs/${body.id}`)).json()) as { state: string; error?: object };
    await expect.poll(async () => (await job()).state).toBe('failed');
    expect(JSON.stringify(await job()).length).toBeLessThan(1000);
  });
});

describe('a stream of events', () => {
  it('waits for a client that does not read, and leaves it in the end', async () => {
    let sent = 0;
    let isOver = false;
    const app = fastify();
    app.get('/', async (_, reply) => {
      const events = async function* (): AsyncGenerator<JobEvent> {
        for (; ; sent++) yield { id: sent, type: 'step', data: { text: 'x'.repeat(1000) } };
      };
      await sendEvents(reply, (signal) => until(signal, events()), new AbortController().signal, 500);
      isOver = true;
    });
    await app.listen({ port: 0 });
    const socket = connect((app.server.address() as AddressInfo).port);
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.pause();
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    // What fits into the system's own buffers, some megabytes at most, and no more.
    await expect.poll(() => sent).toBeGreaterThan(10);
    await expect.poll(() => isOver, { timeout: 10_000 }).toBe(true);
    expect(sent).toBeLessThan(20_000);
    await app.close();
  });

  it('is refused where there are enough of them', async () => {
    const url = await start({ maxStreams: 1 });
    const endless = {
      train: conllText(task.train),
      validation: conllText(task.validation),
      epochs: 100,
      batchSize: 1,
    };
    const { body } = await post(`${url}/jobs`, endless);
    const leave = new AbortController();
    const first = await fetch(`${url}/jobs/${body.id}/events`, { signal: leave.signal });
    expect(first.status).toBe(200);
    const second = await fetch(`${url}/jobs/${body.id}/events`);
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '1']);
    leave.abort();
    await expect
      .poll(async () => {
        const again = await fetch(`${url}/jobs/${body.id}/events`);
        await again.body?.cancel();
        return again.status;
      })
      .toBe(200);
  });
});

async function* until<T>(signal: AbortSignal, items: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const item of items) {
    if (signal.aborted) return;
    yield item;
  }
}
