import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Output } from '../../src/cli/output.js';
import { frozenText } from '../../src/cli/progress/evaluation-rows.js';
import { formatSeconds } from '../../src/cli/progress/grid-view.js';
import { clockText, shortNumber } from '../../src/cli/progress/live-line.js';
import { checkpointTexts, freezeText, RunView, Screen } from '../../src/cli/progress/run-view.js';
import { showGrid } from '../../src/cli/progress/show.js';
import { GridCourse, RunCourse } from '../../src/cli/progress/time-left.js';
import { computeMetrics } from '../../src/entries/metrics.js';
import type { MetricsLine } from '../../src/entries/training.js';
import type { GridEvent } from '../../src/experiment/run-grid.js';
import { runGrid } from '../../src/experiment/run-grid.js';
import { parseFreezing, type TrainingEvent } from '../../src/index.js';
import { drain, fakeTrainer, fakeWorkspace } from '../experiment/fakes.js';
import { Terminal } from '../helpers/terminal.js';

const ESCAPE = '\u001b';

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

async function* streamOf<Event>(events: readonly Event[]): AsyncGenerator<Event, void> {
  yield* events;
}

function capture(part: { json?: boolean } = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const output = new Output({ json: part.json ?? false, stdout, stderr });
  const text = (stream: PassThrough) => (stream.read() as Buffer | null)?.toString() ?? '';
  return { output, out: () => text(stdout), err: () => text(stderr) };
}

function onTerminal(columns: number, env: NodeJS.ProcessEnv = {}) {
  const terminal = new Terminal(columns);
  return { terminal, output: new Output({ json: false, stdout: new PassThrough(), stderr: terminal, env }) };
}

const step = (number: number, time: number, rest: Partial<MetricsLine> = {}): MetricsLine =>
  ({
    ...{ type: 'step', time, epoch: 1, step: number, totalSteps: 400, loss: 0.123456, learningRate: 2.14e-5 },
    ...{ gradNorm: 1, tokens: number * 600, tokensPerSecond: 12_345 },
    ...rest,
  }) as MetricsLine;

const metrics = computeMetrics([['B-PER', 'O', 'B-LOC']], [['B-PER', 'O', 'O']]);
const evaluation = (number: number, time: number, best: boolean, epoch = 1): MetricsLine => ({
  ...{ type: 'evaluation', time, epoch, step: number, split: 'validation', loss: 0.2, best },
  ...{ score: metrics.macro.f1, seconds: 2, metrics },
});
const stage: MetricsLine = {
  ...{ type: 'stage', time: 1, epoch: 1, step: 0, stage: 1, reason: 'bottom-up:6', device: 'cpu' },
  ...{ plan: parseFreezing('bottom-up:6').start(12).plan, trainableParameters: 1, totalParameters: 2 },
};
const epoch = (number: number, time: number): MetricsLine => ({
  ...{ type: 'epoch', time, epoch: number, step: 100 * number, trainLoss: 0.5, trainSeconds: 10 },
  ...{ tokens: 1, tokensPerSecond: 1 },
});

/** A run of 400 steps at ten a second, of which so many are done. */
function* someLines(steps: number): Generator<MetricsLine> {
  yield stage;
  for (let i = 1; i <= steps; i++) yield step(i, 1000 + i / 10, { epoch: Math.ceil(i / 100) });
}

