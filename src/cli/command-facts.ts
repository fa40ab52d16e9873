import type { Command } from 'commander';
import type { OptionShape } from '../errors/option-shape.js';

// What help, completion, manual and documents tell of a command beside what its parser knows.

/** A command line that works as it stands, and what it does. */
export interface Example {
  /** Without `$`; several lines where one ends with a backslash. */
  command: string;
  does: string;
}

interface CommandFacts {
  examples: readonly Example[];
  /** Options that a file of settings may have. */
  settings: OptionShape | null;
}

const facts = new WeakMap<Command, CommandFacts>();

/** What is known of a command; nothing of one that told nothing. */
export function factsOf(command: Command): CommandFacts {
  return facts.get(command) ?? { examples: [], settings: null };
}

/** Gives a command examples: what one does, and its line. */
export function addExamples(command: Command, examples: Readonly<Record<string, string>>): Command {
  const added = Object.entries(examples).map(([does, line]) => ({ does, command: line }));
  facts.set(command, { ...factsOf(command), examples: added });
  return command;
}

/** Lets a file of settings have the options of a shape. */
export function addSettings(command: Command, settings: OptionShape): void {
  facts.set(command, { ...factsOf(command), settings: { ...factsOf(command).settings, ...settings } });
}
