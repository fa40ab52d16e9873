import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { parseDevices } from '../../src/cli/devices.js';
import { AlreadyReported, Interrupted } from '../../src/cli/failure.js';
import { Output } from '../../src/cli/output.js';
import {
  BEGUN,
  type CommandProcess,
  coresEach,
  type SupervisionOptions,
  supervise,
  withOption,
  withoutOption,
} from '../../src/cli/processes.js';
import { thrownBy } from '../helpers/thrown.js';

const folder = mkdtempSync(join(tmpdir(), 'permafrost-processes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A process that does one thing after another, as its arguments say, and notes each in a file. */
const program = join(folder, 'program.mjs');
writeFileSync(
  program,
  `
import { appendFileSync, existsSync } from 'node:fs';
const [log, ...steps] = process.argv.slice(2);
const note = (what) => appendFileSync(log, what + '\\n');
for (const step of steps) {
  const [verb, value] = step.split('=');
  if (verb === 'say') console.error(value);
  if (verb === 'note') note(value);
  if (verb === 'begin') process.send('${BEGUN}');
  if (verb === 'deaf') process.on('SIGTERM', () => note('SIGTERM'));
  if (verb === 'obey') for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { note(signal); setTimeout(() => process.exit(1), 100); });
  if (verb === 'await') while (!existsSync(value)) await new Promise((settle) => setTimeout(settle, 5));
  if (verb === 'hang') await new Promise((settle) => setTimeout(settle, 60_000));
  if (verb === 'die') process.kill(process.pid, 'SIGKILL');
  if (verb === 'exit') process.exit(Number(value));
}
`,
);

let runs = 0;
/** Supervises processes by their steps. */
async function supervised(
  steps: readonly string[][],
  options: Partial<SupervisionOptions> = {},
): Promise<{ said: string; error: unknown; logs: string[] }> {
  const run = ++runs;
  const stderr = new PassThrough();
  const output = new Output({ json: false, stderr, stdout: new PassThrough() });
  const processes = steps.map(
    (own, index): CommandProcess => ({ name: `rank ${index}`, args: [log(run, index), ...own] }),
  );
  let error: unknown = null;
  const signal = new AbortController().signal;
  await supervise({ processes, graceMs: 200, output, signal, program, ...options }).catch((reason) => {
    error = reason;
  });
  const logs = steps.map((_, index) => {
    try {
      return readFileSync(log(run, index), 'utf8').trimEnd().replaceAll('\n', ' ');
    } catch {
      return '';
    }
  });
  return { said: String(stderr.read() ?? ''), error, logs };
}
const log = (run: number, index: number) => join(folder, `${run}-${index}.log`);

describe('several processes of the command line', () => {
  it('end well where all do', async () => {
    const { said, error, logs } = await supervised([['note=a'], ['note=b', 'say=whatever']]);
    expect({ said, error, logs }).toEqual({ said: '', error: null, logs: ['a', 'b'] });
  });

  it('end where one fails, which is named with what it said last', async () => {
    const started = performance.now();
    const { said, error, logs } = await supervised([
      ['obey', 'hang'],
      ['deaf', 'note=deaf', 'hang'],
      [`await=${log(runs + 1, 1)}`, 'say=out of luck', 'exit=3'],
    ]);
    expect(error).toMatchObject({ exitCode: 1 });
    expect(said).toMatch(
      /^error: rank 2 \(process \d+\) ended with exit code 3\. Its last lines:\n\[rank 2\] out of luck\n$/,
    );
    // Asked, and killed where it does not listen.
    expect(logs[1]).toBe('deaf SIGTERM');
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('name the one that was killed, or failed by itself, not those that tell of it', async () => {
    const victim = ['say=error [RANK_FAILED]: rank 2 is gone', 'exit=1'];
    const after = [`await=${log(runs + 1, 1)}`];
    const killed = await supervised([['exit=1'], ['note=x', ...victim], [...after, 'die']], {
      graceMs: null,
    });
    expect(killed.said).toMatch(/^error: rank 2 \(process \d+\) was killed by SIGKILL and said nothing\n$/);
    const failed = await supervised([['exit=1'], victim, ['say=no number', 'exit=1']], { graceMs: null });
    expect(failed.said).toMatch(/^error: rank 2 .*\n\[rank 2\] no number\n$/);
  });

  it('are told of a signal once each, have the time that they need, and end with its reason', async () => {
    const controller = new AbortController();
    const ends = supervised(
      [
        ['obey', 'note=up', 'hang'],
        ['obey', 'note=up', 'hang'],
      ],
      {
        signal: controller.signal,
        graceMs: 0,
      },
    );
    const isUp = (index: number) => {
      try {
        return readFileSync(log(runs, index), 'utf8').includes('up');
      } catch {
        return false;
      }
    };
    while (!isUp(0) || !isUp(1)) await sleep(10);
    controller.abort(new Interrupted('SIGINT'));
    const { error, logs } = await ends;
    expect(error).toBe(controller.signal.reason);
    expect(logs).toEqual(['up SIGINT', 'up SIGINT']);
  });

  it('begin in turn where the first is to prepare something, and not at all where it cannot', async () => {
    const next = runs + 1;
    const good = await supervised(
      [
        ['note=first', 'begin'],
        [`await=${log(next, 0)}`, 'note=second'],
      ],
      { inTurn: true },
    );
    expect(good).toMatchObject({ error: null, logs: ['first', 'second'] });
    const bad = await supervised([['exit=2'], ['note=second']], { inTurn: true });
    expect(bad).toMatchObject({ said: '', logs: ['', ''] });
    expect(bad.error).toBeInstanceOf(AlreadyReported);
    expect(bad.error).toMatchObject({ exitCode: 2 });
  });
});

describe('the arguments of each', () => {
  it('keep what the user gave', () => {
    expect(withOption(['train', '--seed', '1'], '--threads', '2')).toEqual([
      'train',
      '--seed',
      '1',
      '--threads',
      '2',
    ]);
    for (const given of [['--threads', '8'], ['--threads=8']]) {
      expect(withOption(['train', ...given], '--threads', '2')).toEqual(['train', ...given]);
    }
    const without = (...args: string[]) => withoutOption(args, '--devices', true);
    expect(without('paper', '--devices', 'all', '--seed', '1')).toEqual(['paper', '--seed', '1']);
    expect(without('paper', '--devices=all', '--seed=1')).toEqual(['paper', '--seed=1']);
    expect(withoutOption(['paper', '--restart', '--out', 'x'], '--restart', false)).toEqual([
      'paper',
      '--out',
      'x',
    ]);
  });

  it('name devices, and share the cores', async () => {
    expect(parseDevices('cuda:0, cuda:1')).toEqual(['cuda:0', 'cuda:1']);
    expect(parseDevices('cpu,cpu')).toEqual(['cpu', 'cpu']);
    for (const text of ['gpu', 'cuda:0,,', '0,1']) {
      expect(await thrownBy(() => parseDevices(text))).toMatchObject({ code: 'INVALID_OPTION' });
    }
    expect(coresEach(1)).toBeGreaterThanOrEqual(1);
    expect(coresEach(10_000)).toBe(1);
  });
});
