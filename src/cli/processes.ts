import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AlreadyReported, EXIT_FAILED, EXIT_WRONG_USE, Interrupted } from './failure.js';
import type { Output } from './output.js';

/** Lines that are kept of what a process said last. */
const LAST_LINES = 20;

const COMMAND_LINE = fileURLToPath(new URL('./main.js', import.meta.url));

/** What the first of several processes tells when it has begun, so that the others may follow. */
export const BEGUN = 'begun';

/** One process of the command line among several. */
export interface CommandProcess {
  /** What messages call it, such as `rank 1`. */
  name: string;
  /** What follows `permafrost`. */
  args: readonly string[];
  /** Variables of the environment beside this process's; undefined takes one away. */
  env?: Readonly<Record<string, string | undefined>>;
}

export interface SupervisionOptions {
  /** What the first one writes is shown, of the others what they said last where they fail. */
  processes: readonly CommandProcess[];
  /** Whether the others wait until the first one has begun. @default false */
  inTurn?: boolean;
  /** Milliseconds that the others have to end where one fails; null lets them go on. */
  graceMs: number | null;
  output: Output;
  signal: AbortSignal;
  /** Script that the processes run. @default this command line */
  program?: string;
}

/**
 * Runs several processes of the command line until all have ended.
 *
 * Signals that this one gets go to all, each once: they have process groups of their own, which a terminal's Ctrl-C does
 * not reach. Where this process dies they notice, and stop as after SIGTERM.
 *
 * @throws AlreadyReported where one failed, which is named with its last lines; `signal.reason` where all were stopped
 */
export async function supervise(options: SupervisionOptions): Promise<void> {
  const { processes, inTurn = false, graceMs, output, signal, program = COMMAND_LINE } = options;
  const running: Supervised[] = [];
  const failed: Supervised[] = [];
  const ends: Promise<void>[] = [];
  const stopAll = (name: NodeJS.Signals) => {
    for (const process of running) process.kill(name);
  };
  const begin = (process: CommandProcess) => {
    const started = new Supervised(program, process, running.length === 0);
    running.push(started);
    ends.push(
      started.ended.then(async () => {
        if (!started.hasFailed) return;
        failed.push(started);
        if (graceMs === null || failed.length > 1 || signal.aborted) return;
        stopAll('SIGTERM');
        const others = Promise.all(running.map(({ ended }) => ended));
        const isLate = await Promise.race([others.then(() => false), sleep(graceMs, true, { ref: false })]);
        if (isLate) stopAll('SIGKILL');
      }),
    );
    return started;
  };
  const forward = () => stopAll(signal.reason instanceof Interrupted ? signal.reason.signal : 'SIGTERM');
  signal.addEventListener('abort', forward);
  try {
    const [first, ...others] = processes;
    const leader = begin(first!);
    if (inTurn) await Promise.race([leader.begun, leader.ended]);
    if (!leader.hasFailed && !signal.aborted) for (const process of others) begin(process);
    await Promise.all(running.map(({ ended }) => ended));
    await Promise.all(ends);
  } finally {
    signal.removeEventListener('abort', forward);
  }
  signal.throwIfAborted();
  if (failed.length > 0) throw reported(failed, output);
}

/** Cores of this machine for each of so many processes. */
export function coresEach(processes: number): number {
  return Math.max(1, Math.floor(availableParallelism() / processes));
}

/** The arguments with an option, where they do not have it. @param flag such as `--threads` */
export function withOption(args: readonly string[], flag: string, value: string): string[] {
  const isGiven = args.some((arg) => arg === flag || arg.startsWith(`${flag}=`));
  return isGiven ? [...args] : [...args, flag, value];
}

/** The arguments without an option and its value, or without a switch. */
export function withoutOption(args: readonly string[], flag: string, hasValue: boolean): string[] {
  return args.filter((arg, index) => {
    const isValue = hasValue && args[index - 1] === flag;
    return !(isValue || arg === flag || arg.startsWith(`${flag}=`));
  });
}

class Supervised {
  readonly name: string;
  /** Settles when it has ended, and all that it wrote has been read. */
  readonly ended: Promise<void>;
  /** Settles when it says that it has begun. */
  readonly begun: Promise<void>;
  readonly lastLines: string[] = [];
  readonly isShown: boolean;
  readonly #child: ChildProcess;
  readonly #sent = new Set<NodeJS.Signals>();
  #how: { code: number | null; signal: NodeJS.Signals | null } = { code: null, signal: null };

  constructor(program: string, { name, args, env = {} }: CommandProcess, isShown: boolean) {
    this.name = name;
    this.isShown = isShown;
    const shown = isShown ? 'inherit' : 'pipe';
    this.#child = spawn(process.execPath, [...process.execArgv, program, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', shown, shown, 'ipc'],
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) if (stream) this.#keepLast(stream);
    this.begun = new Promise((settle) => {
      this.#child.on('message', (message) => message === BEGUN && settle());
    });
    this.ended = new Promise((settle) => {
      this.#child.on('error', (error) => {
        this.lastLines.push(error.message);
        this.#how = { code: 1, signal: null };
        settle();
      });
      this.#child.on('close', (code, signal) => {
        this.#how = { code, signal };
        settle();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get code(): number | null {
    return this.#how.code;
  }

  /** The signal that ended it, where it was not sent from here. */
  get killedBy(): NodeJS.Signals | null {
    const { signal } = this.#how;
    return signal === null || this.#sent.has(signal) ? null : signal;
  }

  get hasFailed(): boolean {
    const { code, signal } = this.#how;
    return signal !== null || (code !== null && code !== 0);
  }

  get hasEnded(): boolean {
    return this.#how.code !== null || this.#how.signal !== null;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.hasEnded) return;
    this.#sent.add(signal);
    this.#child.kill(signal);
  }

  #keepLast(stream: Readable): void {
    createInterface({ input: stream }).on('line', (line) => {
      if (line.trim() === '') return;
      this.lastLines.push(line);
      if (this.lastLines.length > LAST_LINES) this.lastLines.shift();
    });
  }
}

/** Says which process failed first, by its last lines. */
function reported(failed: readonly Supervised[], output: Output): AlreadyReported {
  // Used wrongly, all alike: the one that is shown has said so.
  if (failed.some(({ isShown, code }) => isShown && code === EXIT_WRONG_USE)) {
    return new AlreadyReported(EXIT_WRONG_USE);
  }
  const first = firstOf(failed);
  const { name, pid, killedBy, code, lastLines } = first;
  const how = killedBy === null ? `ended with exit code ${code}` : `was killed by ${killedBy}`;
  const said = first.isShown ? '' : lastLines.length === 0 ? ' and said nothing' : '. Its last lines:';
  output.note(`error: ${name} (process ${pid}) ${how}${said}`);
  for (const line of lastLines) output.note(`[${name}] ${line}`);
  const message = `${name} (process ${pid}) ${how}.`;
  output.json({ type: 'error', code: null, message, details: { name, pid, lastLines } });
  return new AlreadyReported(code === EXIT_WRONG_USE ? EXIT_WRONG_USE : EXIT_FAILED);
}

/** Whoever only tells that another rank has failed is not the first. */
function firstOf(failed: readonly Supervised[]): Supervised {
  const isVictim = ({ lastLines }: Supervised) => lastLines.some((line) => line.includes('RANK_FAILED'));
  return (
    failed.find(({ killedBy }) => killedBy !== null) ??
    failed.find((process) => !process.isShown && !isVictim(process)) ??
    failed.find(({ isShown }) => isShown) ??
    failed[0]!
  );
}