describe('the progress of a grid', () => {
  it('is one JSON object a line on standard output for programs, and nothing else', async () => {
    const events = await someEvents();
    const { output, out, err } = capture({ json: true });
    await showGrid(output, streamOf(events));
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
    const { output, out, err } = capture();
    await showGrid(output, streamOf(events));
    const lines = err();
    expect(out()).toBe('');
    expect(lines).toContain('2 runs, 0 finished before, 2 to do');
    expect(lines).toContain('[2/2] full, seed 42: done');
    expect(lines).not.toContain(ESCAPE);
  });

  it('leaves the same lines on a terminal, and nothing of the live one', async () => {
    const events = await someEvents();
    const { output, err } = capture();
    await showGrid(output, streamOf(events));
    const { terminal, output: live } = onTerminal(100);
    await showGrid(live, streamOf(events));
    expect(terminal.written).toContain('━');
    expect(`${terminal.screen.join('\n')}`).toBe(err());
  });

  it('takes as long still as its runs took so far', async () => {
    let now = 0;
    const grid = new GridCourse(4, () => now);
    expect(grid.secondsLeft).toBeNull();
    const first = new RunCourse();
    grid.begin(first);
    for (const line of someLines(100)) first.on(line);
    now = 10;
    // 30 s of this run, and three more of 40 s.
    expect(grid.secondsLeft).toBeCloseTo(30 + 3 * 40, 0);
    expect(grid.share).toBeCloseTo(0.0625);
    now = 50;
    grid.end();
    expect([grid.share, grid.secondsLeft]).toEqual([0.25, 150]);
    expect(new GridCourse(0, () => 0).share).toBe(1);
  });
});

describe('the time left of a run', () => {
  it('follows the pace of late, evaluations included', () => {
    const course = new RunCourse();
    for (const line of someLines(100)) course.on(line);
    expect(course.secondsLeft).toBeCloseTo(30, 1);
    course.on(evaluation(100, 1015, true));
    // Five seconds without a step, then steps twice as fast.
    for (let i = 101; i <= 200; i++) course.on(step(i, 1015 + (i - 100) / 20));
    const pause = (5 / 199) * 200;
    expect(course.secondsLeft! - pause).toBeGreaterThan(9.9);
    expect(course.secondsLeft! - pause).toBeLessThan(17);
    expect(course.share).toBe(0.5);
  });

  it('is not known before two steps, nor of what a run did before it went on', () => {
    const course = new RunCourse();
    expect(course.secondsLeft).toBeNull();
    course.on(step(300, 5000));
    expect(course.secondsLeft).toBeNull();
    course.on(step(301, 5001));
    expect(course.secondsLeft).toBeCloseTo(99);
  });
});

describe('the live line', () => {
  const shown = (columns: number) => {
    const { terminal, output } = onTerminal(columns);
    const view = new RunView(new Screen(output), { label: 'full, seed 42', place: '[2/15]' });
    for (const line of someLines(100)) view.on(line);
    view.on(evaluation(100, 1012, true));
    view.on(step(101, 1012.1, { epoch: 2 }));
    view.note('a line above');
    return terminal.screen.at(-1)!;
  };

  it('has loss, rate, tokens a second, score and time left from 60 columns on', () => {
    expect(shown(60)).toMatch(/^loss 0\.1235 {2}lr 2\.1e-5 {2}12\.3k tok\/s {2}F1 0\.\d{4} {2}ETA \d:\d\d$/);
    expect(shown(120)).toMatch(
      /^━+─+ {3}25% {2}\[2\/15\] {2}epoch 2 {2}step 101\/400 {2}loss .* F1 .* ETA \d:\d\d$/,
    );
  });

  it.each([8, 10, 20, 30, 40, 50, 59, 60, 61, 80, 120, 200])(
    'keeps the time left at %i columns',
    (columns) => {
      const line = shown(columns);
      expect(line).toMatch(/(^| {2})ETA \d:\d\d$/);
      if (columns > 10) expect(line.length).toBeLessThan(columns);
      if (columns >= 60) for (const part of ['loss', 'lr', 'tok/s', 'F1']) expect(line).toContain(part);
    },
  );

  it('is drawn anew for the width that a terminal takes, with nothing left of the old one', () => {
    const { terminal, output } = onTerminal(100);
    output.note('above');
    const view = new RunView(new Screen(output), { label: 'full' });
    for (const line of someLines(50)) view.on(line);
    view.note('steps');
    for (const columns of [60, 30, 120]) {
      terminal.resize(columns);
      expect(terminal.screen.slice(0, 2)).toEqual(['above', 'full: steps']);
      expect(terminal.screen).toHaveLength(3);
      expect(terminal.screen[2]).toMatch(/ETA \d:\d\d$/);
    }
    output.status(null);
    expect(terminal.screen).toEqual(['above', 'full: steps', '']);
    expect(terminal.listenerCount('resize')).toBe(0);
  });

  it('is drawn as often as eyes can follow, and at last with what came last', async () => {
    const { terminal, output } = onTerminal(80);
    for (let i = 0; i <= 1000; i++) output.status(() => `state ${i}`);
    expect(terminal.written.length).toBeLessThan(500);
    await sleep(200);
    expect(terminal.screen).toEqual(['state 1000']);
    output.status(null);
  });

  it('is not there where a terminal can do nothing, and has no styles where they are not wanted', () => {
    expect(onTerminal(80, { TERM: 'dumb' }).output.mode).toBe('plain');
    expect(onTerminal(80, { NO_COLOR: '1' }).output.styled('bold', 'best')).toBe('best');
    expect(onTerminal(80, { NO_COLOR: '' }).output.styled('bold', 'best')).toContain(ESCAPE);
    expect(capture().output.styled('bold', 'best')).toBe('best');
  });
});

