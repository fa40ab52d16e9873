import type { Command } from 'commander';
import { factsOf } from './command-facts.js';
import { sentence } from './help.js';
import { commandGroups, commandPath, optionGroups, optionText, usageOf } from './option-text.js';

/** The manual page permafrost(1) in roff, with all commands: from the program as it parses. */
export function manualPage(program: Command): string {
  const lines = [
    `.TH PERMAFROST 1 "" "permafrost ${program.version()}" "User Commands"`,
    '.SH NAME',
    `permafrost \\- ${text(program.description().replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    '.B permafrost',
    '.I command',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    text(
      'Each command takes what it needs from flags; those that train take it from a file of settings, too (--config). ' +
        'What a run leaves in its directory repeats it, and a command that was stopped goes on when it is called again.',
    ),
    ...exampleLines(program),
    '.SH COMMANDS',
    ...commandGroups(program).flatMap(([heading, commands]) => [
      `.SS ${text(heading)}`,
      ...commands.flatMap((command) => [
        '.TP',
        `.B ${text(commandPath(command).replace(/^permafrost /, ''))}`,
        text(command.description()),
      ]),
    ]),
    ...commandGroups(program).flatMap(([, commands]) => commands.flatMap(section)),
    '.SH EXIT STATUS',
    ...['0', '1', '2'].flatMap((status, index) => [
      '.TP',
      `.B ${status}`,
      ['Done.', 'Failed, or interrupted.', 'Wrong use: an option, a plan or a setting that cannot be.'][
        index
      ]!,
    ]),
    '.SH ENVIRONMENT',
    ...Object.entries(ENVIRONMENT).flatMap(([name, does]) => ['.TP', `.B ${name}`, text(does)]),
  ];
  return `${lines.flatMap(wrapped).join('\n')}\n`;
}

const ENVIRONMENT: Readonly<Record<string, string>> = {
  HF_TOKEN: 'A token of the Hugging Face Hub, for models and datasets behind a form, and for push.',
  HF_HOME: 'Where what was fetched from the Hub is kept.',
  HF_HUB_OFFLINE: '1 takes what was fetched before, and asks nobody.',
  LIBTORCH: 'The directory of the libtorch that the engine is built against and computes with.',
  'NO_COLOR, FORCE_COLOR': 'Text without anything that stands out, or with it where there is no terminal.',
  PERMAFROST_DEBUG: '1 shows where an error came from.',
};

function section(command: Command): string[] {
  const operands = command.registeredArguments.flatMap((argument) => [
    '.TP',
    `.I ${text(argument.name())}`,
    text(argument.description),
  ]);
  const groups = command.commands.length > 0 ? [] : optionGroups(command);
  return [
    `.SH "${text(commandPath(command).toUpperCase())}"`,
    text(sentence(command)),
    '.PP',
    `.B ${text(usageOf(command))}`,
    ...operands,
    ...exampleLines(command),
    ...groups.flatMap(([heading, options]) => [
      `.SS ${text(heading)}`,
      ...options.flatMap((option) => ['.TP', `.B ${text(option.flags)}`, text(optionText(option))]),
    ]),
  ];
}

function exampleLines(command: Command): string[] {
  return factsOf(command).examples.flatMap(({ does, command }) => [
    '.PP',
    text(`${does.charAt(0).toUpperCase()}${does.slice(1)}:`),
    '.PP',
    '.nf',
    '.RS 4',
    ...command.split('\n').map(text),
    '.RE',
    '.fi',
  ]);
}

/** A line of text as lines of at most 80 bytes; a request is one line, and text that is not filled is left alone. */
function wrapped(line: string): string[] {
  if (line.length <= 80 || line.startsWith('.')) return [line];
  const lines: string[] = [''];
  for (const word of line.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + word.length >= 80) lines.push(word.replace(/^(?=['.])/, '\\&'));
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

/** Text that roff leaves as it is: backslashes, dashes that are typed, and no request at the beginning of a line. */
function text(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replaceAll('’', "'")
    .replaceAll('<->', '<\\->')
    .replace(/^(?=['.])/, '\\&');
}
