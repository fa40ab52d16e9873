import { type CompletedCommand, type CompletedOption, everyCommand } from './tree.js';

/** The completion of fish 3 and later. */
export function fishCompletion(root: CompletedCommand): string {
  const lines = everyCommand(root).flatMap((command) => [
    ...command.commands.map(({ path, description }) => {
      const condition = command.path.length === 0 ? '__fish_use_subcommand' : missing(command);
      return `complete -c permafrost -n ${quoted(condition)} -a ${path.at(-1)!} -d ${quoted(description)}`;
    }),
    ...command.options.map((option) => optionLine(command, option)),
    ...(command.operandValues.length > 0
      ? [`complete -c permafrost -n ${quoted(seen(command))} -a ${quoted(command.operandValues.join(' '))}`]
      : []),
    ...(command.operands === 'directories'
      ? [`complete -c permafrost -n ${quoted(seen(command))} -a '(__fish_complete_directories)'`]
      : []),
  ]);
  return ['# permafrost completion fish', 'complete -c permafrost -f', ...lines, ''].join('\n');
}

function optionLine(
  command: CompletedCommand,
  { flags, description, takes, values }: CompletedOption,
): string {
  const condition = command.path.length === 0 ? '__fish_use_subcommand' : seen(command);
  const spellings = flags.map((flag) =>
    flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
  );
  const value =
    takes === 'nothing'
      ? ''
      : values.length > 0
        ? ` -x -a ${quoted(values.join(' '))}`
        : takes === 'files'
          ? ' -r -F'
          : takes === 'directories'
            ? " -x -a '(__fish_complete_directories)'"
            : ' -x';
  return `complete -c permafrost -n ${quoted(condition)} ${spellings.join(' ')}${value} -d ${quoted(description)}`;
}

/** Whether all words of a command stand on the line. */
function seen({ path }: CompletedCommand): string {
  return path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
}

/** The same, and none of the commands below it. */
function missing(command: CompletedCommand): string {
  const below = command.commands.map(({ path }) => path.at(-1)!).join(' ');
  return `${seen(command)}; and not __fish_seen_subcommand_from ${below}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, (character) => `\\${character}`)}'`;
}
