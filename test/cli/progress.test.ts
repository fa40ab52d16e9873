import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Output } from '../../src/cli/output.js';
import { formatSeconds, GridShare, gridProgress, trainingLine } from '../../src/cli/progress.js';
import type { GridEvent } from '../../src/experiment/run-grid.js';
import { runGrid } from '../../src/experiment/run-grid.js';
import { drain, fakeTrainer, fakeWorkspace } from '../experiment/fakes.js';

async function someEvents(): Promise<GridEvent[]> {
  const directory = await mkdtemp(join(tmpdir(), 'permafrost-'));
  try {
    const { runScenario } = fakeTrainer();
    const strategies = ['full', 'bottom-up:6'];
    return await drain(
      runGrid({ workspace: fakeWorkspace(), strategies, seeds: [42], directory, runScenario }),
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function capture(part: { json?: boolean; isTTY?: boolean }) {
  const [stdout, stderr] = [
    new PassThrough(),
    Object.assign(new PassThrough(), { isTTY: part.isTTY ?? false }),
  ];
  const output = new Output({ json: part.json ?? false, stdout, stderr });
  const text = (stream: PassThrough) => (stream.read() as Buffer | null)?.toString() ?? '';
  return { output, out: () => text(stdout), err: () => text(stderr) };
}

describe('the progress of a grid', () => {
  it('is one JSON object a line on standard output for programs, and nothing else', async () => {
    const events = await someEvents();
    const { output, out, err } = capture({ json: true });
    const progress = gridProgress(output);
    for (const event of events) progress.on(event);
    progress.stop();
    const lines = out().trimEnd().split('\n');
    const parsed = lines.map((line) => JSON.parse(line));
    expect(parsed.slice(0, -1)).toEqual(JSON.parse(JSON.stringify(events.slice(0, -1))));
    expect(parsed.at(-1)).toMatchObject({
      type: 'grid-done',
      records: [expect.any(String), expect.any(String)],
    });
    expect(err()).toBe('');
  });

  it('is plain lines on standard error in a log', async () => {
    const events = await someEvents();
    const { output, out, err } = capture({});
    const progress = gridProgress(output);
    for (const event of events) progress.on(event);
    progress.stop();
    const lines = err();
    expect(out()).toBe('');
    expect(lines).toContain('2 runs, 0 finished before, 2 to do');
    expect(lines).toContain('[2/2] full, seed 42: done');
    expect(lines).not.toContain('\u001b');
  });

  it('estimates the time left from the share that is done', async () => {
    let now = 0;
    const share = new GridShare(() => now);
    share.on({ type: 'grid-start', total: 6, todo: 4, finished: 2, directory: '' });
    expect(share.secondsLeft()).toBeNull();
    const done = (await someEvents()).find((event) => event.type === 'run-done')!;
    now = 10_000;
    share.on(done);
    expect(share.value).toBe(0.25);
    expect(share.secondsLeft()).toBeCloseTo(30);
    const step = {
      type: 'step',
      step: 5,
      totalSteps: 10,
      epoch: 1,
      loss: 1,
      gradNorm: 1,
      learningRate: 1,
      tokens: 1,
    } as const;
    share.on({ type: 'run-event', run: '', event: step });
    expect(share.value).toBe(0.375);
  });

  it('is complete where nothing was left to do', () => {
    const share = new GridShare(() => 0);
    share.on({ type: 'grid-start', total: 2, todo: 0, finished: 2, directory: '' });
    expect(share.value).toBe(1);
  });
});

describe('a duration', () => {
  it('has the units that fit it', () => {
    expect([8.4, 65, 3725].map(formatSeconds)).toEqual(['8 s', '1 min 05 s', '1 h 02 min']);
    expect(formatSeconds(59.7)).toBe('1 min 00 s');
  });
});

describe('the line about what learns', () => {
  const line = (freshParameters: number, freshLabels: string[] = []) =>
    trainingLine({
      type: 'freeze',
      stage: 1,
      step: 0,
      untilStep: 9,
      reason: 'bottom-up:1',
      epoch: 1,
      plan: { embeddings: true, layers: [true, false] },
      trainableParameters: 1200,
      totalParameters: 5000,
      freshParameters,
      freshLabels,
      frozenPrefix: 1,
      device: 'cuda:0',
    });

  it('says that a head starts afresh, where the rest comes from a checkpoint', () => {
    expect(line(90)).toBe(
      '1,200 of 5,000 parameters learn on cuda:0; the checkpoint has no such head: its 90 parameters start afresh',
    );
    expect(line(0)).toBe('1,200 of 5,000 parameters learn on cuda:0');
    expect(line(33, ['B-LOC', 'I-LOC'])).toMatch(/keeps its rows.*B-LOC, I-LOC start afresh/);
    expect(line(5000)).toBe('1,200 of 5,000 parameters learn on cuda:0');
  });
});
