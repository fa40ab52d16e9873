import { Writable } from 'node:stream';
import type { Command } from 'commander';
import { describeFailure, failureEvent } from './failure.js';
import { type DrawStatus, StatusLine, type TerminalStream } from './status-line.js';

export type OutputMode = 'terminal' | 'plain' | 'json';

export interface OutputOptions {
  json: boolean;
  /** Results. @default process.stdout */
  stdout?: Writable;
  /** Progress and errors. @default process.stderr */
  stderr?: TerminalStream;
  /** @default process.env */
  env?: NodeJS.ProcessEnv;
}

/** How a text stands out on a terminal. */
export type TextStyle = 'bold' | 'dim';

const STYLES: Record<TextStyle, [on: string, off: string]> = {
  bold: ['\u001b[1m', '\u001b[22m'],
  dim: ['\u001b[2m', '\u001b[22m'],
};

/**
 * Whether text may stand out: on a terminal, as no-color.org and force-color.org have it. FORCE_COLOR goes first, and of 0
 * or false says no.
 */
function hasColors(isTerminal: boolean, { FORCE_COLOR, NO_COLOR }: NodeJS.ProcessEnv): boolean {
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return !['0', 'false'].includes(FORCE_COLOR);
  return isTerminal && !NO_COLOR;
}

/**
 * Where a command writes: results to standard output, progress and errors to standard error.
 *
 * With `--json` standard output holds one JSON object a line and nothing else.
 */
export class Output {
  readonly mode: OutputMode;
  readonly #stdout: Writable;
  readonly #stderr: Writable;
  readonly #status: StatusLine | null;
  readonly #hasStyles: boolean;

  constructor({ json, stdout = process.stdout, stderr = process.stderr, env = process.env }: OutputOptions) {
    const isTerminal = stderr.isTTY === true && env.TERM !== 'dumb';
    this.mode = json ? 'json' : isTerminal ? 'terminal' : 'plain';
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.#status = this.mode === 'terminal' ? new StatusLine(stderr) : null;
    this.#hasStyles = !json && hasColors(isTerminal, env);
  }

  /** Characters of a line about what is going on; null where there is no terminal, whose lines may have any length. */
  get columns(): number | null {
    return this.#status?.columns ?? null;
  }

  /** A result for people; nothing with `--json`. */
  print(text: string): void {
    if (this.mode !== 'json') this.#write(this.#stdout, text);
  }

  /** A result or event for machines; nothing without `--json`. */
  json(value: object): void {
    if (this.mode === 'json') this.#stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** A line about what is going on; nothing with `--json`. */
  note(text: string): void {
    if (this.mode !== 'json') this.#write(this.#stderr, text);
  }

  /** The line about how far it has come, below all others, in the place of the last one; null removes it. Terminal only. */
  status(draw: DrawStatus | null): void {
    this.#status?.show(draw);
  }

  /** The text as it stands out on a terminal, where it has colours. */
  styled(style: TextStyle, text: string): string {
    const [on, off] = STYLES[style];
    return this.#hasStyles ? `${on}${text}${off}` : text;
  }

  /** An error, in the form of the mode. @param command that ran, whose flags the message names */
  failure(error: unknown, command: Command | null = null): void {
    if (this.mode === 'json') this.json(failureEvent(error, command));
    else this.#write(this.#stderr, describeFailure(error, command));
  }

  #write(stream: Writable, text: string): void {
    const write = () => stream.write(`${text}\n`);
    if (this.#status === null) write();
    else this.#status.above(write);
  }
}

/** Says nothing, as one of several processes of which the first speaks. */
export function silentOutput(): Output {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  return new Output({ json: false, stdout: nowhere, stderr: nowhere as TerminalStream });
}
