import type { Command } from 'commander';
import type { Output } from './output.js';

/** What a command is given to work with. */
export interface CommandContext {
  output: Output;
  /** What followed `permafrost` on the command line. */
  args: readonly string[];
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

/** A command's work; `flags` are its options by their names in camel case. */
export type Action = (flags: Record<string, unknown>, context: CommandContext) => Promise<void>;

/** Runs an action with output and signal in place; made once, in main. */
export type Runner = (action: Action) => (flags: Record<string, unknown>, command: Command) => Promise<void>;
