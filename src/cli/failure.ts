import { type Command, CommanderError } from 'commander';
import { type ErrorCode, PermafrostError } from '../errors/error.js';
import { didYouMean } from '../errors/message.js';
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

/**
 * What the parser of the command line refuses, in the words that options are refused with elsewhere, and what was likely
 * meant.
 *
 * @param given what followed the program's name
 */
export function wrongUse(
  { message, code }: CommanderError,
  given: { program: Command; args: readonly string[] } | null = null,
): PermafrostError {
  const text = message.replace(/^error: /, '');
  const unknown = /^unknown option '(.*?)'(?:\n\(Did you mean (.*?)\?\))?$/s.exec(text);
  // The parser misses first what was misspelt.
  const misspelt = code === 'commander.missingMandatoryOptionValue' && given ? misspeltOption(given) : null;
  const fault =
    misspelt ??
    (unknown === null
      ? (refusedValue(text) ?? `${text.replace(/\s*\n\s*/g, ' ').replace(/\.$/, '')}.`)
      : `there is no option '${unknown[1]}'.${unknown[2] ? ` Did you mean ${unknown[2]}?` : ''}`);
  return new PermafrostError('INVALID_OPTION', `${fault} --help shows what there is.`);
}

/** What was expected of an option or an operand; null where something else was wrong. */
function refusedValue(text: string): string | null {
  const option = /^option '(?:-\w, )?(--[\w-]+).*?' argument '(.*)' is invalid\. (.*?)\.?$/s.exec(text);
  const operand = /^command-argument value '(.*)' is invalid for argument '(.*?)'\. (.*?)\.?$/s.exec(text);
  if (option === null && operand === null) return null;
  const [what, got, reason] = (
    option ? [option[1], option[2], option[3]] : [operand![2], operand![1], operand![3]]
  ) as [string, string, string];
  const [, listed] = /^Allowed choices are (.*)$/.exec(reason) ?? [];
  const choices = listed?.split(', ');
  const meant = choices && didYouMean(got, choices);
  const shown = /^-?\d+(\.\d+)?$/.test(got) ? got : quoteValue(got);
  return `${what}: ${choices ? expectedOneOf(choices) : reason}, got ${shown}.${meant ? ` Did you mean ${meant}?` : ''}`;
}

/** The first option that the command does not have, where it is near one that it has. */
function misspeltOption({ program, args }: { program: Command; args: readonly string[] }): string | null {
  const named = args.reduce(
    (command, word) => command.commands.find((inner) => inner.name() === word) ?? command,
    program,
  );
  const known = named.options.flatMap(({ long }) => (long == null ? [] : [long]));
  const flags = args.flatMap((word) => /^--[a-z][\w-]*/.exec(word)?.[0] ?? []);
  const unknown = flags.find((flag) => !known.includes(flag) && flag !== '--help');
  const meant = unknown && didYouMean(unknown, known);
  return meant ? `there is no option '${unknown}'. Did you mean ${meant}?` : null;
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
