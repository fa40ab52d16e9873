import type { Command } from 'commander';
import { PermafrostError } from '../errors/error.js';

// Messages name options as the API does, in backticks. Here they get the names of the flags of the command that ran.

/** Options of the API whose flags have another name. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  config: 'datasetConfig',
  directory: 'out',
  freezing: 'freeze',
  lowercase: 'cased',
  modes: 'mode',
  numLabels: 'labels',
  strategy: 'freeze',
};

const FUNCTION = /^[A-Za-z]+(\.(load|create|of))?$/;

/** An option in a message: `name`, `name: value`, `group.name`. */
const NAMED = /`([a-zA-Z][\w.]*)(?:: ([^`]+))?`/g;

/**
 * What an error says, in the names of a command's flags. A sentence that advises an option which the command does not
 * have is left out.
 */
export function messageFor(command: Command | null, error: unknown): string {
  if (!(error instanceof PermafrostError)) return error instanceof Error ? error.message : String(error);
  const { message, details } = error;
  // The function that an API's user called; a file stays.
  const where = typeof details.where === 'string' && FUNCTION.test(details.where) ? `${details.where}: ` : '';
  const text = message.startsWith(where) ? message.slice(where.length) : message;
  const [fault, ...advice] = text.split(/(?<=[.?!]) (?=[A-Z`])/);
  const isSaid = (sentence: string) =>
    [...sentence.matchAll(NAMED)].every(([, name]) => flagOf(command, name!) !== null);
  const sentences = [named(fault!, command), ...advice.filter(isSaid)];
  return sentences
    .join(' ')
    .replace(
      NAMED,
      (whole, name: string, value?: string) => flagOf(command, name, value) ?? whole.slice(1, -1),
    );
}

/** The fault with its option, which may stand at its beginning without backticks: `device: …`. */
function named(fault: string, command: Command | null): string {
  return fault.replace(/^[a-z][a-zA-Z]*(?=: )/, (name) => flagOf(command, name) ?? name);
}

/** An option as a command has it: `--max-length`, `--no-prefix-cache`; null where it has none of that name. */
function flagOf(command: Command | null, name: string, value?: string): string | null {
  const own = name.split('.').at(-1)!;
  const options = command?.options ?? [];
  const named = (wanted: string) => options.find((option) => option.attributeName() === wanted);
  const option = named(own) ?? named(OTHER_NAMES[own] ?? own);
  if (option === undefined) return null;
  const isSwitch = value === undefined || value === 'true' || value === 'false';
  return isSwitch ? option.long! : `${option.long} ${value}`;
}
