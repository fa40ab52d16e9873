import type { Command } from 'commander';
import { factsOf } from './command-facts.js';
import { sentence } from './help.js';
import { commandGroups, commandPath, optionGroups, optionText, usageOf } from './option-text.js';

/** The reference of all commands in Markdown, as docs/commands.md has it: from the program as it parses. */
export function commandReference(program: Command): string {
  const groups = commandGroups(program);
  const blocks = [
    '# Commands',
    'Made by `npm run docs:commands` from the command line itself; change it there. `permafrost COMMAND --help` shows the ' +
      'same, and so does `man permafrost`.',
    ...groups.map(([heading, commands]) =>
      [`**${heading}:**`, commands.map((command) => link(command)).join(', ')].join(' '),
    ),
    examples(program),
    ...groups.flatMap(([, commands]) => commands.flatMap(section)),
  ];
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}

function link(command: Command): string {
  const path = commandPath(command);
  return `[${path.replace(/^permafrost /, '')}](#${path.replaceAll(' ', '-')})`;
}

function section(command: Command): string[] {
  const called = command.registeredArguments.map(
    (argument) => `- \`${argument.name()}\`: ${escaped(argument.description)}`,
  );
  return [
    `## ${commandPath(command)}`,
    escaped(sentence(command)),
    `Usage: \`${usageOf(command)}\``,
    called.join('\n'),
    examples(command),
    ...(command.commands.length > 0 ? [] : optionGroups(command).flatMap(optionTable)),
  ];
}

function examples(command: Command): string {
  const lines = factsOf(command).examples.flatMap(({ does, command }) => [`# ${does}`, command]);
  return lines.length === 0 ? '' : ['```sh', ...lines, '```'].join('\n');
}

function optionTable([heading, options]: ReturnType<typeof optionGroups>[number]): string[] {
  const rows = options.map(
    (option) => `| \`${option.flags.replaceAll('|', '\\|')}\` | ${escaped(optionText(option))} |`,
  );
  return [[`| ${heading} | |`, '| --- | --- |', ...rows].join('\n')];
}

/** Text that Markdown leaves as it is. */
function escaped(text: string): string {
  return text.replace(/[|*<_]/g, (character) => `\\${character}`);
}
