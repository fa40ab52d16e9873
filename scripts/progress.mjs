// Runs the programs of an installation so that nobody waits in the dark: what goes on and how far it is, every second in
// one line of a terminal, every five seconds as a line of a log.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PROJECT_ROOT } from './toolchain.mjs';

const TERMINAL_INTERVAL_MS = 1000;
const LOG_INTERVAL_MS = 5000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
// Before that a guess at the time left would be worth nothing.
const SMALLEST_SHARE = 0.03;

/** `2 min 5 s`, `12 s` */
export function durationText(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** The time left at the pace so far; empty as long as there is nothing to go by. */
export function timeLeftText(elapsedMs, done, total) {
  if (done < SMALLEST_SHARE * total || done === 0) return '';
  const minutes = (elapsedMs * (total - done)) / done / 60_000;
  if (minutes < 0.75) return 'less than a minute left';
  const rounded = Math.round(minutes);
  return `about ${rounded} minute${rounded === 1 ? '' : 's'} left`;
}

/**
 * Reads how far a build is from the lines that ninja (`[31/76] Building …`) and make (`[ 41%] Building …`) print.
 *
 * @param {number} makeSteps number of steps, which make does not tell
 * @returns {{ read(line: string): boolean, text(elapsedMs: number): string }} `read` says whether a line was one of
 *   these
 */
export function buildSteps(makeSteps) {
  let done = 0;
  let total = makeSteps;
  return {
    read(line) {
      const ninja = /^\[(\d+)\/(\d+)\] /.exec(line);
      if (ninja) {
        done = Number(ninja[1]);
        total = Number(ninja[2]);
        return true;
      }
      const make = /^\[ *\d+%\] (\w+)/.exec(line);
      if (make === null) return /^(ninja: |Scanning dependencies|Consolidate compiler)/.test(line);
      // Make names a step when it begins: the one named before it is done.
      if (make[1] !== 'Built') done = Math.min(done + 1, total - 1);
      return true;
    },
    text(elapsedMs) {
      if (total === 0) return '';
      const left = timeLeftText(elapsedMs, done, total);
      return `${done} of ${total} steps${left === '' ? '' : `, ${left}`}`;
    },
  };
}

/**
 * Runs a program in the project's root. Its output is shown, except for lines that `steps` takes for progress.
 *
 * @param {string} what said of it, such as `building the engine`
 * @param {{ env?: NodeJS.ProcessEnv, steps?: ReturnType<typeof buildSteps>, quiet?: boolean,
 *   stream?: NodeJS.WriteStream, intervalMs?: number }} [options] `quiet`: what it prints to stdout is not shown
 * @throws where it fails, once all of its output is shown
 */
export async function runShown(what, command, args, options = {}) {
  const { env, steps, quiet = false, stream = process.stderr } = options;
  const started = performance.now();
  const isTerminal = stream.isTTY === true;
  const { intervalMs = isTerminal ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS } = options;
  const clear = () => isTerminal && stream.write('\r\x1b[K');
  const tell = () => {
    const elapsed = performance.now() - started;
    const progress = steps?.text(elapsed) ?? '';
    const text = `permafrost: ${what}: ${progress === '' ? durationText(elapsed) : progress}`;
    stream.write(isTerminal ? `\r\x1b[K${text.slice(0, (stream.columns ?? 80) - 1)}` : `${text}\n`);
  };
  // A group of its own: cmake does not hand signals on to the compilers.
  const child = spawn(command, args, {
    cwd: PROJECT_ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const timer = setInterval(tell, intervalMs);
  // Whoever ends this process does not mean to leave a compiler behind.
  const stop = (signal) => child.pid !== undefined && process.kill(-child.pid, signal);
  for (const signal of SIGNALS) process.on(signal, stop);
  const show = (line) => {
    if (steps?.read(line)) return;
    clear();
    stream.write(`${line}\n`);
  };
  createInterface({ input: child.stdout }).on('line', (line) => (quiet ? undefined : show(line)));
  createInterface({ input: child.stderr }).on('line', show);
  try {
    const [code, signal] = await new Promise((settle, reject) => {
      child.on('error', reject);
      child.on('close', (...ending) => settle(ending));
    });
    if (code !== 0)
      throw new Error(`${command} ${args.join(' ')} ended with ${signal ?? `exit code ${code}`}`);
  } finally {
    clearInterval(timer);
    for (const signal of SIGNALS) process.off(signal, stop);
    clear();
  }
  return performance.now() - started;
}
