import { type Command, CommanderError } from 'commander';
import { type ErrorCode, PermafrostError } from '../errors/error.js';
import { expectedOneOf, quoteValue } from '../errors/option-error.js';
import { messageFor } from './option-names.js';

export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_WRONG_USE = 2;

/** Thrown as abort reason by the first signal. */
export class Interrupted extends Error {
  constructor(readonly signal: NodeJS.Signals) {
    super(`Interrupted by ${signal}.`);
  }
}

/** Ends a command whose output has said already what failed. */
export class AlreadyReported extends Error {
  constructor(readonly exitCode = EXIT_FAILED) {
    super();
  }
}

const WRONG_USE: readonly ErrorCode[] = ['INVALID_OPTION', 'INVALID_PLAN'];

/** The exit code that an error leads to: 2 where the command was used wrongly, else 1. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof AlreadyReported) return error.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_DONE : EXIT_WRONG_USE;
  if (error instanceof PermafrostError && WRONG_USE.includes(error.code)) return EXIT_WRONG_USE;
  return EXIT_FAILED;
}

/** Whether an error is only how the parser of the command line ends after help or the version. */
export function isHelp(error: unknown): boolean {
  return error instanceof CommanderError && /^commander\.(help|version)/.test(error.code);
}

/** What the parser of the command line refuses, in the words that options are refused with elsewhere. */
export function wrongUse({ message, code }: CommanderError): PermafrostError {
  const text = message.replace(/^error: /, '');
  const argument = /^option '(?:-\w, )?(--[\w-]+).*?' argument '(.*)' is invalid\. (.*?)\.?$/s.exec(text);
  const unknown = /^unknown option '(.*?)'(?:\n\(Did you mean (.*?)\?\))?$/s.exec(text);
  let fault = `${text.replace(/\s*\n\s*/g, ' ')}.`;
  if (code === 'commander.invalidArgument' && argument !== null) {
    const [, flag, got, reason] = argument as unknown as [string, string, string, string];
    const choices = /^Allowed choices are (.*)$/.exec(reason);
    const expected = choices === null ? reason : expectedOneOf(choices[1]!.split(', '));
    fault = `${flag}: ${expected}, got ${/^-?\d+(\.\d+)?$/.test(got) ? got : quoteValue(got)}.`;
  } else if (unknown !== null) {
    fault = `there is no option '${unknown[1]}'.${unknown[2] ? ` Did you mean ${unknown[2]}?` : ''}`;
  }
  return new PermafrostError('INVALID_OPTION', `${fault} --help shows what there is.`);
}

/**
 * What a person reads of an error: its message with code and remedy; the stack only with `PERMAFROST_DEBUG=1`.
 *
 * @param command whose flags the message names, null where none ran
 */
export function describeFailure(
  error: unknown,
  command: Command | null = null,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const text = messageFor(command, error);
  const code = error instanceof PermafrostError ? ` [${error.code}]` : '';
  const isUnexpected =
    error instanceof Error && !(error instanceof PermafrostError) && !(error instanceof Interrupted);
  const hint = isUnexpected && env.PERMAFROST_DEBUG !== '1' ? '\nPERMAFROST_DEBUG=1 shows where.' : '';
  const stack = env.PERMAFROST_DEBUG === '1' && error instanceof Error ? `\n${error.stack}` : '';
  return `error${code}: ${text}${hint}${stack}`;
}

/** The same for `--json`: one object; its details name options as the API does. */
export function failureEvent(error: unknown, command: Command | null = null): Record<string, unknown> {
  return {
    type: 'error',
    code: error instanceof PermafrostError ? error.code : null,
    message: messageFor(command, error),
    details: error instanceof PermafrostError ? error.details : {},
  };
}
