import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunScenario } from '../../src/experiment/run.js';
import { type GridEvent, runGrid } from '../../src/experiment/run-grid.js';
import { drain, fakeTrainer, fakeWorkspace, meeting } from './fakes.js';

const strategies = ['bottom-up:0', 'bottom-up:6', 'top-down:6'];
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'permafrost-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function grid(runScenario: RunScenario, extra: object = {}): AsyncGenerator<GridEvent> {
  return runGrid({ workspace: fakeWorkspace(), strategies, seeds: [1, 2], directory, runScenario, ...extra });
}

const types = (events: GridEvent[]) => events.map((event) => event.type);

describe('a grid', () => {
  it('runs every scenario with every seed and reports each', async () => {
    const { runScenario, calls } = fakeTrainer();
    const events = await drain(grid(runScenario));
    expect(calls).toEqual([
      'bottom-up:6/1',
      'bottom-up:0/1',
      'top-down:6/1',
      'bottom-up:6/2',
      'bottom-up:0/2',
      'top-down:6/2',
    ]);
    expect(types(events)).toEqual([
      'grid-start',
      ...Array(6).fill(['run-start', 'run-event', 'run-done']).flat(),
      'grid-done',
    ]);
    expect(events[0]).toMatchObject({ total: 6, todo: 6, finished: 0 });
    expect(events[4]).toMatchObject({ strategy: 'bottom-up:0', seed: 1, index: 2, total: 6 });
    expect(events.at(-1)).toMatchObject({ records: Array(6).fill(expect.any(Object)) });
  });

  it('that failed in the middle goes on there and repeats nothing', async () => {
    const broken = fakeTrainer((_, call) => {
      if (call === 4) throw new Error('power cut');
    });
    await expect(drain(grid(broken.runScenario))).rejects.toThrow('power cut');
    const again = fakeTrainer();
    const events = await drain(grid(again.runScenario));
    expect(again.calls).toEqual(['bottom-up:6/2', 'bottom-up:0/2', 'top-down:6/2']);
    expect(types(events).slice(0, 4)).toEqual(['grid-start', 'run-skipped', 'run-skipped', 'run-skipped']);
    expect(events[0]).toMatchObject({ total: 6, todo: 3, finished: 3 });
  });

  it('ends with the same records whether it was interrupted or not', async () => {
    const broken = fakeTrainer((_, call) => {
      if (call === 3) throw new Error('power cut');
    });
    await drain(grid(broken.runScenario)).catch(() => undefined);
    const resumed = (await drain(grid(fakeTrainer().runScenario))).at(-1);
    const whole = (await drain(grid(fakeTrainer().runScenario, { directory: join(directory, 'other') }))).at(
      -1,
    );
    expect(resumed).toMatchObject({ type: 'grid-done' });
    expect((resumed as { records: unknown }).records).toEqual((whole as { records: unknown }).records);
  });

  it('trains only what is new where seeds or strategies are added', async () => {
    await drain(grid(fakeTrainer().runScenario));
    const more = fakeTrainer();
    await drain(grid(more.runScenario, { strategies: [...strategies, 'interleaved'], seeds: [1, 2, 3] }));
    expect(more.calls).toEqual([
      'interleaved/1',
      'interleaved/2',
      'bottom-up:6/3',
      'bottom-up:0/3',
      'top-down:6/3',
      'interleaved/3',
    ]);
  });

  it('begins anew with restart', async () => {
    await drain(grid(fakeTrainer().runScenario));
    const again = fakeTrainer();
    await drain(grid(again.runScenario, { restart: true }));
    expect(again.calls).toHaveLength(6);
  });

  it('stops on abort with the reason, keeps what is finished and frees the directory', async () => {
    const controller = new AbortController();
    const trainer = fakeTrainer((_, call) => {
      if (call === 2) controller.abort(new Error('enough'));
    });
    await expect(drain(grid(trainer.runScenario, { signal: controller.signal }))).rejects.toThrow('enough');
    expect(trainer.calls).toHaveLength(2);
    const index = (await readFile(join(directory, 'grid.jsonl'), 'utf8')).trim().split('\n');
    expect(index).toHaveLength(2);
    expect(await readdir(directory)).not.toContain('grid.lock');
  });

  it('that others take part in does every run once, and tells what they do', async () => {
    const workers = [fakeTrainer(), fakeTrainer()];
    const trainers = meeting(workers.map(({ runScenario }) => runScenario));
    const [first, second] = await Promise.all(trainers.map((runScenario) => drain(grid(runScenario))));
    const calls = workers.flatMap((worker) => worker.calls);
    expect(new Set(calls).size).toBe(6);
    expect(calls).toHaveLength(6);
    const done = (events: GridEvent[]) =>
      events.flatMap((event) =>
        event.type === 'run-done' || event.type === 'run-found' || event.type === 'run-skipped'
          ? [event.record.run]
          : [],
      );
    expect(new Set(done(first!))).toEqual(new Set(done(second!)));
    const elsewhere = [...first!, ...second!].filter(({ type }) => type === 'run-elsewhere');
    expect(elsewhere[0]).toMatchObject({ worker: { pid: process.pid }, total: 6 });
    expect(first!.at(-1)).toMatchObject({ records: (second!.at(-1) as { records: object[] }).records });
  }, 60_000);

  it('ends the running training where the consumer stops', async () => {
    let isDisposed = false;
    const runScenario: RunScenario = async function* (options) {
      try {
        return yield* fakeTrainer().runScenario(options);
      } finally {
        isDisposed = true;
      }
    };
    for await (const event of grid(runScenario)) if (event.type === 'run-event') break;
    expect(isDisposed).toBe(true);
    expect(await readdir(directory)).not.toContain('grid.lock');
  });

  it('refuses a strategy that does not fit the model before anything runs', async () => {
    const { runScenario, calls } = fakeTrainer();
    await expect(drain(grid(runScenario, { strategies: ['bottom-up:13'] }))).rejects.toMatchObject({
      code: 'INVALID_PLAN',
    });
    expect(calls).toEqual([]);
  });
});