describe('the finished lines of evaluations', () => {
  function rowsOn(output: Output): void {
    const view = new RunView(new Screen(output), { label: 'bottom-up:6, seed 42' });
    for (const line of someLines(100)) view.on(line);
    view.on(epoch(1, 1010));
    view.on(evaluation(100, 1012, true));
    for (let i = 101; i <= 150; i++) view.on(step(i, 1012 + i / 10, { epoch: 2, loss: 12.5 }));
    view.on(evaluation(150, 1040, false, 2));
    output.status(null);
  }

  it('stand below a head with losses, scores, the best one and what is frozen', () => {
    const { output, err } = capture();
    rowsOn(output);
    const lines = err()
      .trimEnd()
      .split('\n')
      .filter((line) => !line.includes('ETA'));
    expect(lines).toEqual([
      'bottom-up:6, seed 42:',
      'epoch     step    loss  val loss  macro F1  entity F1  accuracy          val s  frozen',
      '    1      100  0.5000    0.2000    0.5556     0.6667    0.6667  best      2.0  emb+0-5',
      '    2      150  12.500    0.2000    0.5556     0.6667    0.6667            2.0  emb+0-5',
    ]);
    expect(err()).toBe('');
  });

  it('are aligned in any width, with the most important columns', () => {
    for (const columns of [40, 60, 80, 100]) {
      const { terminal, output } = onTerminal(columns);
      rowsOn(output);
      const [, head, first, second] = terminal.screen;
      for (const line of [head, first, second]) expect(line!.length).toBeLessThan(columns);
      for (const name of columns < 60 ? ['loss', 'macro F1'] : ['loss', 'macro F1', 'entity F1']) {
        const end = head!.indexOf(name) + name.length;
        expect(first!.slice(0, end)).toMatch(/\S$/);
        expect(first!.slice(end)).toMatch(/^( {2}|$)/);
      }
      if (columns >= 60) expect(first).toMatch(/best {2}emb\+0-5$|best +2\.0 {2}emb\+0-5$/);
      expect(second).not.toContain('best');
    }
  });

  it('name the run again where another one said something between', () => {
    const { output, err } = capture();
    const screen = new Screen(output);
    const [one, other] = ['one', 'other'].map((label) => new RunView(screen, { label }));
    one!.on(evaluation(1, 1, true));
    other!.on(evaluation(1, 2, true));
    other!.on(evaluation(2, 3, true));
    one!.on(evaluation(2, 4, false));
    const names = err()
      .split('\n')
      .filter((line) => line.endsWith(':'));
    expect(names).toEqual(['one:', 'other:', 'one:']);
  });

  it('say what is frozen in few characters', () => {
    const text = (notation: string) => frozenText(parseFreezing(notation).start(12).plan);
    expect(['full', 'bottom-up:0', 'bottom-up:6', 'bottom-up:12'].map(text)).toEqual([
      'none',
      'emb',
      'emb+0-5',
      'emb+all',
    ]);
    expect(text('interleaved')).toBe('emb+1+3+5+7+9+11');
    expect(text('only:bias=all')).toBe('parts');
  });
});

