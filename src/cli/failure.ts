import { CommanderError } from 'commander';
import { type ErrorCode, PermafrostError } from '../errors/error.js';

export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_WRONG_USE = 2;

/** Thrown as abort reason by the first signal. */
export class Interrupted extends Error {
  constructor(signal: string) {
    super(`Interrupted by ${signal}.`);
  }
}

/** Ends a command with exit code 1 whose output has said already what failed. */
export class AlreadyReported extends Error {}

const WRONG_USE: readonly ErrorCode[] = ['INVALID_OPTION', 'INVALID_PLAN'];

/** The exit code that an error leads to: 2 where the command was used wrongly, else 1. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_DONE : EXIT_WRONG_USE;
  if (error instanceof PermafrostError && WRONG_USE.includes(error.code)) return EXIT_WRONG_USE;
  return EXIT_FAILED;
}

/** What a person reads of an error: its message with code and remedy; the stack only with `PERMAFROST_DEBUG=1`. */
export function describeFailure(error: unknown, env: NodeJS.ProcessEnv = process.env): string {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof PermafrostError ? ` [${error.code}]` : '';
  const isUnexpected =
    error instanceof Error && !(error instanceof PermafrostError) && !(error instanceof Interrupted);
  const hint = isUnexpected && env.PERMAFROST_DEBUG !== '1' ? '\nPERMAFROST_DEBUG=1 shows where.' : '';
  const stack = env.PERMAFROST_DEBUG === '1' && error instanceof Error ? `\n${error.stack}` : '';
  return `error${code}: ${text}${hint}${stack}`;
}

/** The same for `--json`: one object. */
export function failureEvent(error: unknown): Record<string, unknown> {
  return {
    type: 'error',
    code: error instanceof PermafrostError ? error.code : null,
    message: error instanceof Error ? error.message : String(error),
    details: error instanceof PermafrostError ? error.details : {},
  };
}
