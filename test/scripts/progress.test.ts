import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';

interface Steps {
  read(line: string): boolean;
  text(elapsedMs: number): string;
}
interface Progress {
  buildSteps(makeSteps: number): Steps;
  timeLeftText(elapsedMs: number, done: number, total: number): string;
  runShown(what: string, command: string, args: string[], options: object): Promise<number>;
}
const { buildSteps, runShown, timeLeftText } = (await import(
  '../../scripts/progress.mjs' as string
)) as Progress;

/** Keeps what is written; a log unless said otherwise. */
function recorder(isTTY = false) {
  const written: { text: string; at: number }[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      written.push({ text: String(chunk), at: performance.now() });
      done();
    },
  });
  return { written, stream: Object.assign(stream, { isTTY, columns: 40 }) };
}

const node = (program: string, options: object) =>
  runShown('building the engine', process.execPath, ['-e', program], options);

describe('buildSteps', () => {
  it('reads the steps of ninja', () => {
    const steps = buildSteps(0);
    expect(steps.read('[31/76] Building CXX object native/model/layer.cc.o')).toBe(true);
    expect(steps.text(62_000)).toBe('31 of 76 steps, about 2 minutes left');
  });

  it('counts the steps of make, which names one when it begins', () => {
    const steps = buildSteps(10);
    for (const line of ['[ 10%] Building CXX object a.cc.o', '[ 20%] Building CXX object b.cc.o']) {
      expect(steps.read(line)).toBe(true);
    }
    expect(steps.read('[100%] Built target permafrost_core')).toBe(true);
    expect(steps.text(30_000)).toBe('2 of 10 steps, about 2 minutes left');
  });

  it('leaves what a compiler says alone', () => {
    expect(buildSteps(10).read("layer.cc:3:1: error: expected ';' before '}' token")).toBe(false);
  });

  it.each([
    [10_000, 1, 100, ''],
    [60_000, 50, 100, 'about 1 minute left'],
    [60_000, 90, 100, 'less than a minute left'],
    [120_000, 10, 100, 'about 18 minutes left'],
  ])('says after %d ms and %d of %d steps: %s', (elapsed, done, total, text) => {
    expect(timeLeftText(elapsed, done, total)).toBe(text);
  });
});

describe('runShown', () => {
  it('shows what a program says, but not its steps, and what it failed with', async () => {
    const { written, stream } = recorder();
    const program = `console.log('[1/2] Building a'); console.error('a.cc: error'); process.exitCode = 3`;
    const failure = node(program, { stream, steps: buildSteps(0) });
    await expect(failure).rejects.toThrow(/ended with exit code 3/);
    expect(written.map(({ text }) => text).join('')).toBe('a.cc: error\n');
  });

  it('says in a log how far a silent program is, again and again', async () => {
    const { written, stream } = recorder();
    await node('setTimeout(() => {}, 250)', { stream, intervalMs: 50 });
    expect(written.length).toBeGreaterThanOrEqual(2);
    expect(written[0]!.text).toBe('permafrost: building the engine: 0 s\n');
  });

  it('keeps to one line of a terminal, which it clears', async () => {
    const { written, stream } = recorder(true);
    await node(`console.log('[1/2] Building a'); setTimeout(() => {}, 250)`, {
      stream,
      steps: buildSteps(0),
      intervalMs: 50,
    });
    const text = written.map((part) => part.text).join('');
    expect(text).toContain('\rpermafrost: building the engine: 1 of '.replace('\r', '\r\x1b[K'));
    expect(text).not.toContain('\n');
    expect(text.endsWith('\r\x1b[K')).toBe(true);
    for (const line of text.split('\r\x1b[K')) expect(line.length).toBeLessThan(40);
  });

  it('ends what it started, and what that started, when it is ended itself', async () => {
    const program = `
      const { runShown } = await import('./scripts/progress.mjs');
      await runShown('waiting', 'sh', ['-c', 'sleep 60 & echo there; wait']);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await once(child.stderr, 'data');
    child.kill('SIGTERM');
    // It closes when the last of them has let go of its output.
    const [code] = await once(child, 'close');
    expect(code).toBe(1);
  }, 30_000);
});
