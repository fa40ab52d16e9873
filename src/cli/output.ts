import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { describeFailure, failureEvent } from './failure.js';

export type OutputMode = 'terminal' | 'plain' | 'json';

export interface OutputOptions {
  json: boolean;
  /** Results. @default process.stdout */
  stdout?: Writable;
  /** Progress and errors. @default process.stderr */
  stderr?: Writable & { isTTY?: boolean };
}

/**
 * Where a command writes: results to standard output, progress and errors to standard error.
 *
 * With `--json` standard output holds one JSON object a line and nothing else.
 */
export class Output {
  readonly mode: OutputMode;
  readonly stderr: Writable;
  readonly #stdout: Writable;

  constructor({ json, stdout = process.stdout, stderr = process.stderr }: OutputOptions) {
    this.mode = json ? 'json' : stderr.isTTY ? 'terminal' : 'plain';
    this.#stdout = stdout;
    this.stderr = stderr;
  }

  /** A result for people; nothing with `--json`. */
  print(text: string): void {
    if (this.mode !== 'json') this.#stdout.write(`${text}\n`);
  }

  /** A result or event for machines; nothing without `--json`. */
  json(value: object): void {
    if (this.mode === 'json') this.#stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** A line about what is going on; nothing with `--json`. */
  note(text: string): void {
    if (this.mode !== 'json') this.stderr.write(`${text}\n`);
  }

  /** An error, in the form of the mode. @param command that ran, whose flags the message names */
  failure(error: unknown, command: Command | null = null): void {
    if (this.mode === 'json') this.json(failureEvent(error, command));
    else this.stderr.write(`${describeFailure(error, command)}\n`);
  }
}
