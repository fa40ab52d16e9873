import type { Command } from 'commander';
import { PermafrostError } from '../errors/error.js';
import { engineOptionsShape } from '../experiment/model-options.js';
import { type WorkspaceOptions, workspaceShape } from '../experiment/workspace-options.js';
import { addShape, type Flags, optionsOf } from './schema-options.js';

/** Every option of a command that trains scenarios. */
export function addExperimentOptions(command: Command): Command {
  return addJsonOption(addShape(command, workspaceShape));
}

/** Picks from the flags what a workspace is opened with; the workspace checks the values. */
export function workspaceOptionsOf(flags: Flags): WorkspaceOptions {
  return optionsOf(workspaceShape, flags);
}

export function addEngineOptions(command: Command): Command {
  return addShape(command, engineOptionsShape);
}

/** What of the flags the engine is told. */
export function engineOptionsOf(flags: Flags): {
  threads?: number;
  device?: string;
  precision?: 'fp32' | 'bf16';
} {
  return optionsOf(engineOptionsShape, flags);
}

/** What a command says of its directory. */
export function addOutputOptions(command: Command, byDefault: string): Command {
  return command
    .option('--out <dir>', `directory of what the command leaves (default: ${byDefault})`)
    .option('--restart', 'delete what an earlier training left in --out, and begin anew');
}

/** What a command says of the report that it leaves. */
export function addLatexOption(command: Command): Command {
  return command.option('--latex', 'tables of the report as LaTeX, too (booktabs)');
}

export function addJsonOption(command: Command): Command {
  return command.option('--json', 'one JSON object a line on standard output, for programs');
}

/** Seeds 42, 43, … of `--seeds N`. */
export function seedsOf(flags: Flags, fallback: number): number[] {
  const count = (flags.seeds as number | undefined) ?? fallback;
  const first = (flags.seed as number | undefined) ?? 42;
  if (count < 1) {
    throw new PermafrostError('INVALID_OPTION', `--seeds: expected at least 1, got ${count}.`, {
      option: 'seeds',
    });
  }
  return Array.from({ length: count }, (_, index) => first + index);
}
