import { Argument, type Command } from 'commander';
import { addExamples } from '../command-facts.js';
import { bashCompletion } from '../completion/bash.js';
import { fishCompletion } from '../completion/fish.js';
import { type CompletedCommand, completionTree } from '../completion/tree.js';
import { zshCompletion } from '../completion/zsh.js';
import type { Runner } from '../context.js';

const SHELLS: Readonly<Record<string, (root: CompletedCommand) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export function addCompletionCommand(program: Command, run: Runner): void {
  const command = program
    .command('completion')
    .description('print what makes a shell complete commands, options and their values')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(Object.keys(SHELLS)));
  addExamples(command, {
    'in ~/.bashrc': 'eval "$(permafrost completion bash)"',
    'in ~/.zshrc, behind compinit': 'eval "$(permafrost completion zsh)"',
    'for fish': 'permafrost completion fish > ~/.config/fish/completions/permafrost.fish',
  });
  command.action((shell: string, flags: Record<string, unknown>, of: Command) =>
    run((_, { output }) => {
      output.print(SHELLS[shell]!(completionTree(program)).trimEnd());
      return Promise.resolve();
    })(flags, of),
  );
}
