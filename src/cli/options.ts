import type { Command } from 'commander';
import { z } from 'zod';
import type { OptionShape } from '../errors/option-shape.js';
import { inferenceOptionsShape } from '../experiment/model-options.js';
import { type WorkspaceOptions, workspaceGroups, workspaceShape } from '../experiment/workspace-options.js';
import { FREEZING_NOTATIONS } from '../freezing/schedule-notation.js';
import type { LoadOptions } from '../model/options.js';
import { addSettings } from './command-facts.js';
import { addConfigurationOptions } from './configuration/configure.js';
import { addShape, type Flags, optionsOf } from './schema-options.js';

/** Headings of the groups of options that are no task's own. */
const RUN = 'This run';
const GENERAL = 'General';

const DEFAULTS = `Defaults are the paper's. The demo presets and a fresh model (--shape) have some
of their own; a model that was fine-tuned before goes on as it was.`;

/** Names of strategies with the colon where a value follows, for completions. */
const NOTATIONS = FREEZING_NOTATIONS.map(({ form }) => form.replace(/(?<=:).*$/, ''));

/** How the layers of a run are frozen. */
export const freezeOption = z
  .string()
  .min(1)
  .default('full')
  .meta({
    description: FREEZING_NOTATIONS.map(({ form }) => form).join(', '),
    value: 'strategy',
    suggestions: NOTATIONS,
  });

/** The first seed of a command that trains several runs. */
export const firstSeedOption = z.int().min(0).default(42).describe('the first seed; the others follow it');

/** Of a command that trains each plan several times. */
export const seedsOption = z.int().positive().default(3).describe('runs of each plan');

export const strategiesOption = (byDefault: string, description: string) =>
  z
    .string()
    .min(1)
    .default(byDefault)
    .meta({ description, value: 'list', suggestions: ['paper', ...NOTATIONS] });

export const latexOption = z
  .boolean()
  .default(false)
  .describe('tables of the report as LaTeX, too (booktabs)');

/** Where a command leaves what it makes. */
export function outOption(byDefault: string) {
  return z
    .string()
    .min(1)
    .optional()
    .meta({ description: `directory of what the command leaves (default: ${byDefault})`, value: 'dir' });
}

/**
 * The options of a command that trains: its own ones and those of its task by groups, all of which a file of settings may
 * hold, and those about the settings themselves.
 */
export function addTrainingOptions(
  command: Command,
  own: OptionShape,
  groups: Readonly<Record<string, OptionShape>>,
): Command {
  addShape(command, own, RUN);
  command.option('--restart', 'delete what an earlier training left in --out, and begin anew');
  addSettings(command, own);
  for (const [heading, shape] of Object.entries(groups)) {
    addShape(command, shape, heading);
    addSettings(command, shape);
  }
  addConfigurationOptions(command.optionsGroup('Settings:'));
  if (Object.hasOwn(groups, 'Data')) command.addHelpText('after', `\n${DEFAULTS}`);
  return addJsonOption(command);
}

/** Lets a command tell what it would do; behind {@link addTrainingOptions}. */
export function addDryRunOption(command: Command): Command {
  return command.option(
    '--dry-run',
    'read and check everything, tell what would be trained where, in how much memory and time; train nothing',
  );
}

/** The groups of every command that trains scenarios. */
export const experimentGroups: Readonly<Record<string, OptionShape>> = workspaceGroups;

/** Picks from the flags what a workspace is opened with; the workspace checks the values. */
export function workspaceOptionsOf(flags: Flags): WorkspaceOptions {
  return optionsOf(workspaceShape, flags);
}

export function addInferenceOptions(command: Command): Command {
  return addShape(command, inferenceOptionsShape, 'Machine');
}

/** What of the flags the engine is told. */
export function inferenceOptionsOf(flags: Flags): Pick<LoadOptions, keyof typeof inferenceOptionsShape> {
  return optionsOf(inferenceOptionsShape, flags);
}

/** What a command says of the report that it leaves. */
export function addLatexOption(command: Command): Command {
  return addShape(command, { latex: latexOption });
}

export function addJsonOption(command: Command): Command {
  return command
    .optionsGroup(`${GENERAL}:`)
    .option('--json', 'one JSON object a line on standard output, for programs');
}

/** Seeds 42, 43, … of a first one and a number. */
export function seedsFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