describe('a log', () => {
  it('tells now and then how far a long epoch has come', () => {
    const { output, err } = capture();
    const view = new RunView(new Screen(output), { label: '[1/2] full, seed 42', place: '[1/2]' });
    for (let i = 1; i <= 100; i++) view.on(step(i, 1000 + i));
    const lines = err().trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe(
      '[1/2] full, seed 42: epoch 1  step 31/400  loss 0.1235  lr 2.1e-5  12.3k tok/s  ETA 6:09',
    );
  });
});

describe('a number', () => {
  it('has the units that fit it', () => {
    expect([8.4, 65, 3725].map(formatSeconds)).toEqual(['8 s', '1 min 05 s', '1 h 02 min']);
    expect(formatSeconds(59.7)).toBe('1 min 00 s');
    expect([0, 8.4, 65, 3725, 47 * 3600, 50 * 3600].map(clockText)).toEqual([
      ...['0:00', '0:08', '1:05', '1:02:05', '47:00:00', '2 d 02 h'],
    ]);
    expect([0, 950, 999.6, 12_345, 99_950, 999_600, 1_234_567].map(shortNumber)).toEqual([
      ...['0', '950', '1.0k', '12.3k', '100k', '1.0M', '1.2M'],
    ]);
  });
});

describe('the line about what learns', () => {
  const counts = { trainableParameters: 1200, totalParameters: 5000 };

  it('says where, and of later stages why', () => {
    const event = { stage: 1, reason: 'bottom-up:1', ...counts, device: 'cuda:0' };
    expect(freezeText(event)).toBe('1,200 of 5,000 parameters learn on cuda:0');
    expect(freezeText({ ...event, stage: 2, reason: 'no rise' })).toBe(
      'stage 2 (no rise): 1,200 of 5,000 parameters learn',
    );
  });

  it('stands below what a checkpoint lacks', () => {
    const fresh = (freshParameters: number, freshLabels: string[] = []) =>
      checkpointTexts({ ...counts, freshParameters, freshLabels });
    expect(fresh(90)).toEqual(['the checkpoint has no such head: its 90 parameters start afresh']);
    expect(fresh(0)).toEqual([]);
    expect(fresh(33, ['B-LOC', 'I-LOC'])).toEqual([
      expect.stringMatching(/keeps its rows.*B-LOC, I-LOC start afresh/),
    ]);
    expect(fresh(5000)).toEqual([]);
  });

  it('comes without what the runs before it said of the same checkpoint', async () => {
    const events = await someEvents();
    const freeze: TrainingEvent = {
      type: 'freeze',
      stage: 1,
      epoch: 1,
      step: 0,
      untilStep: 10,
      plan: parseFreezing('full').start(1).plan,
      reason: 'full',
      ...counts,
      freshParameters: 9,
      freshLabels: [],
      frozenPrefix: -1,
      unused: ['pooler.weight'],
      device: 'cpu',
    };
    const lacking = events.flatMap((event): GridEvent[] => {
      if (event.type !== 'run-start') return [event];
      return [event, { ...event, type: 'run-event', event: freeze }];
    });
    const { output, err } = capture();
    await showGrid(output, streamOf(lacking));
    const told = err();
    expect(told.match(/parameters learn/g)).toHaveLength(2);
    expect(told.match(/pooler\.weight/g)).toHaveLength(1);
    expect(told.match(/no such head: its 9 parameters/g)).toHaveLength(1);
  });
});
