import { type Command, Help, type HelpConfiguration } from 'commander';
import { factsOf } from './command-facts.js';
import { optionText } from './option-text.js';

/** Columns beyond which lines are hard to read. */
const WIDEST = 100;
const NARROWEST = 60;

/**
 * How help looks: examples first, since they tell most in least, then the options in groups, and commands without the
 * words that all of them have.
 */
export function helpConfiguration(): HelpConfiguration {
  return {
    prepareContext(context) {
      const { error, helpWidth, outputHasColors } = context;
      const columns = (error ? process.stderr : process.stdout).columns ?? helpWidth ?? 80;
      Help.prototype.prepareContext.call(this, {
        ...(error !== undefined && { error }),
        ...(outputHasColors !== undefined && { outputHasColors }),
        helpWidth: Math.max(NARROWEST, Math.min(columns, WIDEST)),
      });
    },
    commandDescription: (command) => [sentence(command), ...exampleLines(command)].join('\n'),
    subcommandDescription: (command) => command.description(),
    subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(argumentTerm)].join(' '),
    optionDescription: optionText,
    styleTitle: (title) => `\u001b[1m${title}\u001b[22m`,
  };
}

/** What a command does, as a sentence. */
export function sentence(command: Command): string {
  const text = command.description();
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.:]$/.test(capital) ? capital : `${capital}.`;
}

function exampleLines(command: Command): string[] {
  const { examples } = factsOf(command);
  if (examples.length === 0) return [];
  const lines = examples.flatMap(({ does, command }) => [
    `  # ${does}`,
    ...command.split('\n').map((line) => `  ${line}`),
  ]);
  return ['', 'Examples:', ...lines];
}

function argumentTerm(argument: Command['registeredArguments'][number]): string {
  const name = argument.name() + (argument.variadic ? '...' : '');
  return argument.required ? `<${name}>` : `[${name}]`;
}
