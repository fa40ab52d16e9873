import type { Command, Option } from 'commander';
import { optionText } from '../option-text.js';
import { suggestionsOf } from '../schema-options.js';

/** What is completed behind an option or as an operand. */
export type Completed = 'nothing' | 'anything' | 'files' | 'directories';

export interface CompletedOption {
  /** `--out`, and `-h` beside `--help`. */
  flags: readonly string[];
  description: string;
  takes: Completed;
  /** Values that are offered. */
  values: readonly string[];
  isRepeated: boolean;
}

/** A command as a shell completes it. */
export interface CompletedCommand {
  /** Words behind `permafrost`: none of the program itself. */
  path: readonly string[];
  description: string;
  options: readonly CompletedOption[];
  commands: readonly CompletedCommand[];
  operands: Completed;
  /** What an operand may be, where that is known. */
  operandValues: readonly string[];
}

/** All that there is to complete, from the program as it parses. */
export function completionTree(program: Command, path: readonly string[] = []): CompletedCommand {
  const help = program.createHelp();
  return {
    path,
    description: program.description(),
    options: help.visibleOptions(program).map(completedOption),
    commands: program.commands.map((command) => completionTree(command, [...path, command.name()])),
    operands: operandsOf(program),
    operandValues: program.registeredArguments[0]?.argChoices ?? [],
  };
}

/** A command and all below it. */
export function everyCommand(command: CompletedCommand): CompletedCommand[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function completedOption(option: Option): CompletedOption {
  const { short, long, flags } = option;
  const value = /[<[]([^>\]]*?)(\.\.\.)?[>\]]$/.exec(flags)?.[1];
  return {
    flags: [short, long].filter((flag) => flag != null),
    description: firstPart(optionText(option)),
    takes: value === undefined ? 'nothing' : kindOf(value),
    values: suggestionsOf(option),
    isRepeated: option.parseArg !== undefined || option.variadic,
  };
}

/** A placeholder says what stands for it. */
function kindOf(placeholder: string): Completed {
  if (/^files?$/.test(placeholder)) return 'files';
  return /^(dir|model|tokenizer)$/.test(placeholder) ? 'directories' : 'anything';
}

function operandsOf(command: Command): Completed {
  const [argument] = command.registeredArguments;
  if (argument === undefined) return 'nothing';
  return argument.argChoices === undefined ? 'directories' : 'anything';
}

/** What tells an option from the others: shells show one line of it. */
function firstPart(text: string): string {
  return text.replace(/ \(default: .*\)$/, '').split(/[;:] /)[0]!;
}
