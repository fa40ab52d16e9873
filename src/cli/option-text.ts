import type { Command, Option } from 'commander';

/** What an option does, with its choices where they are not named in it, and its default. */
export function optionText(option: Option): string {
  const { description, argChoices = [], defaultValue } = option;
  const unnamed = argChoices.some((choice) => !new RegExp(`\\b${choice}\\b`).test(description));
  const [, does = '', itsDefault = ''] = /^(.*?)( \(default: [^()]*\))?$/s.exec(description)!;
  const choices = unnamed ? `: ${argChoices.join(', ')}` : '';
  const hasOther = itsDefault === '' && defaultValue !== undefined && !option.isBoolean();
  return does + choices + (hasOther ? ` (default: ${String(defaultValue)})` : itsDefault);
}

/** The options of a command as its help has them, by heading. */
export function optionGroups(command: Command): [heading: string, options: Option[]][] {
  const groups = new Map<string, Option[]>();
  for (const option of command.createHelp().visibleOptions(command)) {
    const heading = (option.helpGroupHeading ?? 'Options:').replace(/:$/, '');
    groups.set(heading, [...(groups.get(heading) ?? []), option]);
  }
  return [...groups];
}

/** The commands of a program as its help has them, by heading; a command that has commands stands before them. */
export function commandGroups(program: Command): [heading: string, commands: Command[]][] {
  const groups = new Map<string, Command[]>();
  for (const command of program.commands) {
    const heading = command.helpGroup().replace(/:$/, '');
    groups.set(heading, [...(groups.get(heading) ?? []), command, ...command.commands]);
  }
  return [...groups];
}

/** A command as it is called: `permafrost study errors`. */
export function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`;
}

/** How a command is called: `permafrost compare [options] <A> <B>`. */
export function usageOf(command: Command): string {
  return command.createHelp().commandUsage(command);
}
