import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Tagger } from '../../src/index.js';
import {
  conllText,
  getJson,
  makeModel,
  post,
  type RunningService,
  removeFolder,
  type ServerEvent,
  serverEvents,
  startService,
  task,
} from './running-service.js';

let folder: string;
let service: RunningService;
const upload = {
  train: conllText(task.train),
  validation: conllText(task.validation),
  freezing: 'bottom-up:1',
  epochs: 2,
  learningRate: 1e-3,
};
/** Far longer than any test waits. */
const endless = { ...upload, epochs: 100, learningRate: 1e-9, batchSize: 1 };

beforeAll(async () => {
  folder = await makeModel();
});
afterAll(() => removeFolder(folder));
beforeEach(async () => {
  service = await startService(folder, { maxWaitingJobs: 1, maxKeptJobs: 2, maxJobBytes: 2 ** 20 });
});
afterEach(() => service.stop());

const startJob = (body: unknown) => post(`${service.url}/jobs`, body);
const show = (id: string) => getJson(`${service.url}/jobs/${id}`);
const cancel = (id: string) => fetch(`${service.url}/jobs/${id}`, { method: 'DELETE' });

async function eventsOf(id: string, headers: Record<string, string> = {}): Promise<Response> {
  const response = await fetch(`${service.url}/jobs/${id}/events`, { headers });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  return response;
}

async function allEvents(id: string, headers: Record<string, string> = {}): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of serverEvents(await eventsOf(id, headers))) events.push(event);
  return events;
}

/** Waits until the job has trained a step. */
async function untilItTrains(id: string): Promise<void> {
  for await (const { event } of serverEvents(await eventsOf(id))) if (event === 'step') return;
}

describe('a job', () => {
  it('trains, tells its progress, and leaves a model that tags', async () => {
    const { status, body } = await startJob(upload);
    expect(status).toBe(202);
    expect(body.state).toBe('queued');
    const events = await allEvents(body.id);
    expect(events.map(({ id }) => id)).toEqual(events.map((_, i) => i + 1));
    const states = events.filter(({ event }) => event === 'state').map(({ data }) => data.state);
    expect(states).toEqual(['queued', 'running', 'done']);
    const steps = events.filter(({ event }) => event === 'step');
    expect(steps.length).toBe(2 * Math.ceil(task.train.length / 32));
    expect(steps[0]!.data).toMatchObject({ step: 1, epoch: 1, totalSteps: steps.length });
    expect(events.filter(({ event }) => event === 'evaluation').length).toBe(2);
    const job = await show(body.id);
    expect(job).toMatchObject({ state: 'done', result: { split: 'validation', steps: steps.length } });
    expect(job.result.accuracy).toBeGreaterThan(0);
    const tagger = await Tagger.load(job.result.model, { threads: 1 });
    expect(tagger.labels.length).toBeGreaterThan(2);
    await tagger.dispose();
    expect(await readFile(join(job.result.model, 'README.md'), 'utf8')).toContain('`bottom-up:1`');
  });

  it('tells a client that comes back only what it missed', async () => {
    const { body } = await startJob(upload);
    const all = await allEvents(body.id);
    expect(await allEvents(body.id, { 'last-event-id': '5' })).toEqual(all.slice(5));
    expect(await allEvents(body.id, { 'last-event-id': `${all.length}` })).toEqual([]);
    expect(await allEvents(body.id, { 'last-event-id': 'nonsense' })).toEqual(all);
  });

  it('is cancelled on request, running or waiting, and once only', async () => {
    const first = (await startJob(endless)).body.id;
    await untilItTrains(first);
    const second = (await startJob(endless)).body.id;
    const full = await startJob(endless);
    expect([full.status, full.body.error.code]).toEqual([429, 'TOO_MANY_JOBS']);
    expect((await cancel(second)).status).toBe(202);
    expect((await show(second)).state).toBe('cancelled');
    const watching = allEvents(first);
    expect((await cancel(first)).status).toBe(202);
    expect((await watching).at(-1)).toMatchObject({ event: 'state', data: { state: 'cancelled' } });
    const again = await cancel(first);
    expect(again.status).toBe(409);
    expect(await again.json()).toMatchObject({ error: { code: 'JOB_IS_OVER' } });
    const third = (await startJob(upload)).body.id;
    expect((await allEvents(third)).at(-1)!.data.state).toBe('done');
  });

  it('goes on when a client that listens is killed', async () => {
    const { body } = await startJob(upload);
    const controller = new AbortController();
    const response = await fetch(`${service.url}/jobs/${body.id}/events`, { signal: controller.signal });
    const left = expect(async () => {
      for await (const _ of serverEvents(response)) controller.abort();
    }).rejects.toThrow();
    await left;
    expect((await allEvents(body.id)).at(-1)!.data.state).toBe('done');
  });

  it('fails with the line of the upload that is wrong', async () => {
    const train = 'Aya B-PER\nsings X-PER\n';
    const { body } = await startJob({ ...upload, train });
    const last = (await allEvents(body.id)).at(-1)!;
    expect(last.data).toMatchObject({ state: 'failed', error: { code: 'DATA_FORMAT' } });
    expect(last.data.error.message).toMatch(/^train:2/);
    expect(await show(body.id)).toMatchObject({ state: 'failed', error: last.data.error });
    const frozen = (await startJob({ ...upload, freezing: 'sideways' })).body.id;
    expect((await allEvents(frozen)).at(-1)!.data.error.code).toMatch(/^INVALID_/);
  });

  it.each([
    ['without validation', { train: 'x O\n' }, 400],
    ['with no epochs', { ...upload, epochs: 0 }, 400],
    ['with a misspelt field', { ...upload, epoch: 1 }, 400],
    ['with text for a number', { ...upload, epochs: '2' }, 400],
    ['that is too large', { ...upload, train: 'x O\n'.repeat(300_000) }, 413],
  ])('%s is refused', async (_, body, status) => {
    expect((await startJob(body)).status).toBe(status);
  });

  it('is forgotten with its model when enough others have ended', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      const { body } = await startJob({ ...upload, epochs: 1 });
      await allEvents(body.id);
      ids.push(body.id);
    }
    await expect.poll(async () => (await fetch(`${service.url}/jobs/${ids[0]}`)).status).toBe(404);
    expect((await show(ids[2]!)).state).toBe('done');
    await expect.poll(() => existsSync(join(folder, 'models', ids[0]!))).toBe(false);
    expect((await fetch(`${service.url}/jobs/nobody/events`)).status).toBe(404);
  });
});

describe('shutdown', () => {
  it('answers what is under way, cancels jobs, ends streams, and frees the port', async () => {
    const { body } = await startJob(endless);
    await untilItTrains(body.id);
    const watching = allEvents(body.id);
    // Long enough to be under way when the service is told to stop.
    const text = task.test
      .map(({ words }) => words.join(' '))
      .join(' ')
      .repeat(8);
    const tagging = Promise.all([1, 2, 3].map(() => post(`${service.url}/tag`, { text })));
    await expect.poll(() => service.tagger.stats.open, { interval: 1 }).toBe(3);
    const stopping = service.stop();
    expect(service.tagger.stats.open).toBe(3);
    expect((await tagging).map(({ status }) => status)).toEqual([200, 200, 200]);
    await stopping;
    expect((await watching).at(-1)!.data.state).toBe('cancelled');
    await expect(fetch(`${service.url}/health`)).rejects.toThrow();
    await expect(service.tagger.tag('x')).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});
